"""The alert service's memory on the disk: one SQLite file and every statement that touches it.

Blocking, for one thread at a time. What an event does to the rules' memory, the alerts that it completes and the mark
that it has been seen are one transaction: after a kill -9 either all of it has happened, or none. This file must never
read a clock, and never keep anything of a call whose party has objected.

Theory of operation. `calls` holds what the rules know of each call, `seen` the ids of the utterances behind that.
`alerts` holds what was found, `deliveries` where each alert goes and whether it is there; `acknowledgements` who took
care of it. `meta` holds what ties the file to its session at the broker, and the fingerprint of each rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from streamer_client.alerts.engine import REMEMBERED, Key
from streamer_client.alerts.memory import CallMemory
from streamer_client.alerts.state_file import MEMORY, Run, StateError, StateFile
from streamer_client.events import AcknowledgementEvent, AlertEvent, decode, encode

__all__ = ["MEMORY", "Acknowledged", "Delivery", "Effect", "Remembered", "State", "StateError", "pack"]

MOST_SEEN: Final = 500_000
"""Ids of utterances that are kept at most, over all calls: hours of a thousand calls."""
_TRIM_EVERY: Final = 1000
_PAGES_AT_ONCE: Final = 1000


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch of events has done, to be stored at once."""

    seen: Sequence[tuple[str, str, str]] = ()
    """Tenant, call and id of utterances and ends."""
    calls: dict[Key, bytes | None] = {}
    """What the rules know now, as :func:`pack` writes it; None = the call is forgotten."""
    alerts: Sequence[tuple[AlertEvent, tuple[str, ...]]] = ()
    """What was found, and the names of the outputs that it goes to."""
    acknowledgements: Sequence[AcknowledgementEvent] = ()
    withdrawn: Sequence[Key] = ()
    """Calls whose party objected: everything of them goes, at last."""
    clock_s: float = 0.0
    """How long the service has listened, all its runs together."""


class Remembered(msgspec.Struct, frozen=True):
    """A call as it was stored."""

    key: Key
    memory: CallMemory
    seen: tuple[str, ...]


class Delivery(msgspec.Struct, frozen=True):
    """An alert that is on its way to an output."""

    alert: AlertEvent
    output: str
    tries: int
    next_try_s: float
    found_s: float


class Acknowledged(msgspec.Struct, frozen=True):
    """That somebody has taken care of an alert."""

    by: str
    note: str
    time: str


def pack(memory: CallMemory | None) -> bytes | None:
    """Return a call's memory as it is stored."""
    return None if memory is None else msgspec.json.encode(memory)


