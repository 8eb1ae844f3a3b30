"""The navigation of the site: read from ``docs/README.md``, which is the manual's index for those who read it there.

Headings of the second level are sections; each ``- [Title](page.md): what it is for`` below is a page, in that order.
One list, so that the site and the repository can never show two. This file must never know a page by its name.
"""

from __future__ import annotations

import posixpath
import re
from typing import Final

INDEX: Final = "docs/README.md"
HOME: Final = "README.md"
_SECTION: Final = re.compile(r"^## (.+)$")
_PAGE: Final = re.compile(r"^- \[([^\]]+)\]\(([^)#\s]+\.md)\): .+")

Section = tuple[str, tuple[tuple[str, str], ...]]
"""Its heading, and the pages below it: title and path in the repository."""


def sections(index: str) -> list[Section]:
    """Return the sections of the index with their pages.

    Parameters
    ----------
    index
        The text of ``docs/README.md``.

    Raises
    ------
    ValueError
        A page stands twice, or above the first heading; the message names it.
    """
    found: list[tuple[str, list[tuple[str, str]]]] = []
    seen: set[str] = set()
    for line in index.splitlines():
        if heading := _SECTION.match(line):
            found.append((heading[1], []))
        elif page := _PAGE.match(line):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(INDEX), page[2]))
            if not found or path in seen:
                raise ValueError(
                    f"{INDEX}: {path} stands {'twice' if found else 'above the first heading'}: once is it"
                )
            seen.add(path)
            found[-1][1].append((page[1], path))
    return [(heading, tuple(pages)) for heading, pages in found]


def for_mkdocs(index: str) -> list[dict[str, object]]:
    """Return the navigation as MkDocs takes it: the project's first page, the index, the sections."""
    first: list[dict[str, object]] = [{"Emotion Streamer": HOME}, {"Manual": INDEX}]
    return [*first, *({heading: [{title: path} for title, path in pages]} for heading, pages in sections(index))]
