"""Every public name of server and client says what it is: docstring coverage is 100 %.

Ruff asks for most of it; this counts, and also asks what ruff passes over: setters and overloads have the words of what
they belong to, but a module, a class, a function, a method, a property or a constant of a value's type has its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.reading import ROOT

MODULES = sorted([*ROOT.glob("streamer/**/*.py"), *ROOT.glob("clients/python/streamer_client/**/*.py")])
PUBLIC = [path for path in MODULES if path.name == "__init__.py" or not path.name.startswith("_")]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SAME_WORDS = {"setter", "deleter", "overload", "override"}
"""Decorators of what has the docstring of something else."""


def decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {part.id if isinstance(part, ast.Name) else part.attr for one in node.decorator_list
            for part in ast.walk(one) if isinstance(part, ast.Name | ast.Attribute)}  # fmt: skip


def names(body: list[ast.stmt], inside: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield the public classes and functions of a module or class, with those inside public classes."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from names([*node.body, *node.orelse], inside)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield f"{inside}{node.name}", node
            yield from names(node.body, f"{inside}{node.name}.")
        elif isinstance(node, FUNCTIONS) and not node.name.startswith("_") and not decorators(node) & SAME_WORDS:
            yield f"{inside}{node.name}", node


@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_public_name_of_a_module_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = [("the module", tree), *names(tree.body)]
    assert [name for name, node in public if not ast.get_docstring(node)] == []  # type: ignore[arg-type]


def test_there_is_much_to_count() -> None:
    found = [one for path in PUBLIC for one in names(ast.parse(path.read_text(encoding="utf-8")).body)]
    assert len(PUBLIC) > 200
    assert len(found) > 1000


@pytest.mark.parametrize("path", ["clients/python/streamer_client/events.py"])
def test_a_docstring_below_a_field_belongs_to_a_field(path: str) -> None:
    """A string that stands below anything else would be dropped silently from schemas and from docs/events.md."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            for above, below in pairwise(node.body):
                if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                    assert isinstance(above, ast.AnnAssign), ast.unparse(below)
