"""The outbox's file: one SQLite database and every statement that touches it.

Blocking, for one thread; `outbox` owns that thread, and `keeper` decides what happens when a disk fails. This file must
never delete or repair a database that it does not understand: what lies there may be the only copy of somebody's
events. It reads no clock.

Theory of operation. `outbox` holds the messages that wait; a row goes when the broker has acknowledged it. `live` holds
the topics on which a retained call state may stand at the broker, from the put of the state to the acknowledgement of
its clearing, so that the process after a crash can clear what the dead one left. `meta` holds what must survive a
restart. The transaction is the caller's: it commits many puts at once.

A row's size is that of the message as it is stored: payload, topic and properties. It stands in the index by which rows
are given up, so that to sum it at the start, or to find how many rows make room, never reads a message.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from streamer.bus.cloudevents import Kind, Outgoing, clear
from streamer.bus.database import Database, OutboxDamagedError, OutboxError, explain

MAX_BYTES: Final = 2 * 2**30
"""Bytes of messages kept where nobody says otherwise."""
_NEVER_DROPPED: Final = 3
_DROPPED: Final = tuple(range(_NEVER_DROPPED))
"""In this order; as SQL writes it, for an index is only of use with `IN`."""
_RANKS: Final = {
    Kind.PARTIAL: 0,
    Kind.UTTERANCE: 1,
    Kind.STATE: 1,
    Kind.STATUS: 1,
    # It sums up a whole call: who loses the utterances still has this.
    Kind.ENDED: 2,
    # An alert is what a compliance desk is there for; a clear that is lost leaves a call live on every wallboard.
    Kind.ALERT: _NEVER_DROPPED,
    Kind.CLEAR: _NEVER_DROPPED,
}


class Row(msgspec.Struct, frozen=True):
    """A message that waits."""

    seq: int
    """Its place in the order of puts; never given twice."""
    message: Outgoing


class Record(msgspec.Struct, frozen=True):
    """A row as it is stored, to be moved into another store without a look at the message."""

    seq: int
    id: str
    topic: str
    call_key: str
    kind: str
    stored_s: float
    """Seconds since 1970."""
    message: bytes


SELECT_RECORDS: Final = "SELECT seq, id, topic, call_key, kind, stored_s, message FROM outbox"


class Live(msgspec.Struct, frozen=True):
    """A topic on which the state of a call may stand at the broker."""

    topic: str
    call_key: str
    id: str
    seq: int
    """That of the state message; what clears it comes behind."""


class Store:
    """The open database.

    Parameters
    ----------
    path
        The file; made where missing, for this user alone. Its folder must exist, on a local disk (SQLite's WAL needs
        shared locks). `MEMORY` makes one that is kept in memory.
    max_rows
        Messages kept at most; see :meth:`trim`.
    max_age_s
        Age in s at which a message is given up.
    max_bytes
        Bytes of messages kept at most.

    Raises
    ------
    OutboxError
        The file cannot be opened, is no outbox, is of a newer version, or is in use by another process.
    """

    def __init__(self, path: Path, max_rows: int, max_age_s: float, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_rows = max_rows
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Outgoing)
        self._database = Database(path)
        try:
            self.depth, self.bytes = self._count()
            """Messages that wait, and their size as stored."""
            self.last_seq = self._last_seq()
            """The highest number ever given."""
        except sqlite3.Error as problem:
            self._database.close()
            raise explain(problem, path) from problem
        self.dropped: Counter[str] = Counter()
        """Messages given up by :meth:`trim` since it was last emptied, by kind and reason as ``kind/reason``."""
        self._log_must_go = False
        """Something was deleted of which no copy may stay."""
        self._written = True
        """Log or file may hold copies of what has been deleted since the log was last cut, or by the process before."""

    def _count(self) -> tuple[int, int]:
        # By the index, which has both: the messages themselves are not read.
        found = self._database.run("SELECT count(*), coalesce(sum(bytes), 0) FROM outbox INDEXED BY outbox_by_rank")
        rows, size = found.fetchone()
        return int(rows), int(size)

    def _last_seq(self) -> int:
        row = self._database.run("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        return 0 if row is None else int(row[0])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside as one, or nothing of it."""
        before = self.depth, self.bytes, Counter(self.dropped)
        self._database.run("BEGIN")
        try:
            yield
            self._database.run("COMMIT")
        except BaseException:
            self._database.roll_back()
            self.depth, self.bytes, self.dropped = before
            raise

    def put(self, messages: Iterable[Outgoing], now_s: float) -> None:
        """Append messages, those that wait already (same id and topic) left out; then keep the bounds."""
        for message in messages:
            seq = self._insert(
                Record(
                    seq=self.last_seq + 1,
                    id=message.id,
                    topic=message.topic,
                    call_key=message.call_key,
                    kind=message.kind.value,
                    stored_s=now_s,
                    message=self._encoder.encode(message),
                )
            )
            if seq and message.kind is Kind.STATE:
                self.keep_live([Live(message.topic, message.call_key, message.id, seq)])
        self.trim(now_s)

    def keep(self, records: Iterable[Record], now_s: float, *, numbered: bool) -> None:
        """Append what another store had, those that wait already left out; then keep the bounds.

        Parameters
        ----------
        records
            In order.
        now_s
            Seconds since 1970.
        numbered
            Whether they keep their numbers, which must then be free here; else they get new ones.
        """
        for record in records:
            self._insert(record if numbered else msgspec.structs.replace(record, seq=self.last_seq + 1))
        self.trim(now_s)

    def _insert(self, record: Record) -> int:
        """Append a row; returns its number, or 0 where it waits already."""
        cursor = self._database.run(
            "INSERT OR IGNORE INTO outbox (seq, id, topic, call_key, kind, rank, stored_s, message, bytes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.seq,
                record.id,
                record.topic,
                record.call_key,
                record.kind,
                _RANKS[Kind(record.kind)],
                record.stored_s,
                record.message,
                len(record.message),
            ),
        )
        self._written = True
        if cursor.rowcount != 1:
            return 0
        self.last_seq = max(self.last_seq, record.seq)
        self.depth += 1
        self.bytes += len(record.message)
        return record.seq

    def trim(self, now_s: float) -> None:
        """Give up what is too old, then what is too much: partials first, then by rank and age, alerts never."""
        expired = self._delete(f"rank IN {_DROPPED} AND stored_s < ?", (now_s - self._max_age_s,))
        self.dropped.update(f"{kind}/age" for kind in expired)
        rows, size = self.depth - self._max_rows, self.bytes - self._max_bytes
        if rows <= 0 and size <= 0:
            return
        # The fewest that make room, in the order in which they go: read from the index alone, and no further.
        going = self._database.run(
            f"SELECT seq, bytes FROM outbox INDEXED BY outbox_by_rank WHERE rank IN {_DROPPED} ORDER BY rank, seq"  # noqa: S608
        )
        crowded: list[int] = []
        for seq, freed in going:
            crowded.append(seq)
            rows, size = rows - 1, size - freed
            if rows <= 0 and size <= 0:
                break
        going.close()
        for seq in crowded:
            self.dropped.update(f"{kind}/full" for kind in self._delete("seq = ?", (seq,)))

    @property
    def overfull(self) -> bool:
        """Whether what may never be given up is alone more than the bounds allow."""
        return self.depth > self._max_rows or self.bytes > self._max_bytes

    def _delete(self, where: str, parameters: Sequence[object]) -> list[str]:
        """Delete rows; the condition is one of this file's own. Returns their kinds."""
        self._written = True
        gone = self._database.run(
            f"DELETE FROM outbox WHERE {where} RETURNING kind, bytes",  # noqa: S608 - no outside text
            parameters,
        ).fetchall()
        self.depth -= len(gone)
        self.bytes -= sum(size for _, size in gone)
        return [kind for kind, _ in gone]

    def pending(self, after_seq: int, limit: int) -> list[Row]:
        """Return the oldest messages behind `after_seq`, in order.

        Raises
        ------
        OutboxDamagedError
            A message cannot be understood: its bytes are not those that were stored.
        """
        # Read to the end before anything can fail: an open cursor would keep the file locked after it is closed.
        rows = self._database.run(
            "SELECT seq, message FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (after_seq, limit)
        ).fetchall()
        try:
            return [Row(seq, self._decoder.decode(message)) for seq, message in rows]
        except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
            raise OutboxDamagedError(f"outbox {self._path}: a message in it is damaged ({problem})") from problem

    def records(self, after_seq: int, limit: int) -> list[Record]:
        """Return the oldest rows behind `after_seq` as they are stored, in order."""
        rows = self._database.run(f"{SELECT_RECORDS} WHERE seq > ? ORDER BY seq LIMIT ?", (after_seq, limit))
        return [Record(*row) for row in rows]

    def has(self, seq: int) -> bool:
        """Return whether a message of this number waits."""
        return self._database.run("SELECT 1 FROM outbox WHERE seq = ?", (seq,)).fetchone() is not None

    def has_message(self, message: Outgoing) -> int:
        """Return the number of a message that waits under this id and topic, or 0."""
        found = self._database.run(
            "SELECT seq FROM outbox WHERE topic = ? AND id = ?", (message.topic, message.id)
        ).fetchone()
        return 0 if found is None else int(found[0])

    def seqs_of_call(self, call_key: str) -> list[int]:
        """Return the numbers of all that an objection removes."""
        rows = self._database.run("SELECT seq FROM outbox WHERE call_key = ? AND kind <> ?", (call_key, Kind.CLEAR))
        return [seq for (seq,) in rows]

    def kinds(self) -> Counter[str]:
        """Return how many messages of each kind wait."""
        return Counter(dict(self._database.run("SELECT kind, count(*) FROM outbox GROUP BY kind").fetchall()))

    def remove(self, seqs: Iterable[int]) -> None:
        """Delete messages that are done with; a number that is gone already is no error."""
        for seq in seqs:
            cleared = self.cleared_by(seq)
            if cleared:
                self.forget_live(cleared, seq)
            self._delete("seq = ?", (seq,))

    def discard(self, seqs: Iterable[int]) -> None:
        """Delete messages that another store has now."""
        for seq in seqs:
            self._delete("seq = ?", (seq,))

    def cleared_by(self, seq: int) -> str:
        """Return the topic that the message of this number clears; empty where it clears none."""
        found = self._database.run("SELECT topic FROM outbox WHERE seq = ? AND kind = ?", (seq, Kind.CLEAR))
        (topic,) = found.fetchone() or ("",)
        return str(topic)

    def forget_live(self, topic: str, seq: int) -> None:
        """Take note that the state that was put before `seq` no longer stands at the broker."""
        self._database.run("DELETE FROM live WHERE topic = ? AND seq < ?", (topic, seq))

    def lives(self) -> list[Live]:
        """Return every topic on which a state may stand at the broker."""
        return [Live(*row) for row in self._database.run("SELECT topic, call_key, id, seq FROM live")]

    def keep_live(self, lives: Iterable[Live]) -> None:
        """Take note of states that may stand at the broker."""
        for live in lives:
            self._database.run(
                "INSERT OR REPLACE INTO live (topic, call_key, id, seq) VALUES (?, ?, ?, ?)",
                (live.topic, live.call_key, live.id, live.seq),
            )

    def remove_call(self, call_key: str) -> int:
        """Delete all that waits of a call but the clearing of its state; returns how many."""
        self._log_must_go = True
        return len(self._delete("call_key = ? AND kind <> ?", (call_key, Kind.CLEAR)))

    def clear_left_behind(self, now_s: float) -> int:
        """Put a clearing message for every state of which none waits yet; returns how many calls there were."""
        lives = self.lives()
        self.put((clear(live.topic, live.call_key, live.id) for live in lives), now_s)
        return len(lives)

    def meta(self, key: str) -> str | None:
        """Return a value that was kept, or None."""
        row = self._database.run("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keep a value, in place of the one before."""
        self._database.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def oldest_s(self) -> float | None:
        """Return when the first message in order was put, or None where none waits."""
        row = self._database.run("SELECT stored_s FROM outbox ORDER BY seq LIMIT 1").fetchone()
        return None if row is None else float(row[0])

    def moved(self) -> bool:
        """Return whether the file that is open no longer stands at its path."""
        return self._database.moved()

    def tidy(self, *, idle: bool) -> None:
        """Leave no copy of what has been deleted: after an objection at once, else when there is time.

        Not inside a transaction.

        Parameters
        ----------
        idle
            Whether there is time; once in a while there must be.
        """
        if self._log_must_go or (idle and self._written):
            self._database.wipe_log()
            self._log_must_go = self._written = False

    def give_space_back(self) -> None:
        """Where nothing waits, make a file that was once large small again. Not inside a transaction."""
        if not self.depth:
            self._database.give_space_back()

    def close(self) -> None:
        """Write the log back into the file and let go of it."""
        self._database.close()

    def remove_file(self) -> None:
        """Let go of the file and delete it; only for one in which nothing waits.

        It goes while it is still locked: whoever opens it next either makes a new one or sees that it has gone.
        """
        if self.depth:
            raise OutboxError(f"outbox {self._path}: {self.depth} messages wait in it; it is not removed")
        self._database.remove()
