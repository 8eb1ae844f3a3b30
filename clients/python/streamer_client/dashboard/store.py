"""What a restart must not forget, in a small SQLite file: the events of kept calls, the day's counts, who is signed in.

Writing is gathered and done in a thread of its own, so a slow disk never holds a page up. What is deleted is
overwritten (`secure_delete`), and goes from the write-ahead log as well. Of the calls this file must never keep
anything that is not an event off the bus, and never outlast :class:`~streamer_client.dashboard.floor.Keep`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from streamer_client.dashboard.records import CallKey
from streamer_client.dashboard.sessions import Session
from streamer_client.dashboard.tally import Quarter
from streamer_client.errors import ClientError
from streamer_client.events import AcknowledgementEvent, EndedEvent, Event, StateEvent, StatusEvent, encode

log = logging.getLogger(__name__)
T = TypeVar("T")

_FORMAT = "1"
_MOST_WAITING = 100_000
"""Statements that wait for a disk that fails; beyond, events and sessions are given up, deletions never."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, call TEXT NOT NULL, alert TEXT NOT NULL,
  payload BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS events_of_a_call ON events (tenant, call);
CREATE INDEX IF NOT EXISTS events_of_an_alert ON events (alert) WHERE alert <> '';
CREATE TABLE IF NOT EXISTS marks (
  mark TEXT NOT NULL, tenant TEXT NOT NULL, call TEXT NOT NULL, at_s REAL NOT NULL, PRIMARY KEY (mark, tenant, call));
