"""What a module uses of Linux or POSIX alone, and whether there is a way around it; read from its source.

Nothing here may run what it reads.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.packages import elsewhere

_NAMED = {f"{place.__name__}.{name}" for place, names in elsewhere.NAMES.items() for name in names} | {"socket.AF_UNIX"}
_LOOPS = {"add_signal_handler": "NotImplementedError"}
"""What loops of Windows have and refuse."""


def unguarded(source: str) -> list[str]:
    """Return the imports and names that fail elsewhere and are not in a `try` or behind a `hasattr`."""
    return list(_walk(ast.parse(source), frozenset()))


def _walk(node: ast.AST, guarded: frozenset[str]) -> Iterator[str]:
    yield from (what for what, failure in _used(node) if failure not in guarded)
    kept = _caught(node) if isinstance(node, ast.Try) else frozenset[str]()
    if isinstance(node, ast.If | ast.IfExp) and "hasattr(" in ast.unparse(node.test):
        guarded |= {"AttributeError"}
    for name, value in ast.iter_fields(node):
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                yield from _walk(part, guarded | kept if name == "body" else guarded)


def _used(node: ast.AST) -> list[tuple[str, str]]:
    """Return what a piece of code itself uses, each with the error that it would be elsewhere."""
    match node:
        case ast.Import(names=names):
            modules = [name.name for name in names]
        case ast.ImportFrom(module=str(module), level=0):
            modules = [module]
        case ast.Attribute(attr=name) if name in _LOOPS:
            return [(name, _LOOPS[name])]
        case ast.Attribute() if (text := ast.unparse(node)) in _NAMED:
            return [(text, "AttributeError")]
        case _:
            return []
    return [(name, "ImportError") for name in modules if name.partition(".")[0] in elsewhere.MODULES]


def _caught(node: ast.Try) -> frozenset[str]:
    types = [ast.unparse(handler.type) for handler in node.handlers if handler.type is not None]
    known = ("ImportError", "AttributeError", "NotImplementedError")
    return frozenset(problem for problem in known if any(problem in text for text in types))
