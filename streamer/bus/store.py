"""The outbox's file: one SQLite database and every statement that touches it.

Blocking, for one thread; `outbox` owns that thread. This file must never delete or repair a database that it does not
understand: what lies there may be the only copy of somebody's events. It reads no clock.

Theory of operation. `outbox` holds the messages that wait; a row goes when the broker has acknowledged it. `live` holds
the topics on which a retained call state may stand at the broker, from the put of the state to the acknowledgement of
its clearing, so that the process after a crash can clear what the dead one left. `meta` holds what must survive a
restart. The transaction is the caller's: it commits many puts at once.
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
from streamer.errors import StreamerError

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x454D4F31
"""``EMO1``, in the file's header: tells our databases from others."""
_BUSY_S: Final = 0.5
"""How long a predecessor that is just ending may hold the file."""

_NEVER_DROPPED: Final = 2
_RANKS: Final = {
    Kind.PARTIAL: 0,
    Kind.UTTERANCE: 1,
    Kind.ENDED: 1,
    Kind.STATE: 1,
    Kind.STATUS: 1,
    # An alert is what a compliance desk is there for; a clear that is lost leaves a call live on every wallboard.
    Kind.ALERT: _NEVER_DROPPED,
    Kind.CLEAR: _NEVER_DROPPED,
}

