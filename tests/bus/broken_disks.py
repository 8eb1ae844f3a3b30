"""Disks that fail, for real: SQLite and the kernel refuse as they do in the field, and no test needs to be root.

Nothing here may be left in force: each is a context, or undone by its counterpart.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.bus.store import Store

_NOBODY = 65534


def without_syncs(store: Store) -> None:
    """What is written is in the files all the same; for a test in which no power fails, on disks that sync slowly."""
    store._database.run("PRAGMA synchronous = OFF")


def fill(store: Store) -> None:
    """No page more than there are: SQLITE_FULL, as with a disk that has no room."""
    (pages,) = store._database.run("PRAGMA page_count").fetchone()
    store._database.run(f"PRAGMA max_page_count = {pages}")


def make_room(store: Store) -> None:
    store._database.run("PRAGMA max_page_count = 1000000")


def forbid_writing(store: Store) -> None:
    """SQLITE_READONLY, as on a disk that the kernel has mounted anew after an error."""
    store._database.run("PRAGMA query_only = ON")


def allow_writing(store: Store) -> None:
    store._database.run("PRAGMA query_only = OFF")


@contextmanager
def no_file_may_grow() -> Iterator[None]:
    """The kernel refuses each write behind the first byte (EFBIG): SQLITE_IOERR. Reading is as ever."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def no_rights_to(path: Path) -> Iterator[None]:
    """The file and its folder may be read and not written, by whoever runs the test."""
    everything_above = [folder for folder in path.parents if folder.owner() != "root" or folder.is_relative_to("/tmp")]  # noqa: S108
    before = {place: place.stat().st_mode for place in (path, *everything_above)}
    try:
        for place in everything_above:
            if os.access(place, os.W_OK) and place.stat().st_uid == os.geteuid():
                place.chmod(before[place] | 0o055)
        path.chmod(0o444)
        path.parent.chmod(0o555)
        if os.geteuid() == 0:
            os.seteuid(_NOBODY)  # root is bound by no rights
        yield
    finally:
        if os.geteuid() == _NOBODY:
            os.seteuid(0)
        for place, mode in before.items():
            if place.exists() and place.stat().st_uid == os.geteuid():
                place.chmod(mode & 0o7777)


def damage(path: Path, page: int, *, size: int = 4096) -> None:
    """Overwrite a page, counted from 1, with what no page of SQLite looks like."""
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def pages(path: Path, *, size: int = 4096) -> int:
    """Return how many pages a file has."""
    return path.stat().st_size // size
