"""The outbox's file as SQLite sees it: opened, recognised, brought up to date, and every error in words.

Blocking. What stands in the tables is `store`'s business. This file must never delete or repair a database that it does
not understand: what lies there may be the only copy of somebody's events.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from streamer.errors import StreamerError

SCHEMA_VERSION: Final = 2
APPLICATION_ID: Final = 0x454D4F31
"""``EMO1``, in the file's header: tells our databases from others."""
MEMORY: Final = Path(":memory:")
"""The path of a store that is kept in memory."""
_BUSY_S: Final = 0.5
"""How long a predecessor that is just ending may hold the file."""
_LOG_BYTES: Final = 16 * 2**20
"""What SQLite's log may take on the disk when it is not in use."""
_AS_RUN: Final = os.access in os.supports_effective_ids
"""Whether rights can be asked for as the user that the process runs as; Windows knows no other."""
_VACUUM_BYTES: Final = 64 * 2**20
"""An empty outbox gives free space of this size back to the disk."""

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
    bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, id)
) STRICT;
CREATE INDEX outbox_by_rank ON outbox (rank, seq, bytes);
CREATE INDEX outbox_by_age ON outbox (rank, stored_s);
CREATE INDEX outbox_by_call ON outbox (call_key);
CREATE TABLE live (topic TEXT PRIMARY KEY, call_key TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL) STRICT;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
# What never goes had rank 2, and the summary of a call that of its utterances; sizes stood nowhere.
_FROM_VERSION_1: Final = f"""
ALTER TABLE outbox ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
DROP INDEX outbox_by_rank;
DROP INDEX outbox_by_age;
UPDATE outbox SET bytes = length(message), rank = 3 WHERE rank = 2;
UPDATE outbox SET bytes = length(message), rank = 2 WHERE kind = 'ended';
UPDATE outbox SET bytes = length(message) WHERE bytes = 0;
CREATE INDEX outbox_by_rank ON outbox (rank, seq, bytes);
CREATE INDEX outbox_by_age ON outbox (rank, stored_s);
PRAGMA user_version = {SCHEMA_VERSION};
"""  # noqa: S608 - no outside text


class OutboxError(StreamerError):
    """The outbox cannot be opened or written; the message says why and what to do."""


class OutboxBusyError(OutboxError):
    """Another process uses the file."""


class OutboxDamagedError(OutboxError):
    """The file is an outbox, but not all of it can be read."""


class DiskError(OutboxError):
    """The disk does not do as it should; it may do so later."""


