"""The outbox files of the workers: each has one of its own beside the node's.

``outbox.sqlite`` is the supervisor's, as it is that of a node of one process; the workers' are ``outbox-w1.sqlite`` and
so on. A worker gets the first that nobody has, so that what a dead one left is delivered by the next. This file must
never open a database.
"""

from __future__ import annotations

import fcntl
from collections.abc import Collection
from itertools import count
from pathlib import Path
from typing import Final

from streamer.bus.orphans import orphans_of

_LOCKS: Final = 0x40000000, 512
"""Where SQLite's locks lie in a file (https://www.sqlite.org/src/file?name=src/os.h, PENDING_BYTE)."""


def of_place(path: str, place: int) -> str:
    """Return the outbox of a place.

    Parameters
    ----------
    path
        Of the node, `outbox.path`.
    place
        1 for the first worker.
    """
    file = Path(path)
    return str(file.with_name(f"{file.stem}-w{place}{file.suffix}"))


def free_place(path: str, taken: Collection[int]) -> int:
    """Return the first place that no worker has, of this node or of one whose supervisor was killed; blocking."""
    return next(place for place in count(1) if place not in taken and not _in_use(Path(of_place(path, place))))


def places_beside(path: str) -> set[int]:
    """Return the places of which there is a file, whoever has it; blocking."""
    return {int(file.stem.rpartition("-w")[2]) for file in orphans_of(Path(path))}


def _in_use(file: Path) -> bool:
    """Whether another process has a database open exclusively; for one that this process has not open itself."""
    start, length = _LOCKS
    try:
        with file.open("r+b") as opened:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
