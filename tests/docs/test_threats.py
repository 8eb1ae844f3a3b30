"""The threat model names tests that exist, and owns up in every row that has none."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.docs.reading import ROOT, text

PAGE = text("docs/threats.md")
NAMED = re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE)


def attacks() -> Iterator[list[str]]:
    """Yield the cells of each row about an attack."""
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("|") and len(cells) == 4 and not line.startswith(("|---", "| attack")):
            yield cells


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_whatever_looks_like_a_test_is_named_in_full() -> None:
    assert len(NAMED) == len(re.findall(r"test_\w+\.py", PAGE)) > 30


def test_an_attack_without_a_test_says_what_remains() -> None:
    rows = list(attacks())
    assert len(rows) > 30
    assert [row[0] for row in rows if "::test_" not in row[2] and not row[3]] == []
