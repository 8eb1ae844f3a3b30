"""The middle of the dashboard: takes what the bus says into the model, keeps it, and tells the open pages.

A page is told *that* something changed; what it looks like is worked out when it is sent. So a slow page costs nothing,
and many changes of one call are one message. This file must never speak HTTP or MQTT.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from streamer_client.dashboard.api import AlertGone, BrokerState, CallDetail, Gone, Snapshot, Today
from streamer_client.dashboard.changes import Changes, Kind, Name
from streamer_client.dashboard.model import Model
from streamer_client.dashboard.records import CallKey
from streamer_client.dashboard.store import Store
from streamer_client.dashboard.times import rfc3339
from streamer_client.events import Event, EventError, StatusEvent, UnknownEvent, decode

log = logging.getLogger(__name__)

REMEMBERED = 20_000
"""Changes that a page which comes back can catch up on; each thing counts once, with its last change."""
_ALWAYS_TOLD = 3


class Message(msgspec.Struct, frozen=True):
    """One change as a page gets it."""

    cursor: int
    kind: Kind
    data: bytes
    """JSON."""


class Hub:
    """State and news of one dashboard.

    Parameters
    ----------
    model : Model
    store : Store, optional
        None: nothing is kept.
    now_s : callable
        The clock, seconds since 1970.
    midnight_s : callable
        Takes such a time; returns when that day began on the wall.
    tenant : str
        Whose calls are shown; ``+`` = all. What comes of others is left out.
    remembered : int
        See :data:`REMEMBERED`.
    """

    def __init__(
        self,
        model: Model,
        store: Store | None,
        *,
        now_s: Callable[[], float],
        midnight_s: Callable[[float], float],
        tenant: str = "+",
        remembered: int = REMEMBERED,
    ) -> None:
        self.model = model
        self.broker = BrokerState(connected=False, reason="not connected yet", since=rfc3339(now_s()))
        # Above every cursor of an earlier run, so that a page from before a restart is not told half.
        self.cursor = round(now_s() * 1000)
        self._floor = self.cursor
        self._store = store
        self._now_s = now_s
        self._midnight_s = midnight_s
        self._tenant = tenant
        self._remembered = remembered
        self._news: dict[tuple[Kind, Name], int] = {}
        """What changed, with the cursor of its last change, the latest last."""
        self._rendered: dict[tuple[Kind, Name], bytes] = {}
        self._changed = asyncio.Event()
        self._today_stale = False
        self._hour = 0
        self.left_out = 0
        """Events that cannot be right; the first are logged."""
        self.closed = False

    async def load(self) -> None:
        """Take in what was kept of the time before."""
        if self._store is None:
            return
        kept = await self._store.load()
        now_s = self._now_s()
        for key, at_s in kept.withdrawn:
            self.model.floor.withdraw(key, at_s, Changes())
        self.model.floor.hidden.update((key, one) for key, one in kept.hidden.items() if self._ours(key[0]))
        for payload in kept.events:
            event = decode(payload)
            if isinstance(event, UnknownEvent) or not self._of_ours(event):
                continue
            try:
                self._keep(self.model.receive(event, now_s), None)
            except EventError as problem:
                self._leave_out(event, problem)
                self._store.dropped(event.id)
        for key in kept.lost:
            self.model.lose(key, Changes())
        if self._ours(kept.tenant):
            self.model.floor.load(kept.quarters)
        else:
            # Counts of a time when others were shown, too, cannot be told apart; those of what is left are.
            self.model.floor.tally.changed.update(kept.quarters)
        self._store.of_tenant(self._tenant)

    def receive(self, event: Event) -> None:
        """Take one event off the bus."""
        if not self._of_ours(event):
            return
        try:
            changes = self.model.receive(event, self._now_s())
        except EventError as problem:
            self._leave_out(event, problem)
            return
        self._keep(changes, event)
        self._tell(changes)

    def cleared(self, key: CallKey) -> None:
        """Take note that a call's retained state was taken away."""
        if not self._ours(key[0]):
            return
        changes = self.model.cleared(key)
        self._keep(changes, None)
        self._tell(changes)

    def set_broker(self, *, connected: bool, reason: str = "") -> None:
        """Take note of the connection to the broker, and why there is none."""
        since = self.broker.since if connected == self.broker.connected else rfc3339(self._now_s())
        self.broker = BrokerState(connected, reason, since)
        self._note("broker", "")

    def tick(self) -> None:
        """Let go what is too old, and tell the day's figures where they have changed; for every few seconds."""
        now_s = self._now_s()
        changes = self.model.floor.expire(now_s)
        self._keep(changes, None)
        if self._store is not None and changes.objections_over:
            self._store.forget(now_s - self.model.floor.keep.age_s)
        self._tell(changes)
        hour = int((now_s - self._midnight_s(now_s)) // 3600)
        if self._today_stale or hour != self._hour:
            self._today_stale, self._hour = False, hour
            self._note("today", "")

    async def flush(self) -> None:
        """Write what is to be kept."""
        if self._store is None:
            return
        # Beside the events that they count, so that both are there after a crash, or neither.
        for number in self.model.floor.tally.changed:
            self._store.quarter(number, self.model.floor.tally.quarter(number))
        self.model.floor.tally.changed.clear()
        await self._store.flush()

    def wake(self) -> None:
        """Have every stream look whether it is to go on."""
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Let every page go."""
        self.closed = True
        self.wake()

    def snapshot(self) -> Snapshot:
        """Return everything the first page shows."""
        return Snapshot(
            cursor=self.cursor,
            now=rfc3339(self._now_s()),
            broker=self.broker,
            nodes=self.model.picture.nodes(),
            calls=self.model.picture.calls(),
            alerts=self.model.picture.alerts(),
            today=self.today(),
        )

    def today(self) -> Today:
        """Return the day's overview."""
        now_s = self._now_s()
        return self.model.picture.today(now_s, self._midnight_s(now_s))

    def detail(self, key: CallKey) -> CallDetail | None:
        """Return everything known of a call, or None."""
        return self.model.picture.detail(key)

    def since(self, cursor: int, most: int = 500) -> tuple[list[Message], int] | None:
        """Return what changed after a cursor, the oldest first, and the cursor after it; None where that is forgotten.

        Parameters
        ----------
        cursor : int
        most : int
            Messages at once; the rest comes next time.
        """
        if not self._floor <= cursor <= self.cursor:
            return None
        missed = []
        for thing, at in reversed(self._news.items()):
            if at <= cursor:
                break
            missed.append((thing, at))
        messages = []
        for thing, at in reversed(missed):
            data = self._render(thing)
            if data is not None:
                messages.append(Message(at, thing[0], data))
            if len(messages) == most:
                return messages, at
        return messages, self.cursor

    async def wait(self, cursor: int, timeout_s: float) -> bool:
        """Wait until there may be something to do for who is at a cursor; False after so long without."""
        try:
            async with asyncio.timeout(timeout_s):
                if self.cursor <= cursor and not self.closed:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _ours(self, tenant: str) -> bool:
        return self._tenant in {"+", tenant}

    def _of_ours(self, event: Event) -> bool:
        return isinstance(event, StatusEvent) or self._ours(event.data.call.tenant)

    def _leave_out(self, event: Event, problem: EventError) -> None:
        self.left_out += 1
        if self.left_out <= _ALWAYS_TOLD:
            log.warning("left out an event of %.80r: %s", event.source, problem)

    def _keep(self, changes: Changes, event: Event | None) -> None:
        if self._store is None:
            return
        if event is not None and changes.keep:
            self._store.put(event)
        for name in changes.rows:
            self._store.dropped(name)
        for key, at_s in changes.withdrawn:
            self._store.withdrawn(key, at_s)
        for key in changes.evicted:
            self._store.evicted(key, self.model.floor.alerts_of(key))
        for key, source, last_s in changes.hidden:
            self._store.hidden(key, source, last_s)
        for name in changes.alerts_dropped:
            self._store.dropped(name)
        for key, name in changes.early_dropped:
            self._store.early_dropped(key, name)
        for key in changes.lost:
            self._store.lost(key)

    def _tell(self, changes: Changes) -> None:
        self._today_stale |= changes.today
        for kind, name in changes.shown:
            self._note(kind, name)

    def _note(self, kind: Kind, name: Name) -> None:
        thing = kind, name
        self._rendered.pop(thing, None)
        self._news.pop(thing, None)
        self.cursor += 1
        self._news[thing] = self.cursor
        while len(self._news) > self._remembered:
            oldest = next(iter(self._news))
            self._floor = self._news.pop(oldest)
            self._rendered.pop(oldest, None)
        self.wake()

    def _render(self, thing: tuple[Kind, Name]) -> bytes | None:
        found = self._rendered.get(thing)
        if found is None:
            shown = self._shown(*thing)
            if shown is None:
                return None  # it has gone since
            found = self._rendered[thing] = msgspec.json.encode(shown)
        return found

    def _shown(self, kind: Kind, name: Name) -> msgspec.Struct | None:
        if kind == "today":
            return self.today()
        if kind == "broker":
            return self.broker
        if isinstance(name, tuple):
            return Gone(*name) if kind == "gone" else self.model.picture.call(name)
        if kind == "alert_gone":
            # One of this id that has come since then is shown: the page must not lose it again.
            return None if name in self.model.floor.alerts else AlertGone(name)
        return self.model.picture.node(name) if kind == "node" else self.model.picture.alert(name)
