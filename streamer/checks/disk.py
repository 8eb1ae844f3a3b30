"""Can the outbox be where the configuration puts it: writable, safe, on a disk of this machine, with room.

What is tried is a real transaction as the outbox makes them, in a file of our own beside it. This file must never open
the outbox itself: a running server owns it.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from streamer.checks.outcome import Level, Outcome
from streamer.config import Settings
from streamer.errors import StreamerError

ROW_BYTES: Final = 2300
"""A typical verdict, as it lies in the outbox."""
LEAST_FREE_BYTES: Final = 64 * 2**20
SLOW_MS: Final = 50.0
_HEADER: Final = b"SQLite format 3\x00"
_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "fuse.sshfs", "fuse.glusterfs"}
)
_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_CONTAINER: Final = "overlay"


class Disk(msgspec.Struct, frozen=True):
    """What was found of the place."""

    commit_ms: float
    free_bytes: int
    filesystem: str
    """As in mountinfo; empty where it cannot be known."""


def check(settings: Settings) -> list[Outcome]:
    """Return one outcome.

    Raises
    ------
    StreamerError
        The folder cannot be written to, or what lies there is no database.
    """
    path = Path(settings.outbox.path).absolute()
    _is_ours(path)
    return [judge(settings, look(path.parent))]


def look(folder: Path) -> Disk:
    """Make a transaction in a folder, and read what the system says of the disk.

    Raises
    ------
    StreamerError
        It cannot be written to.
    """
    try:
        commit_ms = _commit_ms(folder)
        free_bytes = shutil.disk_usage(folder).free
    except (OSError, sqlite3.Error) as problem:
        why = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise StreamerError(
            f"outbox.path: cannot write to {folder}: {why}; free it, or choose another place with outbox.path"
        ) from problem
    return Disk(commit_ms, free_bytes, filesystem(folder))


def judge(settings: Settings, disk: Disk) -> Outcome:
    """Return what a place is good for; pure."""
    path, wanted = settings.outbox.path, bound_bytes(settings)
    found = (
        f"{path} can be written, a transaction takes {disk.commit_ms:.0f} ms, {_size(disk.free_bytes)} free; "
        f"SQLite {sqlite3.sqlite_version}"
    )
    move = "choose a local disk with outbox.path"
    if disk.free_bytes < LEAST_FREE_BYTES:
        text = f"{path}: only {_size(disk.free_bytes)} free; make room, or choose another disk with outbox.path"
        return Outcome("outbox", Level.WRONG, text)
    if disk.filesystem in _NETWORK:
        why = f"lies on a network share ({disk.filesystem}), where SQLite's locks do not hold"
    elif disk.filesystem in _MEMORY:
        why = f"lies in memory ({disk.filesystem}): what waits there is gone when the machine stops"
    elif disk.filesystem == _CONTAINER:
        why, move = "lies in the container itself, and goes with it", "mount a volume there"
    elif disk.free_bytes < wanted:
        why = f"may grow to {_size(wanted)} while the broker is away"
        move = "make room, or lower outbox.max_bytes"
    elif disk.commit_ms > SLOW_MS:
        why = "is on a slow disk, and every verdict waits for it"
    else:
        return Outcome("outbox", Level.OK, found)
    return Outcome("outbox", Level.WARN, f"{found}. It {why}: {move}")


def bound_bytes(settings: Settings) -> int:
    """Return how large the outbox's file may become: SQLite adds up to a third to what is stored."""
    return min(settings.outbox.max_rows * ROW_BYTES, settings.outbox.max_bytes * 4 // 3)


def filesystem(folder: Path) -> str:
    """Return the kind of file system that a folder is on; empty where the system does not tell."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return filesystem_of(PurePosixPath(folder.resolve()), mounts)


def filesystem_of(folder: PurePosixPath, mounts: str) -> str:
    """Return what `/proc/self/mountinfo` says of a folder (proc_pid_mountinfo(5)); pure.

    Of mounts over one another the last counts, and of those that hold the folder the deepest.
    """
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields, mark, rest = line.partition(" - ")
        parts = fields.split(" ")
        if not mark or len(parts) < 5:
            continue
        place = PurePosixPath(parts[4].replace("\\040", " "))
        if (folder == place or place in folder.parents) and len(place.parts) >= best:
            best, kind = len(place.parts), rest.split(" ")[0]
    return kind


def _commit_ms(folder: Path) -> float:
    """Return what a transaction takes, made as the outbox makes it; everything of it is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".streamer-check-") as place,
        # Autocommit: transactions are begun and ended here, as in the outbox.
        closing(sqlite3.connect(Path(place, "check.sqlite"), isolation_level=None)) as database,
    ):
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE message (body BLOB) STRICT")
        began = time.perf_counter()
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO message VALUES (?)", (bytes(ROW_BYTES),))
        database.execute("COMMIT")
        return (time.perf_counter() - began) * 1000


def _is_ours(path: Path) -> None:
    """Refuse what lies there and is no database; only its first bytes are read."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_HEADER))
    except FileNotFoundError:
        return
    except OSError as problem:
        raise StreamerError(f"outbox.path: cannot read {path}: {problem.strerror}; mend its rights") from problem
    if head and head != _HEADER:
        raise StreamerError(
            f"outbox.path: {path} is no SQLite database, or a damaged one; move it away (it may hold undelivered "
            "events) or choose another place"
        )


def _size(count: int) -> str:
    """Return bytes as people say them."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
