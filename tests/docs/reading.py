"""Read the guides as the tests need them: fenced blocks, links, headings, tables, command lines.

Nothing here may run anything: it only reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "clients/python/README.md", *sorted(ROOT.glob("docs/*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROGRAM = re.compile(r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(streamer(?:-client)?) ")


def text(name: str) -> str:
    """Return a document, named by its path in the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[str]:
    """Return the fenced blocks of one language, in order."""
    return [body for found, body in _FENCE.findall(document) if found == language]


def prose(document: str) -> str:
    """Return a document without its fenced blocks."""
    return _FENCE.sub("", document)


def links(document: str) -> list[tuple[str, str]]:
    """Return path and anchor of every link that stays in the repository, pictures included."""
    targets = re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose(document))
    return [(path, anchor) for path, _, anchor in (target.partition("#") for target in targets)]


def anchors(document: str) -> set[str]:
    """Return what a link may name behind `#`, made of the headings as code hosts do."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def command_lines(document: str, *programs: str) -> list[str]:
    """Return the lines of shell blocks that call one of the programs, without what stands in front of it."""
    lines = [line for block in blocks(document, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [line[found.start(1) :] for line in lines if (found := _PROGRAM.match(line)) and found[1] in programs]


def rows(document: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of every table whose first cell is code, with the heading above; header and rule left out."""
    heading = ""
    for line in prose(document).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| `"):
            yield heading, [cell.strip() for cell in line.strip().strip("|").split("|")]