# AUTOINCREMENT: a seq must never come twice. Without it SQLite gives the number of a deleted last row to the next row,
# and a late acknowledgement would delete a message that was never sent.
_SCHEMA: Final = f"""
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    topic TEXT NOT NULL,
    call_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    rank INTEGER NOT NULL,
    stored_s REAL NOT NULL,
    message BLOB NOT NULL,
    UNIQUE (topic, id)
) STRICT;
CREATE INDEX outbox_by_rank ON outbox (rank, seq);
CREATE INDEX outbox_by_age ON outbox (rank, stored_s);
CREATE INDEX outbox_by_call ON outbox (call_key);
CREATE TABLE live (topic TEXT PRIMARY KEY, call_key TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL) STRICT;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


class OutboxError(StreamerError):
    """The outbox cannot be opened or written; the message says why and what to do."""


class Row(msgspec.Struct, frozen=True):
    """A message that waits."""

    seq: int
    """Its place in the order of puts; never given twice."""
    message: Outgoing


class Store:
    """The open database.

    Parameters
    ----------
    path
        The file; made where missing. Its folder must exist, on a local disk (SQLite's WAL needs shared locks).
    max_rows
        Messages kept at most; see :meth:`trim`.
    max_age_s
        Age in s at which a message is given up.

    Raises
    ------
    OutboxError
        The file cannot be opened, is no outbox, is of a newer version, or is in use by another process.
    """

    def __init__(self, path: Path, max_rows: int, max_age_s: float) -> None:
        self._path = path
        self._max_rows = max_rows
        self._max_age_s = max_age_s
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Outgoing)
        self._database = _connect(path)
        try:
            self._prepare()
            self.depth = self._count()
        except OutboxError:
            self._database.close()
            raise
        except sqlite3.Error as problem:
            self._database.close()
            raise explain(problem, path) from problem
        self.dropped: Counter[str] = Counter()
        """Messages given up by :meth:`trim` since it was last emptied, by kind and reason as ``kind/reason``."""

    def _prepare(self) -> None:
        run = self._database.execute
        # Held until close, by the kernel, so that kill -9 frees it: a second server on this file is refused.
        run("PRAGMA locking_mode = EXCLUSIVE")
        # Looked at before anything is written: another program's database must stay as it is.
        is_new = self._recognise()
        run("PRAGMA journal_mode = WAL")
        # Who objects wants it gone, not marked as free.
        run("PRAGMA secure_delete = ON")
        # Under NORMAL a commit may vanish with the power; a verdict that was said to be safe must be on the disk.
        run("PRAGMA synchronous = FULL")
        run("BEGIN IMMEDIATE")
        if is_new:
            for statement in _SCHEMA.strip().split(";\n"):
                run(statement)
        run("COMMIT")

    def _recognise(self) -> bool:
        """Return whether the file is still empty; refuse what is no outbox of ours."""
        run = self._database.execute
        (tables,) = run("SELECT count(*) FROM sqlite_schema").fetchone()
        (application,) = run("PRAGMA application_id").fetchone()
        (version,) = run("PRAGMA user_version").fetchone()
        if tables and application != APPLICATION_ID:
            raise OutboxError(
                f"outbox {self._path}: is an SQLite database of another program; nothing was changed. "
                "Set outbox.path to a file of its own"
            )
        if tables and version > SCHEMA_VERSION:
            raise OutboxError(
                f"outbox {self._path}: has schema version {version}, this program knows {SCHEMA_VERSION}; nothing was "
                "changed. Start the newer version to deliver what waits there, or set outbox.path to a new file"
            )
        return not tables

    def _count(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM outbox").fetchone()[0])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside as one, or nothing of it."""
        dropped_before = Counter(self.dropped)
        self._database.execute("BEGIN")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            # Some errors (a full disk) have ended the transaction already.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self.depth = self._count()
            self.dropped = dropped_before
            raise

    def put(self, messages: Iterable[Outgoing], now_s: float) -> None:
        """Append messages, those that wait already (same id and topic) left out; then keep the bounds."""
        for message in messages:
            cursor = self._database.execute(
                "INSERT OR IGNORE INTO outbox (id, topic, call_key, kind, rank, stored_s, message)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    message.id,
                    message.topic,
                    message.call_key,
                    message.kind.value,
                    _RANKS[message.kind],
                    now_s,
                    self._encoder.encode(message),
                ),
            )
            if cursor.rowcount == 1:
                self.depth += 1
                if message.kind is Kind.STATE:
                    self._database.execute(
                        "INSERT OR REPLACE INTO live (topic, call_key, id, seq) VALUES (?, ?, ?, ?)",
                        (message.topic, message.call_key, message.id, cursor.lastrowid),
                    )
        self.trim(now_s)

    def trim(self, now_s: float) -> None:
        """Give up what is too old, then what is too much: partials first, then the rest by age, alerts never."""
        expired = self._delete("rank < ? AND stored_s < ? RETURNING kind", (_NEVER_DROPPED, now_s - self._max_age_s))
        self.dropped.update(f"{kind}/age" for kind in expired)
        excess = self.depth - self._max_rows
        if excess > 0:
            crowded = self._delete(
                "seq IN (SELECT seq FROM outbox WHERE rank < ? ORDER BY rank, seq LIMIT ?) RETURNING kind",
                (_NEVER_DROPPED, excess),
            )
            self.dropped.update(f"{kind}/full" for kind in crowded)

    def _delete(self, where: str, parameters: Sequence[object]) -> list[str]:
        """Delete rows; the condition is one of this file's own. Returns what it is asked to return."""
        cursor = self._database.execute(f"DELETE FROM outbox WHERE {where}", parameters)  # noqa: S608 - no outside text
        kinds = [kind for (kind,) in cursor] if "RETURNING" in where else []
        self.depth -= len(kinds) if "RETURNING" in where else cursor.rowcount
        return kinds

    def pending(self, after_seq: int, limit: int) -> list[Row]:
        """Return the oldest messages behind `after_seq`, in order."""
        rows = self._database.execute(
            "SELECT seq, message FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (after_seq, limit)
        )
        return [Row(seq, self._decoder.decode(message)) for seq, message in rows]

    def remove(self, seqs: Iterable[int]) -> None:
        """Delete messages that are done with; a number that is gone already is no error."""
        for seq in seqs:
            self._database.execute(
                "DELETE FROM live WHERE seq < ? AND topic = (SELECT topic FROM outbox WHERE seq = ? AND kind = ?)",
                (seq, seq, Kind.CLEAR),
            )
            self._delete("seq = ?", (seq,))

    def remove_call(self, call_key: str) -> int:
        """Delete all that waits of a call but the clearing of its state; returns how many."""
        before = self.depth
        self._delete("call_key = ? AND kind <> ?", (call_key, Kind.CLEAR))
        return before - self.depth

    def clear_left_behind(self, now_s: float) -> int:
        """Put a clearing message for every state of which none waits yet; returns how many calls there were."""
        rows = self._database.execute("SELECT topic, call_key, id FROM live").fetchall()
        self.put((clear(*row) for row in rows), now_s)
        return len(rows)

    def meta(self, key: str) -> str | None:
        """Return a value that was kept, or None."""
        row = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keep a value, in place of the one before."""
        self._database.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def oldest_s(self) -> float | None:
        """Return when the first message in order was put, or None where none waits."""
        row = self._database.execute("SELECT stored_s FROM outbox ORDER BY seq LIMIT 1").fetchone()
        return None if row is None else float(row[0])

    def close(self) -> None:
        """Write the log back into the file and let go of it."""
        self._database.close()


def _connect(path: Path) -> sqlite3.Connection:
    if not path.parent.is_dir():
        raise OutboxError(f"outbox {path}: the folder {path.parent} does not exist; make it or set outbox.path")
    try:
        return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    except sqlite3.Error as problem:
        raise explain(problem, path) from problem


def explain(problem: sqlite3.Error, path: Path) -> OutboxError:
    """Return SQLite's error as one that says what to do."""
    # Extended codes (https://www.sqlite.org/rescode.html) carry the plain one in their low byte.
    code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
    advice = {
        sqlite3.SQLITE_BUSY: "another running server uses it; stop that one or set outbox.path to another file",
        sqlite3.SQLITE_NOTADB: "it is not an SQLite database; nothing was changed. Set outbox.path to another file",
        sqlite3.SQLITE_CORRUPT: "it is damaged; keep a copy, try `sqlite3 FILE .recover`, or name a new file",
        sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that it is a file and that this user may write there",
        sqlite3.SQLITE_READONLY: "it cannot be written; check the rights of the file and its folder",
        sqlite3.SQLITE_FULL: "the disk is full; free some space, nothing that was accepted is lost",
        sqlite3.SQLITE_IOERR: "the disk does not answer as it should; check it, nothing that was accepted is lost",
    }
    return OutboxError(f"outbox {path}: {advice.get(code, 'SQLite refuses')} ({problem})")
