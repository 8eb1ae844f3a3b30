"""The publisher: a supervisor that keeps a connection to the broker and empties the outbox over it.

A broker that is down, restarts, refuses or cannot be found never ends it: it says so once, in one line, waits with
growing pauses and tries again, while the outbox keeps what comes. This file must never delete what the broker has not
acknowledged, and never keep a rolling verdict for later.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Final

import structlog
from streamer_client.events import Status, StatusData, StatusEvent

from streamer.bus.cloudevents import Outgoing, call_of, event_id, outgoing, rfc3339
from streamer.bus.connection import Link, connect
from streamer.bus.diagnose import diagnose
from streamer.bus.drain import Drain, Pace, Refusals, give_up
from streamer.bus.outbox import Outbox, OutboxError, Row
from streamer.bus.reasons import Trouble
from streamer.bus.settings import LinkError, MqttSettings
from streamer.bus.topics import Topics, safe
from streamer.metrics import Metrics

__all__ = ["LinkError", "MqttSettings", "Pace", "Publisher", "backoff_s"]

_LEAVE_S: Final = 2.0
"""How long the broker may take over the goodbye."""
_MOST_UNWRITTEN: Final = 1000
"""Rolling verdicts that may wait in memory for a slow network; the next are dropped."""
_ROUTED_BYTES: Final = 65_536
"""What every intermediary must forward (CloudEvents 1.0, Size Limits). A smaller message is never to blame."""
_STRIKES: Final = 3
_AFTER_REFUSAL: Final = "the broker closes the connection after each message that it refuses"
"""Mosquitto 2.0.11 does; said once, as long as nothing else goes wrong."""

_log = structlog.get_logger("streamer.bus.mqtt")


def backoff_s(failures: int, pace: Pace, chance: float) -> float:
    """Return the pause before the next try to connect.

    Parameters
    ----------
    failures
        Tries that failed since a connection last held.
    pace
        First and longest pause.
    chance
        0 to 1: spreads many servers that lost one broker at one moment over the upper half of the pause.

    Returns
    -------
    float
        Seconds, between half the pause and the pause.
    """
    doublings = min(failures, 32)  # beyond, the float overflows long after the limit has been reached
    return min(pace.longest_retry_s, pace.first_retry_s * 2.0**doublings) * (0.5 + chance / 2)


class Publisher:
    """Delivers what is put into the outbox.

    Parameters
    ----------
    settings
        Which broker, and as whom.
    outbox
        Where the messages wait. It has one publisher.
    node
        This server's name at the broker; two servers of one name put each other out.
    metrics
        Where it shows what it does.
    version
        Of the program, for the status event.
    pace
        How fast and how patient.
    clock
        Seconds since 1970, for the status event.
    chance
        0 to 1, for the pauses.
    worker
        Number of the worker where this server is one; it then leaves the node's status to its supervisor. 0 = none.
    """

    def __init__(
        self,
        settings: MqttSettings,
        outbox: Outbox,
        *,
        node: str,
        metrics: Metrics,
        version: str = "",
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        worker: int = 0,
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings.base)
        self._outbox = outbox
        self._node = safe(node)
        self._worker = worker
        self._metrics = metrics
        self._version = version
        self._pace = pace or Pace()
        self._clock = clock
        self._chance = chance
        self._status = Status.ONLINE
        self._statuses_made = 0
        self._link: Link | None = None
        self._connected = asyncio.Event()
        self._trouble = ""
        self._raw = ""
        self._cause = LinkError("")
        """What the last failure said of itself, and its cause once it was asked after."""
        self._unwritten = 0
        self._strikes: dict[int, int] = {}
        self._refusals = Refusals(self._pace.refused_retry_s, metrics)
        self._recalled: set[str] = set()
        """Calls of which nothing may leave any more but the clearing of their state."""

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._link is not None and not self._link.lost

    async def wait_connected(self) -> None:
        """Return once the broker is there and knows this server to be online."""
        await self._connected.wait()

    async def run(self) -> None:
        """Keep a connection and empty the outbox over it, until cancelled; then say ``offline`` and goodbye."""
        if self._settings.version == "3.1.1":
            _log.warning(
                "MQTT 3.1.1 cannot say that a message was refused: what this user may not write would be lost unseen; "
                "`streamer check` tries each kind of topic"
            )
        failures = 0
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await self._connect_and_drain()
            except (LinkError, OutboxError) as problem:
                await self._report(problem)
            if asyncio.get_running_loop().time() - started >= self._pace.stable_s:
                failures = 0
            await asyncio.sleep(backoff_s(failures, self._pace, self._chance()))
            failures += 1

    def partial(self, message: Outgoing) -> bool:
        """Send a rolling verdict if that can be done at once; return whether it was. It is never kept for later."""
        link = self._link
        if link is not None and not link.lost:
            self._unwritten = self._unwritten + 1 if link.has_unwritten else 0
            if self._unwritten < _MOST_UNWRITTEN:
                with contextlib.suppress(LinkError):
                    link.send(message)
                    return True
        self._metrics.partials_dropped.inc()
        return False

    def recall(self, call_key: str) -> None:
        """Let nothing of a call leave any more, from this moment on; what the network has not taken is taken back.

        Only the clearing of its state goes out. Ends with :meth:`release`, once the outbox holds no more of the call.
        """
        self._recalled.add(call_key)
        if self._link is not None:
            self._link.recall(call_key)

    def release(self, call_key: str) -> None:
        """End a recall."""
        self._recalled.discard(call_key)

    async def announce(self, status: Status) -> bool:
        """Say what this server is, now and after every reconnection; return whether the broker has it now."""
        self._status = status
        if self._link is None:
            return False
        with contextlib.suppress(LinkError, TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self._say(self._link, status)
                return True
        return False

    async def flush(self, timeout_s: float) -> bool:
        """Wait until the outbox is empty; return whether it is. What is left is delivered after the next start."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._outbox.empty.wait()
        return self._outbox.depth() == 0

    async def _connect_and_drain(self) -> None:
        link = await connect(
            self._settings,
            client_id=f"emotion-streamer-{self._node}" + (f"-worker-{self._worker}" if self._worker else ""),
            will=None if self._worker else self._status_message(Status.OFFLINE),
            will_delay_s=0 if self._worker else self._pace.will_delay_s,
            timeout_s=self._pace.connect_s,
        )
        refused_before = self._refusals.count
        drain = Drain(link, self._outbox, self._pace, self._refusals, self._metrics, self._recalled)
        try:
            async with asyncio.timeout(self._pace.ack_s):
                await self._say(link, self._status)
            self._link = link
            self._raw = ""
            self._metrics.broker_connected.set(1)
            self._connected.set()
            if self._trouble != _AFTER_REFUSAL:
                self._trouble = ""
                _log.info("connected to the broker", url=self._settings.url, waiting=self._outbox.depth())
            await drain.run()
        except TimeoutError as problem:
            raise LinkError(
                f"the broker has not acknowledged the status within {self._pace.ack_s:g} s", Trouble.SILENT
            ) from problem
        except asyncio.CancelledError:
            with contextlib.suppress(LinkError, TimeoutError):  # nobody is left to hear it
                async with asyncio.timeout(_LEAVE_S):
                    await self._say(link, Status.OFFLINE)
            raise
        except LinkError as problem:
            await self._strike(drain.unacknowledged)
            if problem.trouble is Trouble.LOST and self._refusals.count > refused_before:
                raise LinkError(_AFTER_REFUSAL, Trouble.REFUSED) from problem
            raise
        finally:
            self._link = None
            self._connected.clear()
            self._metrics.broker_connected.set(0)
            self._metrics.publish_retries.inc(len(drain.unacknowledged))
            await link.close()
            await drain.forget_done()

    async def _strike(self, unacknowledged: list[Row]) -> None:
        """Find the message that breaks every connection: MQTT 3.1.1 has no other way to say that one is too large."""
        oldest = unacknowledged[0] if unacknowledged else None
        if oldest is None:
            self._strikes.clear()
            return
        self._strikes = {oldest.seq: self._strikes.get(oldest.seq, 0) + 1}
        if self._strikes[oldest.seq] != _STRIKES:
            return
        if len(oldest.message.payload) <= _ROUTED_BYTES:
            _log.error(
                f"{_STRIKES} connections in a row broke on the same message; it is kept, and what is behind it waits: "
                "the broker's log says why; if it is the size, raise its limit (Mosquitto: message_size_limit)",
                call=call_of(oldest.message.call_key),
                kind=oldest.message.kind.value,
                bytes=len(oldest.message.payload),
            )
        else:
            give_up(oldest, "too_large", f"the broker closed {_STRIKES} connections on it", self._metrics)
            await self._outbox.acknowledge([oldest.seq])

    async def _report(self, problem: LinkError | OutboxError) -> None:
        """Count a failure, and log it where it is a change of state; the same trouble again is no change."""
        if isinstance(problem, LinkError):
            if str(problem) != self._raw:
                self._raw, self._cause = str(problem), await diagnose(self._settings, problem, self._pace.connect_s)
            problem = self._cause
        trouble = problem.trouble if isinstance(problem, LinkError) else Trouble.OUTBOX
        self._metrics.broker_failures.labels(trouble).inc()
        text = str(problem)
        if text != self._trouble:
            self._trouble = text
            _log.warning(f"{text}; trying again, events are kept in the outbox", waiting=self._outbox.depth())

    async def _say(self, link: Link, status: Status) -> None:
        if self._worker:
            return
        message = self._status_message(status)
        if self._refusals.holds(message.topic):
            return
        reason = await link.send(message)
        if reason is not None and reason.is_failure:
            now = asyncio.get_running_loop().time()
            self._refusals.hold(message.topic, message.kind, reason, now)
        else:
            self._refusals.taken(message.topic)

    def _status_message(self, status: Status) -> Outgoing:
        self._statuses_made += 1
        now_s = self._clock()
        return outgoing(
            StatusEvent(
                id=event_id(f"node {self._node}", "status", status, self._statuses_made, int(now_s * 1000)),
                source=f"/nodes/{self._node}",
                subject=self._node,
                time=rfc3339(now_s),
                data=StatusData(node=self._node, status=status, version=self._version),
            ),
            self._topics,
        )
