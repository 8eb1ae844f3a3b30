"""Which calls there are: files, folders, patterns and pairs of files, as a command line names them.

What cannot be a call is said beside those that can, so that one bad name stops nothing. This file must never open a
recording, and never take a file of one party for a call of its own without being told who is heard on it.
"""

from __future__ import annotations

import glob
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from streamer_client.errors import OptionError, RecordingError
from streamer_client.recording import Recording, open_recording
from streamer_client.recordings.formats import is_recording
from streamer_client.recordings.pair import Pair, open_pair

Patterns = tuple[tuple[str, str], ...]
"""Role and what a file's stem looks like, with one ``*`` for what the files of a call have in common."""

PAIRS: Final[Patterns] = tuple(
    (role, f"*{mark}{word}")
    for role, words in (("customer", ("customer", "caller")), ("agent", ("agent",)))
    for word in words
    for mark in "_-"
)
OFF: Final = "off"
_ROLES: Final = ("customer", "agent", "unknown")


class Source(msgspec.Struct, frozen=True):
    """The files of one call."""

    paths: tuple[Path, ...]
    """One, or one for each party."""
    stem: str
    """What the call is named after; what tells the parties apart is left out."""
    roles: tuple[str, ...] | None = None
    """Who is heard on each file of a pair; None where the files' names do not say."""

    @property
    def path(self) -> Path:
        """The first file, by which the call is spoken of to who named it."""
        return self.paths[0]

    def open(self) -> Recording | Pair:
        """Read the header, or headers.

        Raises
        ------
        RecordingError
            As `open_recording` and `open_pair` do.
        """
        return open_recording(self.path) if len(self.paths) == 1 else open_pair(self.paths)


class Unusable(msgspec.Struct, frozen=True):
    """What was named and is no call."""

    path: Path
    error: RecordingError


Found = Source | Unusable


def find(named: Iterable[str | Path], *, patterns: Patterns = PAIRS, roles_are_given: bool = False) -> list[Found]:
    """Return the calls that files, folders and patterns name, each once.

    Parameters
    ----------
    named : iterable of path
        A file is taken whatever its ending; a folder stands for all recordings below it, hidden ones left out; what
        does not exist and has ``*``, ``?`` or ``[`` in it is a pattern, ``**`` for folders of any depth.
    patterns : sequence of (role, pattern)
        Which files belong together; none of them means that every file is a call.
    roles_are_given : bool
        Somebody says who is heard on a file: then one party's file without its partner is a call as well.

    Returns
    -------
    list of Source, Unusable
        In the order in which they were named, folders and patterns sorted by path.
    """
    files: list[Path] = []
    seen: set[Path] = set()
    found: list[Found] = []
    for one in named:
        taken = _files(Path(one))
        if isinstance(taken, Unusable):
            found.append(taken)
            continue
        for path in taken:
            whole = path.resolve()
            if whole not in seen:
                seen.add(whole)
                files.append(path)
    return [*_calls(files, patterns, roles_are_given=roles_are_given), *found]


def parse_pairs(texts: Sequence[str]) -> Patterns:
    """Return what ``--pair`` says: ``ROLE=PATTERN`` each, or ``off`` alone; the usual ones where nothing is said.

    Raises
    ------
    OptionError
        Anything else.
    """
    if not texts:
        return PAIRS
    if list(texts) == [OFF]:
        return ()
    return tuple(_pattern(text) for text in texts)


def _pattern(text: str) -> tuple[str, str]:
    role, equals, pattern = text.partition("=")
    if not equals or role not in _ROLES or pattern.count("*") != 1 or len(pattern) < 2 or "/" in pattern:
        raise OptionError(
            f"got --pair {text!r}; give ROLE=PATTERN with one * and without the ending, such as customer=*_in and "
            f"agent=*_out, the role one of {', '.join(_ROLES)}; or only --pair {OFF}"
        )
    return role, pattern


def _files(path: Path) -> list[Path] | Unusable:
    """Return the files that one argument stands for."""
    if path.is_dir():
        inside = sorted(one for one in path.rglob("*") if _counts(one, path))
        return inside or _unusable(path, f"there is no recording in the folder {path}; check what it holds")
    if not path.exists() and glob.has_magic(str(path)):
        matches = sorted(Path(one) for one in glob.glob(str(path), recursive=True))  # noqa: PTH207 - also of absolute paths
        inside = [one for one in matches if one.is_file()]
        return inside or _unusable(path, f"no file is named like {path}; check the pattern")
    return [path]


def _counts(path: Path, folder: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not is_hidden and is_recording(path) and path.is_file()


def _unusable(path: Path, why: str) -> Unusable:
    return Unusable(path, RecordingError(why))


def _calls(files: Sequence[Path], patterns: Patterns, *, roles_are_given: bool) -> Iterator[Found]:
    """Yield a call for each file, or for the files of a pair where the first of them stands."""
    parties: dict[tuple[Path, str], list[tuple[int, str, Path]]] = defaultdict(list)
    keys: dict[Path, tuple[Path, str]] = {}
    for path in files:
        party = _party(path, patterns)
        if party is not None:
            order, role, common = party
            keys[path] = (path.parent.resolve(), common.lower())
            parties[keys[path]].append((order, role, path))
    for path in files:
        members = parties.pop(keys[path], None) if path in keys else None
        if path not in keys:
            yield Source((path,), path.stem)
        elif members is not None:
            yield from _joined(sorted(members), patterns, roles_are_given=roles_are_given)


def _party(path: Path, patterns: Patterns) -> tuple[int, str, str] | None:
    """Return place, role and common name where a file holds one party of a call."""
    for order, (role, pattern) in enumerate(patterns):
        before, _, after = pattern.partition("*")
        match = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", path.stem, re.IGNORECASE)
        if match:
            return order, role, match[1]
    return None


def _joined(members: list[tuple[int, str, Path]], patterns: Patterns, *, roles_are_given: bool) -> Iterator[Found]:
    roles = [role for _, role, _ in members]
    paths = tuple(path for _, _, path in members)
    party = _party(paths[0], patterns)
    stem = party[2] if party else paths[0].stem
    if len(members) == 1 and roles_are_given:
        yield Source(paths, paths[0].stem)
    elif len(members) == 1:
        others = ", ".join(pattern for role, pattern in patterns if role != roles[0])
        yield _unusable(
            paths[0],
            f"{paths[0]} is one party of a call by its name ({roles[0]}), and its partner ({others}) does not lie "
            f"beside it; bring it, or say who is heard with --roles {roles[0]}",
        )
    elif len(set(roles)) != len(roles):
        yield _unusable(
            paths[0],
            f"{' and '.join(map(str, paths))} are both the {max(roles, key=roles.count)} of one call by their names; "
            f"rename one, or say with --pair which files belong together (--pair {OFF}: none)",
        )
    else:
        yield Source(paths, stem, tuple(roles))