class Database:
    """An open connection to the tables of an outbox, in WAL mode, its file locked against all others.

    Parameters
    ----------
    path
        The file; made where missing, for this user alone. `MEMORY` makes one that is kept in memory.

    Raises
    ------
    OutboxError
        The file cannot be opened, is no outbox, is of a newer version, or is in use by another process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inode: int | None = None
        try:
            self._connection = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as problem:
            raise explain(problem, path) from problem

    def _connect(self) -> sqlite3.Connection:
        path = self.path
        if path == MEMORY:
            return sqlite3.connect(str(MEMORY), isolation_level=None)
        if not path.parent.is_dir():
            raise OutboxError(f"outbox {path}: the folder {path.parent} does not exist; make it or set outbox.path")
        # Made here and not by SQLite, which would let everybody read it. What is wrong, SQLite says below.
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with contextlib.suppress(OSError):
            found = path.stat()
            self._inode = found.st_ino
            log = log_of(path)
            if not found.st_size and log.exists() and log.stat().st_size:
                # SQLite would take it for a new database and delete the log, which may hold the only copy.
                raise OutboxDamagedError(f"outbox {path}: it is damaged (the file is empty, but its log is not)")
        return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)

    def _prepare(self) -> None:
        run = self._connection.execute
        # Held until close, by the kernel, so that kill -9 frees it: a second server on this file is refused.
        run("PRAGMA locking_mode = EXCLUSIVE")
        # Looked at before anything is written: another program's database must stay as it is.
        statements = self._recognise()
        run("PRAGMA journal_mode = WAL")
        run(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        # Who objects wants it gone, not marked as free.
        run("PRAGMA secure_delete = ON")
        # Under NORMAL a commit may vanish with the power; a verdict that was said to be safe must be on the disk.
        run("PRAGMA synchronous = FULL")
        run("BEGIN IMMEDIATE")
        if self.moved():
            raise OutboxBusyError(f"outbox {self.path}: another process has removed it at this moment; start again")
        for statement in filter(None, statements.strip().split(";\n")):
            run(statement)
        run("COMMIT")
        if statements:
            # So that the header says whose file it is, whatever becomes of the rest of it.
            run("PRAGMA wal_checkpoint(TRUNCATE)")

    def _recognise(self) -> str:
        """Return what must be run to have the tables as they should be; refuse what is no outbox of ours."""
        run = self._connection.execute
        (tables,) = run("SELECT count(*) FROM sqlite_schema").fetchone()
        (application,) = run("PRAGMA application_id").fetchone()
        (version,) = run("PRAGMA user_version").fetchone()
        if tables and application != APPLICATION_ID:
            raise OutboxError(
                f"outbox {self.path}: is an SQLite database of another program; nothing was changed. "
                "Set outbox.path to a file of its own"
            )
        if tables and version > SCHEMA_VERSION:
            raise OutboxError(
                f"outbox {self.path}: has schema version {version}, this program knows {SCHEMA_VERSION}; nothing was "
                "changed. Start the newer version to deliver what waits there, or set outbox.path to a new file"
            )
        if not tables:
            return _SCHEMA
        return _FROM_VERSION_1 if version == 1 else ""

    def run(self, statement: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a statement."""
        return self._connection.execute(statement, parameters)

    def moved(self) -> bool:
        """Return whether the file that is open no longer stands at its path: somebody moved or deleted it."""
        if self._inode is None:
            return False
        try:
            return os.stat(self.path).st_ino != self._inode  # noqa: PTH116 - called before each commit
        except FileNotFoundError:
            return True

    def roll_back(self) -> None:
        """Undo the open transaction, where one is open still: some errors (a full disk) have ended it already."""
        with contextlib.suppress(sqlite3.Error):  # on others the disk fails this as well, and the first error counts
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def give_space_back(self) -> None:
        """Make a file that is mostly free space small again; it never shrinks by itself. Not inside a transaction."""
        (pages,), (size,) = self.run("PRAGMA freelist_count").fetchone(), self.run("PRAGMA page_size").fetchone()
        if pages * size >= _VACUUM_BYTES:
            self.run("VACUUM")

    def wipe_log(self) -> None:
        """Write the log back into the file and cut it to nothing. Not inside a transaction.

        It holds copies of rows that have been deleted since, until SQLite happens to write over them; in the file
        itself `secure_delete` has done that.
        """
        self.run("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Write the log back into the file and let go of it."""
        self._connection.close()

    def remove(self) -> None:
        """Delete the file while it is still locked, then let go of it.

        So whoever opens it next either makes a new one, or sees that the one it has opened is gone.
        """
        # Else closing would delete the log of a file that another process has made under this name meanwhile.
        self.run("PRAGMA journal_mode = DELETE")
        if not self.moved():
            self.path.unlink()
        self._connection.close()


def log_of(path: Path) -> Path:
    """Return where SQLite keeps the log of a database."""
    return path.with_name(f"{path.name}-wal")


def is_outbox(path: Path) -> bool:
    """Return whether a file's header, which SQLite may not be able to read further than, is that of an outbox.

    The format is https://www.sqlite.org/fileformat2.html#the_database_header.
    """
    with path.open("rb") as file:
        header = file.read(100)
    return header[:16] == b"SQLite format 3\0" and header[68:72] == APPLICATION_ID.to_bytes(4, "big")


DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""What SQLite says of a damaged file, where it is known to be one of ours."""
_DISK: Final = {
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that it is a file and that this user may write there",
    sqlite3.SQLITE_READONLY: "it cannot be written; check the rights of the file and its folder, and the disk",
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "the disk does not answer as it should; check it",
    sqlite3.SQLITE_PERM: "it may not be used; check the rights of the file and its folder",
}


def code_of(problem: BaseException) -> int:
    """Return SQLite's plain error code, or 0 where it is no error of SQLite's.

    Extended codes (https://www.sqlite.org/rescode.html) carry the plain one in their low byte.
    """
    return getattr(problem, "sqlite_errorcode", 0) & 0xFF


def explain(problem: sqlite3.Error, path: Path) -> OutboxError:
    """Return SQLite's error as one that says what to do."""
    code = code_of(problem)
    match code:
        case sqlite3.SQLITE_BUSY:
            return OutboxBusyError(
                f"outbox {path}: another running server uses it; stop that one or set outbox.path to another file "
                f"({problem})"
            )
        case sqlite3.SQLITE_NOTADB:
            return OutboxError(
                f"outbox {path}: it is not an SQLite database; nothing was changed. Set outbox.path to another file "
                f"({problem})"
            )
        case sqlite3.SQLITE_CORRUPT:
            return OutboxDamagedError(f"outbox {path}: it is damaged ({problem})")
    if code == sqlite3.SQLITE_IOERR and path.exists() and not os.access(path, os.W_OK, effective_ids=_AS_RUN):
        code = sqlite3.SQLITE_READONLY  # so says SQLite where it has a log to write, and may not
    if code in _DISK:
        return DiskError(
            f"outbox {path.absolute()}: {_DISK[code]}, or set outbox.path (--outbox) elsewhere ({problem})"
        )
    return OutboxError(f"outbox {path}: SQLite refuses ({problem})")


def code_behind(problem: BaseException) -> int:
    """Return SQLite's code for what lies behind an error of ours, or of its own."""
    return code_of(problem) or (code_of(problem.__cause__) if problem.__cause__ else 0)


def known(problem: Exception, path: Path) -> Exception:
    """Return an error of an outbox that is open, and so is one, as one of ours; any other as it is."""
    if code_of(problem) in DAMAGE:
        return OutboxDamagedError(damaged(path, problem))
    return explain(problem, path) if isinstance(problem, sqlite3.Error) else problem


def damaged(path: Path, problem: BaseException) -> str:
    """Return in words that a file is damaged."""
    return f"outbox {path}: it is damaged ({problem.__cause__ or problem})"
