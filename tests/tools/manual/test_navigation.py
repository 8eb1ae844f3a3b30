"""The index of the manual is its navigation."""

from __future__ import annotations

import pytest

from tests.docs.reading import ROOT, text
from tools.manual.navigation import HOME, INDEX, for_mkdocs, sections

SMALL = """# The manual

Words, and [a link](elsewhere.md) in them.

## First

- [A page](a.md): what it is for.
- [Another](../models/README.md): outside.
- not a page

## Second

- [Third](c.md): more.
"""


def test_headings_are_sections_and_lines_with_a_page_are_pages_in_order() -> None:
    assert sections(SMALL) == [
        ("First", (("A page", "docs/a.md"), ("Another", "models/README.md"))),
        ("Second", (("Third", "docs/c.md"),)),
    ]


def test_the_projects_first_page_and_the_index_come_before_the_sections() -> None:
    first, second, *rest = for_mkdocs(SMALL)
    assert [*first.values(), *second.values()] == [HOME, INDEX]
    assert rest == [
        {"First": [{"A page": "docs/a.md"}, {"Another": "models/README.md"}]},
        {"Second": [{"Third": "docs/c.md"}]},
    ]


def test_a_page_that_stands_twice_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match=r"docs/a\.md stands twice"):
        sections(SMALL + "- [Again](a.md): once more.\n")


def test_a_page_without_a_section_is_refused() -> None:
    with pytest.raises(ValueError, match="above the first heading"):
        sections("- [A page](a.md): what it is for.\n")


def test_every_guide_is_in_the_navigation_and_every_entry_is_there() -> None:
    pages = [path for _, below in sections(text(INDEX)) for _, path in below]
    guides = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")} - {INDEX}
    assert guides - {*pages} == set(), "add a line to docs/README.md"
    assert [path for path in pages if not (ROOT / path).is_file()] == []
