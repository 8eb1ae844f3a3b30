"""Lay out what the site is built from: the pages of the manual and whatever they link to, where the repository has it.

Folders stay as they are, so relative links mean the same here and on a code host. Only what a site cannot show by
itself is turned into a page: a source file becomes one with its text, a folder one with its list. Pure but for
:func:`lay_out`; nothing here may reach out of the repository, nor change a word of a page.

What a code host takes and Python-Markdown does not, a list right below a paragraph, gets its empty line here.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

_FENCE: Final = re.compile(r"^( *)(```+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(\]\()(?![a-z]+:)([^)\s#]*)(#[^)\s]*)?(\))")
_LIST: Final = re.compile(r"^(?:[-*]|\d+\.) ")
_PICTURES: Final = frozenset({".svg", ".png", ".jpg"})
_LANGUAGES: Final = {".py": "python", ".json": "json", ".toml": "toml", ".yml": "yaml", ".yaml": "yaml", ".js": "js"}


class BrokenLinkError(Exception):
    """A page links to what is not there; the message says which and to what."""


def links(text: str) -> list[str]:
    """Return the paths that a page links to inside the repository, as they stand there, without anchors."""
    return [found[2] for found in _LINK.finditer(_FENCE.sub("", text)) if found[2]]


def page(text: str, target_of: Callable[[str], str]) -> str:
    """Return a page with its links turned by `target_of`, and an empty line above each list; fences untouched."""

    def turned(prose: str) -> str:
        prose = _LINK.sub(lambda found: f"{found[1]}{_of(found[2])}{found[3] or ''}{found[4]}", prose)
        return "\n".join(_spaced(prose.split("\n")))

    def _of(path: str) -> str:
        return target_of(path) if path else ""

    pieces, at = [], 0
    for fence in _FENCE.finditer(text):
        pieces += [turned(text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*pieces, turned(text[at:])])


def _spaced(lines: list[str]) -> Iterator[str]:
    before = ""
    for line in lines:
        is_in_list = bool(_LIST.match(before.lstrip())) or before.startswith("  ")
        if _LIST.match(line) and before.strip() and not is_in_list and not before.startswith("#"):
            yield ""
        yield line
        before = line


def source_page(path: str, text: str) -> str:
    """Return a page that shows a file of the repository."""
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"# `{path}`\n\n{fence}{_LANGUAGES.get(Path(path).suffix, 'text')}\n{text.rstrip()}\n{fence}\n"


def folder_page(path: str, names: list[str]) -> str:
    """Return a page that lists a folder of the repository."""
    return f"# `{path}/`\n\n" + "".join(f"- [{name}]({name})\n" for name in names)


def lay_out(root: Path, first: list[str], into: Path) -> list[str]:
    """Write the pages named and all that they lead to; return what was written, by path.

    Parameters
    ----------
    root
        The repository.
    first
        Paths of pages in it; what they link to follows.
    into
        A folder that is emptied first.

    Raises
    ------
    BrokenLinkError
        A page is missing, or links to what is not in the repository.
    """
    shutil.rmtree(into, ignore_errors=True)
    waiting, done = [(path, "the navigation") for path in first], dict[str, str]()
    while waiting:
        path, linked_by = waiting.pop()
        if path in done:
            continue
        source = root / path
        if path.startswith(("..", "/")) or not source.exists():
            raise BrokenLinkError(f"{linked_by} leads to {path}, which is not in the repository")
        done[path] = target = _target(root, path)
        (into / target).parent.mkdir(parents=True, exist_ok=True)
        if source.suffix in _PICTURES:
            shutil.copyfile(source, into / target)
            continue
        text, folder = _text(root, path), path if source.is_dir() else posixpath.dirname(path)
        inside = {one: posixpath.normpath(posixpath.join(folder, one)) for one in links(text)}
        waiting += [(one, path) for one in inside.values()]

        def target_of(one: str, inside: dict[str, str] = inside, here: str = target) -> str:
            return posixpath.relpath(_target(root, inside[one]), posixpath.dirname(here) or ".")

        (into / target).write_text(page(text, target_of), encoding="utf-8")
    return sorted(done.values())


def _target(root: Path, path: str) -> str:
    """Return where a file or folder of the repository stands in the site's source."""
    if (root / path).is_dir():
        return f"{path}/index.md"
    return path if Path(path).suffix in {".md", *_PICTURES} else f"{path}.md"


def _text(root: Path, path: str) -> str:
    source = root / path
    if source.is_dir():
        return folder_page(path, sorted(one.name for one in source.iterdir() if one.name[0] not in "._"))
    text = source.read_text(encoding="utf-8")
    return text if source.suffix == ".md" else source_page(path, text)
