"""A damaged outbox: set aside under a name with the time, and what can be read of it taken over.

Blocking. This file must never delete a byte of a damaged file, and never read one before it has been set aside: it may
be evidence, and somebody with better tools (`sqlite3 FILE .recover`) may find more in it than we do.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from streamer.bus.cloudevents import Outgoing
from streamer.bus.database import log_of
from streamer.bus.store import SELECT_RECORDS, Live, Record, Store

_CHUNK: Final = 256
_MOST_TRIES: Final = 10_000
"""Reads of a damaged file that fail in a row until the rest of it counts as lost."""


def set_aside(path: Path, now_s: float) -> Path:
    """Rename a file and its log; returns the new name, which no other file has.

    Parameters
    ----------
    path
        The damaged file; nobody may have it open.
    now_s
        Seconds since 1970.

    Raises
    ------
    OSError
        The disk refuses; nothing was lost.
    """
    stem = f"{path.name}.damaged-{datetime.fromtimestamp(now_s, UTC):%Y%m%dT%H%M%SZ}"
    names = (path.with_name(stem if n == 0 else f"{stem}-{n}") for n in range(1000))
    aside = next(name for name in names if not name.exists() and not log_of(name).exists())
    # The log first: a file without its log is old, a log without its file is nothing to SQLite, which would delete it.
    if log_of(path).exists():
        log_of(path).rename(log_of(aside))
    path.rename(aside)
    return aside


class Salvaged(msgspec.Struct, frozen=True):
    """What became of a damaged file."""

    aside: str
    """Where it is now."""
    saved: int
    """Messages that could be read, and wait in the new file."""
    lost: int
    """Messages that were in it beyond these."""


def take_over(aside: Path, store: Store, now_s: float, *, expected: int, wanted: Callable[[Record], bool]) -> Salvaged:
    """Put into a store what can be read of a damaged file, under the numbers it had; a second time changes nothing.

    Parameters
    ----------
    aside
        The file, set aside.
    store
        The new one, in which these numbers are free.
    now_s
        Seconds since 1970.
    expected
        How many wanted messages were in it, as far as is known; 0 where it is not.
    wanted
        Which of them are not done with.

    Raises
    ------
    sqlite3.Error
        The new file cannot be written.
    """
    saved = read = 0
    with contextlib.closing(Wreck(aside)) as wreck:
        records = wreck.records()
        while chunk := list(islice(records, _CHUNK)):
            read += len(chunk)
            kept = [record for record in chunk if wanted(record)]
            with store.transaction():
                store.keep(kept, now_s, numbered=True)
            saved += len(kept)
        with store.transaction():
            store.keep_live(wreck.lives())
            for key, value in wreck.metas().items():
                store.set_meta(key, value)
        unread = wreck.depth() - read
    return Salvaged(str(aside), saved, max(0, expected - saved, unread))


class Wreck:
    """What can still be read of a damaged outbox. Close it.

    Parameters
    ----------
    path
        The file, set aside.
    """

    def __init__(self, path: Path) -> None:
        self._decoder = msgspec.msgpack.Decoder(Outgoing)
        # Of an empty file SQLite would delete the log.
        self._connection = sqlite3.connect(path if path.stat().st_size else ":memory:", isolation_level=None)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def depth(self) -> int:
        """Return how many messages it says it has, 0 where it cannot say."""
        found = self._select("SELECT count(*) FROM outbox")
        return int(found[0][0]) if found else 0

    def lives(self) -> list[Live]:
        """Return the topics on which states may stand, as far as they can be read."""
        return [Live(*row) for row in self._select("SELECT topic, call_key, id, seq FROM live")]

    def metas(self) -> dict[str, str]:
        """Return the values kept in it, as far as they can be read."""
        return dict(self._select("SELECT key, value FROM meta"))

    def records(self) -> Iterator[Record]:
        """Return every row that can be read, in order.

        What cannot be read lies in pages, each with the rows of a range of numbers. So a range that fails is halved
        until it can be read or is one row.
        """
        if self._select("SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT 0)") != [(0,)]:
            return  # not even that there is such a table can be read
        top = self._select("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
        ranges = [(0, int(top[0][0]) if top else 2**62)]
        tries_left = _MOST_TRIES
        while ranges and tries_left:
            low, high = ranges.pop()
            try:
                for record in self._between(low, high):
                    low, tries_left = record.seq + 1, _MOST_TRIES
                    if self._is_whole(record):
                        yield record
            except sqlite3.DatabaseError:
                tries_left -= 1
                middle = (low + high) // 2
                if low < high:
                    ranges += [(middle + 1, high), (low, middle)]

    def _between(self, low: int, high: int) -> Iterator[Record]:
        # NOT INDEXED: what a damaged index says of the rows is worth nothing.
        rows = self._connection.execute(
            f"{SELECT_RECORDS} NOT INDEXED WHERE seq BETWEEN ? AND ? ORDER BY seq", (low, high)
        )
        return (Record(*row) for row in rows)

    def _is_whole(self, record: Record) -> bool:
        """Return whether a row says the same in its columns as in its message: no check sum stands in the file."""
        try:
            msgspec.convert(msgspec.structs.asdict(record), Record)  # a damaged column may hold any type
            message = self._decoder.decode(record.message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        inside = (message.id, message.topic, message.call_key, message.kind.value)
        return inside == (record.id, record.topic, record.call_key, record.kind)

    def _select(self, statement: str) -> list[tuple[Any, ...]]:
        """Return what a statement finds before it fails."""
        found: list[tuple[Any, ...]] = []
        with contextlib.suppress(sqlite3.DatabaseError):  # that it is damaged has been said
            found.extend(self._connection.execute(statement))
        return found