class State(StateFile):
    """An open state file, and what can be done with it; see :class:`StateFile` for how it is opened."""

    _inserted = 0

    def get(self, key: str) -> str | None:
        """Return a value of `meta`."""
        row = self.run("SELECT value FROM meta WHERE key = ?", key).fetchone()
        return None if row is None else str(row[0])

    def put(self, key: str, value: str) -> None:
        """Store a value of `meta`."""
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)

    def load(self) -> tuple[list[Remembered], list[str]]:
        """Return the calls, the one with the oldest event first, and the ids of the last alerts, oldest first."""
        seen: dict[Key, list[str]] = {}
        for tenant, call, name in self.run("SELECT tenant, call, id FROM seen ORDER BY seq"):
            seen.setdefault((tenant, call), []).append(name)
        calls = [
            Remembered((tenant, call), self._unpack(memory), tuple(seen.get((tenant, call), ())[-REMEMBERED:]))
            for tenant, call, memory in self.run("SELECT tenant, call, memory FROM calls ORDER BY last_s, rowid")
        ]
        newest = self.run("SELECT id FROM alerts ORDER BY seq DESC LIMIT ?", REMEMBERED).fetchall()
        return calls, [name for (name,) in reversed(newest)]

    def apply(self, effect: Effect, now_s: float) -> list[AcknowledgementEvent]:
        """Store what a batch of events has done: all of it or nothing.

        Parameters
        ----------
        effect : Effect
        now_s : float
            Seconds since 1970.

        Returns
        -------
        list of AcknowledgementEvent
            Those of alerts that are not known here (any more), which are not stored.
        """
        with self.transaction() as run:
            for row in effect.seen:
                run("INSERT OR IGNORE INTO seen (tenant, call, id) VALUES (?, ?, ?)", row)
            for (tenant, call), memory in effect.calls.items():
                if memory is None:
                    run("DELETE FROM calls WHERE tenant = ? AND call = ?", (tenant, call))
                    run("DELETE FROM seen WHERE tenant = ? AND call = ?", (tenant, call))
                else:
                    last_s = msgspec.json.decode(memory, type=CallMemory).last_s
                    run("INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?)", (tenant, call, last_s, memory))
            for alert, outputs in effect.alerts:
                self._add(run, alert, outputs, now_s)
            unknown = [one for one in effect.acknowledgements if not self._acknowledge(run, one)]
            for tenant, call in effect.withdrawn:
                run("DELETE FROM seen WHERE tenant = ? AND call = ?", (tenant, call))
                run("DELETE FROM calls WHERE tenant = ? AND call = ?", (tenant, call))
                run("DELETE FROM alerts WHERE tenant = ? AND call = ?", (tenant, call))
            self._trim(run, len(effect.seen))
            run("INSERT OR REPLACE INTO meta VALUES ('clock_s', ?)", (repr(effect.clock_s),))
        if effect.withdrawn:
            # The log holds copies of rows that have been deleted since; in the file itself secure_delete is at work.
            self.run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return unknown

    def due(self, output: str, now_s: float, most: int = 1) -> list[Delivery]:
        """Return what is to be delivered now, in the order in which it was found."""
        rows = self.run(
            "SELECT event, tries, next_try_s, found_s FROM deliveries JOIN alerts ON alerts.id = deliveries.alert"
            " WHERE output = ? AND state = 'pending' AND next_try_s <= ? ORDER BY alerts.seq LIMIT ?",
            output,
            now_s,
            most,
        )
        return [Delivery(_alert(event), output, *rest) for event, *rest in rows]

    def next_try_s(self, output: str) -> float | None:
        """Return when the next delivery to an output is due; None where nothing waits."""
        (found,) = self.run(
            "SELECT min(next_try_s) FROM deliveries WHERE output = ? AND state = 'pending'", output
        ).fetchone()
        return None if found is None else float(found)

    def waiting(self) -> dict[str, int]:
        """Return how many alerts wait for each output."""
        return dict(self.run("SELECT output, count(*) FROM deliveries WHERE state = 'pending' GROUP BY output"))

    def delivered(self, alerts: Sequence[str], output: str, now_s: float) -> list[AlertEvent]:
        """Note that alerts have reached an output; return those of which it was not known yet."""
        new = []
        with self.transaction() as run:
            for name in alerts:
                changed = run(
                    "UPDATE deliveries SET state = 'sent', tries = tries + 1, error = '', changed_s = ?"
                    " WHERE alert = ? AND output = ? AND state = 'pending'",
                    (now_s, name, output),
                ).rowcount
                if changed:
                    (event,) = run("SELECT event FROM alerts WHERE id = ?", (name,)).fetchone()
                    new.append(_alert(event))
        return new

    def failed(self, alert: str, output: str, error: str, now_s: float, next_try_s: float | None) -> None:
        """Note that a try has failed; with no next one the delivery is given up, and kept as failed."""
        state: Literal["pending", "failed"] = "failed" if next_try_s is None else "pending"
        self.run(
            "UPDATE deliveries SET state = ?, tries = tries + 1, next_try_s = ?, changed_s = ?, error = ?"
            " WHERE alert = ? AND output = ? AND state = 'pending'",
            state,
            next_try_s or 0.0,
            now_s,
            error,
            alert,
            output,
        )

    def abandon(self, kept: Sequence[str], now_s: float) -> dict[str, int]:
        """Give up what waits for outputs that are not there any more; return how many alerts by output."""
        gone = {output: count for output, count in self.waiting().items() if output not in kept}
        for output in gone:
            self.run(
                "UPDATE deliveries SET state = 'failed', changed_s = ?, error = 'the output was removed'"
                " WHERE output = ? AND state = 'pending'",
                now_s,
                output,
            )
        return gone

    def acknowledged(self, alert: str) -> list[Acknowledged]:
        """Return who has taken care of an alert, in the order in which it was heard: the first one counts."""
        rows = self.run("SELECT by, note, time FROM acknowledgements WHERE alert = ? ORDER BY seq", alert)
        return [Acknowledged(*row) for row in rows]

    def forget_alerts(self, before_s: float) -> int:
        """Delete alerts found before a time, with all that hangs on them, unless one is still to be delivered."""
        count = self.run(
            "DELETE FROM alerts WHERE found_s < ?"
            " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE alert = alerts.id AND state = 'pending')",
            before_s,
        ).rowcount
        self.run(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
        return count

    def _add(self, run: Run, alert: AlertEvent, outputs: Sequence[str], now_s: float) -> None:
        call = alert.data.call
        row = (alert.id, call.tenant, call.id, now_s, encode(alert))
        new = run("INSERT OR IGNORE INTO alerts (id, tenant, call, found_s, event) VALUES (?, ?, ?, ?, ?)", row)
        if new.rowcount:
            for output in outputs:
                run(
                    "INSERT INTO deliveries (alert, output, changed_s) VALUES (?, ?, ?)",
                    (alert.id, output, now_s),
                )

    def _acknowledge(self, run: Run, event: AcknowledgementEvent) -> bool:
        data = event.data
        known = run("SELECT 1 FROM alerts WHERE id = ? AND tenant = ?", (data.alert, data.call.tenant)).fetchone()
        if known is not None:
            run(
                "INSERT OR IGNORE INTO acknowledgements (id, alert, by, note, time) VALUES (?, ?, ?, ?, ?)",
                (event.id, data.alert, data.by, data.note, event.time),
            )
        return known is not None

    def _trim(self, run: Run, inserted: int) -> None:
        self._inserted += inserted
        if self._inserted >= _TRIM_EVERY:
            self._inserted = 0
            run("DELETE FROM seen WHERE seq <= (SELECT max(seq) FROM seen) - ?", (MOST_SEEN,))

    def _unpack(self, memory: bytes) -> CallMemory:
        try:
            return msgspec.json.decode(memory, type=CallMemory)
        except msgspec.DecodeError as problem:
            raise StateError(
                f"the alert state {self.path} holds a call that cannot be read ({problem}); move the file aside, and "
                "keep it: alerts of the calls under way start anew"
            ) from problem


def _alert(event: bytes) -> AlertEvent:
    found = decode(event)
    assert isinstance(found, AlertEvent)  # noqa: S101 - written by `_add` alone
    return found