CREATE TABLE IF NOT EXISTS quarters (number INTEGER PRIMARY KEY, counts BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS hidden (
  tenant TEXT NOT NULL, call TEXT NOT NULL, source TEXT NOT NULL, last_s REAL NOT NULL, PRIMARY KEY (tenant, call));
CREATE TABLE IF NOT EXISTS sessions (
  digest BLOB PRIMARY KEY, name TEXT NOT NULL, seal BLOB NOT NULL, began_s REAL NOT NULL, used_s REAL NOT NULL);
"""
_INSERT = "INSERT OR REPLACE INTO events (id, tenant, call, alert, payload) VALUES (?, ?, ?, ?, ?)"
_FILTERS = "SELECT value FROM about WHERE name = 'filters'"
_MARK = "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)"
_SESSION = "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)"


class Kept(msgspec.Struct, frozen=True):
    """What a file holds."""

    events: tuple[bytes, ...]
    """Payloads, in the order in which they came."""
    withdrawn: tuple[tuple[CallKey, float], ...]
    lost: tuple[CallKey, ...]
    quarters: dict[int, Quarter]
    hidden: dict[CallKey, tuple[str, float]] = {}
    """As :attr:`~streamer_client.dashboard.floor.Floor.hidden`."""
    tenant: str = "+"
    """Whose events these are; ``+`` = of several."""


class Store:
    """The file; made by :meth:`open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, thread: ThreadPoolExecutor, client_id: str) -> None:
        self.client_id = client_id
        """Under which the broker keeps what comes while the dashboard is away: one for each file."""
        self._path = path
        self._connection = connection
        self._thread = thread
        self._waiting: list[tuple[str, tuple[object, ...]]] = []
        self._scrub = False
        self._failing = ""
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> Store:
        """Open a file, or make one that only its owner can read.

        Raises
        ------
        ClientError
            It cannot be opened, another dashboard has it open, or it is no state of a dashboard.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="dashboard state")
        try:
            connection, client_id = await asyncio.get_running_loop().run_in_executor(thread, _open, path)
        except BaseException:
            thread.shutdown()
            raise
        return cls(path, connection, thread, client_id)

    async def load(self) -> Kept:
        """Return everything that is kept."""
        return await self._do(self._load)

    async def sessions(self) -> dict[bytes, Session]:
        """Return the sessions that are kept, by the digests of their secrets."""
        statement = "SELECT digest, name, seal, began_s, used_s FROM sessions"
        rows = await self._do(lambda: self._connection.execute(statement).fetchall())
        return {digest: Session(*session) for digest, *session in rows}

    def put(self, event: Event) -> None:
        """Keep an event."""
        payload = encode(event)
        if isinstance(event, StatusEvent):
            # One row for each server, the last thing it said; in the place of the one before.
            self._waiting.append((_INSERT, (f"node {event.data.node}", "", "", "", payload)))
            return
        call = event.data.call
        if isinstance(event, StateEvent | EndedEvent):
            self._waiting.append(("DELETE FROM hidden WHERE tenant = ? AND call = ?", (call.tenant, call.id)))
        if isinstance(event, StateEvent):
            self._waiting.append(
                ("DELETE FROM marks WHERE mark = 'lost' AND tenant = ? AND call = ?", (call.tenant, call.id))
            )
        alert = event.data.alert if isinstance(event, AcknowledgementEvent) else ""
        self._waiting.append((_INSERT, (event.id, call.tenant, call.id, alert, payload)))

    def lost(self, key: CallKey) -> None:
        """Keep that a call's server died."""
        self._waiting.append((_MARK, ("lost", *key, 0.0)))

    def withdrawn(self, key: CallKey, at_s: float) -> None:
        """Delete everything of a call, for good; keep its id, so that nothing of it comes back."""
        self._waiting += [
            # Also what somebody said of its alerts under the name of another call.
            ("DELETE FROM events WHERE alert IN (SELECT id FROM events WHERE tenant = ? AND call = ?)", key),
            ("DELETE FROM events WHERE tenant = ? AND call = ?", key),
            ("DELETE FROM marks WHERE tenant = ? AND call = ?", key),
            ("DELETE FROM hidden WHERE tenant = ? AND call = ?", key),
            (_MARK, ("withdrawn", *key, at_s)),
        ]
        self._scrub = True

    def evicted(self, key: CallKey, alerts: Iterator[str]) -> None:
        """Delete what is kept of a call, but for these alerts of it, and who has taken care of them."""
        spared = tuple(alerts)
        marks = ",".join("?" * len(spared))
        self._waiting += [
            (
                f"DELETE FROM events WHERE tenant = ? AND call = ? AND id NOT IN ({marks}) AND alert NOT IN ({marks})",  # noqa: S608 - question marks
                (*key, *spared, *spared),
            ),
            ("DELETE FROM marks WHERE mark = 'lost' AND tenant = ? AND call = ?", key),
        ]
        self._scrub = True

    def dropped(self, name: str) -> None:
        """Delete an utterance, or an alert with its acknowledgements."""
        self._waiting.append(("DELETE FROM events WHERE id = ? OR alert = ?", (name, name)))
        self._scrub = True

    def early_dropped(self, key: CallKey, alert: str) -> None:
        """Delete the acknowledgements of an alert that never came."""
        self._waiting.append(("DELETE FROM events WHERE tenant = ? AND call = ? AND alert = ?", (*key, alert)))
        self._scrub = True

    def hidden(self, key: CallKey, source: str, last_s: float) -> None:
        """Keep of a call that was let go that it may still go on."""
        self._waiting.append(("INSERT OR REPLACE INTO hidden VALUES (?, ?, ?, ?)", (*key, source, last_s)))

    def of_tenant(self, tenant: str) -> None:
        """Keep whose events these are from now on, and delete those of others; ``+`` = of several."""
        self._waiting.append(("INSERT OR REPLACE INTO about VALUES ('tenant', ?)", (tenant,)))
        if tenant != "+":
            self._waiting += [
                ("DELETE FROM events WHERE tenant NOT IN ('', ?)", (tenant,)),
                ("DELETE FROM marks WHERE mark = 'lost' AND tenant <> ?", (tenant,)),
                ("DELETE FROM hidden WHERE tenant <> ?", (tenant,)),
            ]
            self._scrub = True

    async def filters(self) -> list[str]:
        """Return to what the broker's session was subscribed last; empty = nothing is known."""
        rows = await self._do(lambda: self._connection.execute(_FILTERS).fetchall())
        return [one for (text,) in rows for one in text.split("\n")]

    async def subscribes(self, filters: Iterable[str]) -> None:
        """Keep to what the broker's session is subscribed from now on."""
        self._waiting.append(("INSERT OR REPLACE INTO about VALUES ('filters', ?)", ("\n".join(filters),)))
        await self.flush()

    def quarter(self, number: int, quarter: Quarter | None) -> None:
        """Keep the counts of a quarter of an hour; None deletes them."""
        if quarter is None:
            self._waiting.append(("DELETE FROM quarters WHERE number = ?", (number,)))
        else:
            counts = msgspec.json.encode(quarter)
            self._waiting.append(("INSERT OR REPLACE INTO quarters VALUES (?, ?)", (number, counts)))

    def session(self, digest: bytes, session: Session | None) -> None:
        """Keep a session; None deletes it."""
        if session is None:
            self._waiting.append(("DELETE FROM sessions WHERE digest = ?", (digest,)))
            self._scrub = True
        else:
            self._waiting.append((_SESSION, (digest, *msgspec.structs.astuple(session))))

    def forget(self, before_s: float) -> None:
        """Delete what only says that calls were withdrawn, or let go, before then."""
        self._waiting += [
            ("DELETE FROM marks WHERE mark = 'withdrawn' AND at_s < ?", (before_s,)),
            ("DELETE FROM hidden WHERE last_s < ?", (before_s,)),
        ]

    async def flush(self) -> None:
        """Write what waits, and return then. Where the disk fails it goes on waiting, and the log says so once.

        One after the other, so that what a disk refuses does not change its place with what comes after it.
        """
        async with self._writing:
            await self._flush()

    async def _flush(self) -> None:
        statements, self._waiting = self._waiting, []
        scrub, self._scrub = self._scrub, False
        if not statements:
            return
        try:
            await self._do(lambda: self._write(statements, scrub=scrub))
        except sqlite3.Error as problem:
            self._waiting = _bounded(statements + self._waiting)
            self._scrub |= scrub
            if str(problem) != self._failing:
                log.warning(
                    "cannot write the dashboard's state to %s: %s; the pages go on, a restart would forget what came "
                    "since (trying again)",
                    self._path,
                    problem,
                )
            self._failing = str(problem)
        else:
            if self._failing:
                log.warning("the dashboard's state is written to %s again", self._path)
            self._failing = ""

    async def close(self) -> None:
        """Write what waits, and close the file."""
        try:
            await self.flush()
            await self._do(self._connection.close)
        finally:
            self._thread.shutdown()

    def _load(self) -> Kept:
        run = self._connection.execute
        marks = run("SELECT mark, tenant, call, at_s FROM marks").fetchall()
        hidden = run("SELECT tenant, call, source, last_s FROM hidden").fetchall()
        tenant = run("SELECT value FROM about WHERE name = 'tenant'").fetchone()
        return Kept(
            events=tuple(payload for (payload,) in run("SELECT payload FROM events ORDER BY seq")),
            withdrawn=tuple(((tenant, call), at_s) for mark, tenant, call, at_s in marks if mark == "withdrawn"),
            lost=tuple((tenant, call) for mark, tenant, call, _ in marks if mark == "lost"),
            quarters={
                number: msgspec.json.decode(counts, type=Quarter)
                for number, counts in run("SELECT number, counts FROM quarters")
            },
            hidden={(whose, call): (source, last_s) for whose, call, source, last_s in hidden},
            tenant=tenant[0] if tenant else "+",
        )

    def _write(self, statements: list[tuple[str, tuple[object, ...]]], *, scrub: bool) -> None:
        with self._connection:
            self._connection.execute("BEGIN")
            for statement, values in statements:
                self._connection.execute(statement, values)
        if scrub:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _open(path: Path) -> tuple[sqlite3.Connection, str]:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
    except (OSError, sqlite3.Error) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise ClientError(
            f"cannot open the dashboard's state {path}: {reason}; give another place by --state"
        ) from problem
    try:
        return connection, _prepare(connection, path)
    except sqlite3.OperationalError as problem:
        connection.close()
        if "locked" in str(problem):
            raise ClientError(
                f"another dashboard has {path} open; give this one a file of its own by --state"
            ) from problem
        raise ClientError(
            f"cannot use the dashboard's state {path}: {problem}; give another place by --state"
        ) from problem
    except sqlite3.DatabaseError as problem:
        connection.close()
        raise ClientError(f"{path} is no state of a dashboard, or damaged ({problem}); move it away") from problem
    except ClientError:
        connection.close()
        raise


def _prepare(connection: sqlite3.Connection, path: Path) -> str:
    run = connection.execute
    run("PRAGMA locking_mode = EXCLUSIVE")
    run("PRAGMA journal_mode = WAL")
    run("PRAGMA synchronous = NORMAL")
    run("PRAGMA secure_delete = ON")
    connection.executescript(_SCHEMA)
    about = dict(run("SELECT name, value FROM about").fetchall())
    if not about:
        about = {"format": _FORMAT, "client_id": f"emotion-dashboard-{secrets.token_hex(6)}"}
        connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
    if about.get("format") != _FORMAT:
        raise ClientError(f"{path} was written by another version of the dashboard; move it away")
    return str(about["client_id"])


def _bounded(statements: list[tuple[str, tuple[object, ...]]]) -> list[tuple[str, tuple[object, ...]]]:
    if len(statements) <= _MOST_WAITING:
        return statements
    return [one for one in statements if one[0] not in {_INSERT, _SESSION}]
