"""The file of the alert service's state as SQLite sees it: opened, recognised, locked, and every error in words.

Blocking. What stands in the tables is `state`'s business. This file must never delete or repair a database that it
does not understand: what lies there may be the only copy of somebody's alerts.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from streamer_client.errors import ClientError

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x454D4131
"""``EMA1``, in the file's header: tells our files from others."""
MEMORY: Final = ":memory:"
"""The path of a state that is kept in memory."""

# secure_delete: who objects wants it gone, not marked as free. FULL: under NORMAL a commit may vanish with the power,
# and the broker has been told by then that it may forget the event. auto_vacuum must stand before the first table.
_SETTINGS: Final = (
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA journal_size_limit = 4194304",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA foreign_keys = ON",
)
_SCHEMA: Final = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE calls (
    tenant TEXT NOT NULL,
    call TEXT NOT NULL,
    last_s REAL NOT NULL,
    memory BLOB NOT NULL,
    PRIMARY KEY (tenant, call)
) STRICT;
CREATE TABLE seen (
    seq INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    call TEXT NOT NULL,
    id TEXT NOT NULL,
    UNIQUE (tenant, call, id)
) STRICT;
CREATE TABLE alerts (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    call TEXT NOT NULL,
    found_s REAL NOT NULL,
    event BLOB NOT NULL
) STRICT;
CREATE INDEX alerts_by_call ON alerts (tenant, call);
CREATE TABLE deliveries (
    alert TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    output TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed')),
    tries INTEGER NOT NULL DEFAULT 0,
    next_try_s REAL NOT NULL DEFAULT 0,
    changed_s REAL NOT NULL,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (alert, output)
) STRICT;
CREATE INDEX deliveries_due ON deliveries (output, state, next_try_s);
CREATE TABLE acknowledgements (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    alert TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    by TEXT NOT NULL,
    note TEXT NOT NULL,
    time TEXT NOT NULL
) STRICT;
CREATE INDEX acknowledgements_by_alert ON acknowledgements (alert);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION}
"""

Run = Callable[..., sqlite3.Cursor]


class StateError(ClientError):
    """The state cannot be opened, read or written; the message says why and what to do."""


class StateFile:
    """An open state file; nobody else can open it as a state meanwhile.

    Parameters
    ----------
    path : str or Path
        Made where missing, for this user alone. ``:memory:`` keeps nothing.

    Raises
    ------
    StateError
        The file cannot be opened, is none of ours, is of a newer version, or another service uses it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._lock = self._locked()
        try:
            with self.spoken():
                self._db = self._open()
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Write the log back into the file and let go of it."""
        self._db.close()
        self._lock.close()

    def _locked(self) -> sqlite3.Connection:
        """Lock a file beside the state, which stays readable: the kernel frees it when this process ends, however."""
        if self.path == MEMORY:
            return sqlite3.connect(MEMORY, check_same_thread=False)
        path = Path(self.path)
        if not path.parent.is_dir():
            raise StateError(f"the folder of the alert state {path} does not exist; make it, or give another --state")
        for file in (path, Path(f"{path}.lock")):
            # Made here and not by SQLite, which would let everybody read it. What is wrong, SQLite says below.
            with contextlib.suppress(OSError):
                os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        lock: sqlite3.Connection | None = None
        try:
            lock = sqlite3.connect(f"{path}.lock", timeout=1, isolation_level=None, check_same_thread=False)
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as problem:
            if lock is not None:
                lock.close()
            if "locked" in str(problem):
                raise StateError(
                    f"another alert service uses the state {path}; give this one a --state and a --name of its own"
                ) from problem
            raise StateError(f"cannot open {path}.lock, beside the alert state: {problem}") from problem
        return lock

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            tables = self._recognise(db)
            for setting in _SETTINGS:
                db.execute(setting).fetchall()
            if not tables:
                db.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db

    def _recognise(self, db: sqlite3.Connection) -> int:
        """Return how many tables there are; refuse what is no state of ours."""
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        # Looked at before anything is written: another program's database must stay as it is.
        if tables and application != APPLICATION_ID:
            raise StateError(f"{self.path} is a database of another program; give --state a file of its own")
        if version > SCHEMA_VERSION:
            raise StateError(
                f"the alert state {self.path} is of version {version}, this program knows {SCHEMA_VERSION}; start "
                "the newer program, or give --state a new file"
            )
        return int(tables)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Run]:
        """Give a way to run statements, all of which happen or none."""
        with self.spoken():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db.execute
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # some errors, like a full disk, have ended it already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def run(self, statement: str, *parameters: object) -> sqlite3.Cursor:
        """Run one statement, which is a transaction of its own."""
        with self.spoken():
            return self._db.execute(statement, parameters)

    @contextlib.contextmanager
    def spoken(self) -> Iterator[None]:
        """Turn what SQLite says into what a person can mend."""
        try:
            yield
        except sqlite3.Error as problem:
            raise StateError(
                f"the alert state {self.path} cannot be used: {problem}; check the disk and the file. Nothing was "
                "acknowledged that is not stored: after a restart it goes on where it was"
            ) from problem
