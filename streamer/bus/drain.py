"""The outbox emptied over one connection: in order, a window at a time, a row deleted only on acknowledgement.

It lives as long as the connection and forgets everything with it; what was not acknowledged is still in the outbox and
goes again over the next one. Of one call only one message is on its way at a time: a broker that is full may refuse it
and take the next (quota exceeded, MQTT 5 section 2.4), and then the order of the call would be lost.

This file must never await between reading rows and sending them: what an objection
removes from the outbox would leave all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Container
from typing import Final

import msgspec
import structlog
from paho.mqtt.reasoncodes import ReasonCode

from streamer.bus.cloudevents import Kind, Outgoing, call_of
from streamer.bus.connection import Link
from streamer.bus.outbox import Outbox, Row
from streamer.bus.reasons import Trouble, advice_on_publish
from streamer.bus.settings import LinkError
from streamer.metrics import Metrics, Stage

_FAILURE: Final = 0x80
_HOPELESS: Final = frozenset({0x90, 0x95, 0x99})
"""Topic name invalid, packet too large, payload format invalid (MQTT 5, section 2.4): the same at every try."""

_log = structlog.get_logger("streamer.bus.mqtt")


class Pace(msgspec.Struct, frozen=True):
    """How fast and how patient the publisher is."""

    window: int = 64
    """Messages on their way at once; the broker's Receive Maximum may make it less."""
    first_retry_s: float = 0.5
    """Pause before the second try to connect; doubled with every further one."""
    longest_retry_s: float = 30.0
    stable_s: float = 10.0
    """A connection that held this long starts the pauses anew."""
    connect_s: float = 10.0
    """How long the broker may take to answer the greeting."""
    ack_s: float = 20.0
    """How long it may take to acknowledge, until the connection counts as dead."""
    refused_retry_s: float = 60.0
    """Pause before what the broker refused is tried again."""
    will_delay_s: int = 5
    """How long the broker waits with ``offline`` after an abrupt end (v5)."""


class Refusals:
    """What the broker refused and shall not be asked again at once; outlives a connection.

    It has to: some brokers (Mosquitto 2.0.11, for one) refuse a message and then close the connection, and the next one
    would begin with the same message.

    Parameters
    ----------
    pause_s
        How long after the last refusal all that was refused is tried again.
    metrics
        Where refusals are counted.
    """

    def __init__(self, pause_s: float, metrics: Metrics) -> None:
        self._pause_s = pause_s
        self._metrics = metrics
        self._held: set[str] = set()
        self._retried: set[str] = set()
        self._said: set[tuple[Kind, str]] = set()
        self.count = 0
        """Refusals so far."""
        self.until: float | None = None
        """Event loop time at which what is held is tried again; None where nothing is."""

    def holds(self, line: str) -> bool:
        """Return whether messages of this line wait."""
        return line in self._held

    def release_due(self, now: float) -> bool:
        """Release everything if its time has come; return whether it has."""
        if self.until is None or now < self.until:
            return False
        self.until = None
        self._retried |= self._held
        self._held.clear()
        return True

    def hold(self, line: str, kind: Kind, code: ReasonCode, now: float) -> None:
        """Keep a line back; said once until everything that was refused has been taken."""
        self._retried.discard(line)
        self._held.add(line)
        self.until = now + self._pause_s
        self.count += 1
        reason = str(code)
        self._metrics.publish_refused.labels(reason).inc()
        if (kind, reason) not in self._said:
            self._said.add((kind, reason))
            _log.error(
                f"the broker refuses messages ({reason}); they are kept and tried again every {self._pause_s:g} s; "
                f"{advice_on_publish(code.value)}",
                kind=kind.value,
            )

    def taken(self, line: str) -> None:
        """Note that the broker took a message of a line."""
        if self._retried:
            self._retried.discard(line)
            if not self._retried and not self._held:
                self._said.clear()


class _Sent(msgspec.Struct, frozen=True):
    row: Row
    at: float


class Drain:
    """One connection's work on the outbox.

    Parameters
    ----------
    link
        The open connection.
    outbox
        What is to be emptied.
    pace
        How fast.
    refusals
        What is kept back; outlives this connection.
    metrics
        Where latency and what is given up are shown.
    recalled
        Keys of calls of which nothing may leave any more but the clearing of their state; outlives it, too.
    """

    def __init__(  # noqa: PLR0917 - called in one place
        self,
        link: Link,
        outbox: Outbox,
        pace: Pace,
        refusals: Refusals,
        metrics: Metrics,
        recalled: Container[str] = frozenset(),
    ) -> None:
        self._link = link
        self._outbox = outbox
        self._pace = pace
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._window = max(1, min(pace.window, link.most_in_flight))
        self._in_flight: dict[int, _Sent] = {}
        self._done: list[int] = []
        self._cursor = 0
        self._busy: set[str] = set()
        """Calls of which a message is on its way."""
        self._passed: dict[str, int] = {}
        """By call, the first row that has been passed over because the call was busy."""
        self._freed: set[str] = set()
        """Calls that are not busy any more since the outbox was read last."""
        self._refusals = refusals
        self._recalled = recalled

    async def run(self) -> None:
        """Empty the outbox, and go on as messages come, until the connection is gone.

        Raises
        ------
        LinkError
            The connection is gone, or the broker acknowledges nothing any more.
        OutboxError
            The disk fails.
        """
        self._outbox.listen(self._wake.set)
        self._link.on_lost(self._wake)
        while True:
            self._wake.clear()
            self._link.check()
            await self.forget_done()
            if self._refusals.release_due(self._loop.time()):
                self._cursor = 0
            if not await self._send_more():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(self._next_look()):
                        await self._wake.wait()

    @property
    def unacknowledged(self) -> list[Row]:
        """Rows that were handed to the network and not acknowledged, in order."""
        return [sent.row for sent in self._in_flight.values() if sent.row.seq not in self._done]

    async def forget_done(self) -> None:
        """Delete from the outbox what has been acknowledged so far."""
        if not self._done:
            return
        done, self._done = self._done, []
        await self._outbox.acknowledge(done)
        # Only now: a row that still stands in the outbox must count as in flight, or it would be sent again.
        for seq in done:
            self._in_flight.pop(seq, None)

    def _next_look(self) -> float | None:
        """Return when something will be overdue, or None where nothing can be; raise where the broker is silent."""
        deadlines = [] if self._refusals.until is None else [self._refusals.until]
        if self._in_flight:
            due = next(iter(self._in_flight.values())).at + self._pace.ack_s
            if self._loop.time() >= due:
                raise LinkError(
                    f"the broker has not acknowledged a message within {self._pace.ack_s:g} s", Trouble.SILENT
                )
            deadlines.append(due)
        return min(deadlines, default=None)

    async def _send_more(self) -> bool:
        """Send what fits into the window; return whether there may be more to send at once."""
        free = self._window - len(self._in_flight)
        # Half a window at a time: one read of the disk for many messages instead of one for each acknowledgement.
        if 2 * free < self._window:
            return False
        for line in self._freed:
            self._cursor = min(self._cursor, self._passed.pop(line, self._cursor + 1) - 1)
        self._freed.clear()
        rows = await self._outbox.pending(self._cursor, free)
        sent = waits = False
        for row in rows:
            self._cursor = row.seq
            line = _line(row.message)
            is_recalled = row.message.call_key in self._recalled and row.message.kind is not Kind.CLEAR
            if row.seq in self._in_flight or is_recalled or self._refusals.holds(line):
                continue
            if line in self._busy or line in self._passed:
                self._passed.setdefault(line, row.seq)
                waits = True
            else:
                self._send(row)
                sent = True
        # The backlog of one call, of which only the first can go, must not be read from end to end each time.
        return len(rows) == free and (sent or not waits)

    def _send(self, row: Row) -> None:
        if not self._link.fits(row.message):
            self._give_up(row, "too_large", "it is larger than the broker takes")
            return
        sent, line = _Sent(row, self._loop.time()), _line(row.message)
        acknowledged = self._link.send(row.message)
        self._in_flight[row.seq] = sent
        self._busy.add(line)
        acknowledged.add_done_callback(lambda future: self._settle(sent, line, future))

    def _settle(self, sent: _Sent, line: str, acknowledged: asyncio.Future[ReasonCode | None]) -> None:
        """Act on what the broker says of a message."""
        if not acknowledged.cancelled() and acknowledged.exception() is not None:
            return  # the connection is gone, which `run` finds out by itself
        self._busy.discard(line)
        self._freed.add(line)
        self._wake.set()
        row = sent.row
        if acknowledged.cancelled():  # recalled; the row is being removed, or has been
            self._done.append(row.seq)
            return
        reason = acknowledged.result()
        if reason is None or reason.value < _FAILURE:
            self._metrics.stage_latency.labels(Stage.PUBLISH).observe(self._loop.time() - sent.at)
            self._done.append(row.seq)
            self._refusals.taken(line)
        elif reason.value in _HOPELESS:
            self._give_up(row, "refused", f"the broker will never take it ({reason})")
        else:
            # What is behind it on its line waits, too, so that order holds.
            self._in_flight.pop(row.seq, None)
            self._refusals.hold(line, row.message.kind, reason, self._loop.time())
            self._metrics.publish_retries.inc()

    def _give_up(self, row: Row, why: str, text: str) -> None:
        give_up(row, why, text, self._metrics)
        self._done.append(row.seq)


def give_up(row: Row, why: str, text: str, metrics: Metrics) -> None:
    """Count and log a message that can never be delivered. Its content is not logged."""
    metrics.outbox_dropped.labels(row.message.kind.value, why).inc()
    _log.error(
        f"a message is given up: {text}",
        call=call_of(row.message.call_key),
        kind=row.message.kind.value,
        id=row.message.id,
        bytes=len(row.message.payload),
    )


def _line(message: Outgoing) -> str:
    """Return within what order is kept: the call, or the topic of what is of no call."""
    return message.call_key or message.topic
