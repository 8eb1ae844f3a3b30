"""The alert service: follows a tenant's utterances, applies the rules, brings what they find to the bus and elsewhere.

Theory of operation. The broker keeps a session for the service, and a message leaves it only when we acknowledge it.
That is done when its effect has been committed (`journal`): so whenever the process dies, an event has either been
stored with all that follows from it, or it comes again. An alert leaves the state when the broker has acknowledged it;
after a new connection those in doubt are looked for on the bus before they are published again (`fence`). This file
must never decide whether something is an alert.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import aiomqtt

from streamer_client.alerts.deliveries import Courier
from streamer_client.alerts.disk import Disk
from streamer_client.alerts.journal import Journal
from streamer_client.alerts.link import Link
from streamer_client.alerts.output import Output
from streamer_client.alerts.outputs.words import one_line
from streamer_client.alerts.reader import Reader
from streamer_client.alerts.rules import BUS, Rule
from streamer_client.alerts.session import Session
from streamer_client.alerts.state import MEMORY, State
from streamer_client.broker import DEFAULT_URL, Broker
from streamer_client.events import AlertEvent
from streamer_client.share import Share
from streamer_client.subscribe import Status

log = logging.getLogger(__name__)
KEEP_DAYS: Final = 90
_AT_ONCE: Final = 100
_TIDY_S: Final = 60.0
_DAY_S: Final = 86_400.0


async def run_alerts(
    rules: Iterable[Rule],
    *,
    broker: Broker | None = None,
    tenant: str = "default",
    base: str = "emotion",
    share: str = "",
    state: str | Path = MEMORY,
    name: str = "",
    outputs: Sequence[Output] = (),
    keep_days: float = KEEP_DAYS,
    on_alert: Callable[[AlertEvent], None] | None = None,
    on_status: Callable[[Status, str], None] | None = None,
) -> None:
    """Watch calls and publish alerts until cancelled.

    Parameters
    ----------
    rules : iterable of Rule
    broker : Broker, optional
        ``mqtt://127.0.0.1:1883`` if not given.
    tenant : str
        Whose calls; ``+`` = all. An alert goes to the tenant of its call.
    base : str
        First levels of every topic, as configured in the server.
    share : str
        Only the calls of one member of a group, such as ``2/3``: see :mod:`streamer_client.share`. A state keeps the
        share with which it was begun.
    state : str or Path
        File in which the service remembers what it has heard and what it still has to deliver. Without one it keeps
        all that in memory, and forgets it at its end.
    name : str
        Under it the broker keeps what comes while the service is away; unique at the broker. Without one the state
        holds one that was made up for it.
    outputs : sequence of Output
        Where alerts go besides the bus.
    keep_days : float
        How long delivered alerts and their acknowledgements stay in the state.
    on_alert : callable, optional
        Called with each alert when the broker has it.
    on_status : callable, optional
        As in :func:`streamer_client.subscribe.subscribe`.

    Raises
    ------
    BrokerError
        The broker cannot be reached at the start, does not let us in, or refuses an alert.
    StateError
        The state cannot be used.
    OptionError
        A tenant, base, share or name that cannot be right, or a state of another share.
    """
    mine = Share.parse(share)
    broker = broker or Broker(DEFAULT_URL)
    rules = tuple(rules)
    session = Session(broker, tenant=tenant, base=base, share=mine, on_status=on_status)
    disk = Disk(State(state))
    try:
        if str(state) != MEMORY:
            await session.keep(name, disk)
        listened = _Stopwatch()
        names = [BUS, *(output.name for output in outputs)]
        journal = Journal(
            rules, names, disk, now_s=listened.read, on_bus=on_alert or (lambda _alert: None), clock=time.time
        )
        await journal.restore()
        couriers = {
            output.name: Courier(output, disk, clock=time.time, random=Random())  # noqa: S311 - jitter, no secret
            for output in outputs
        }
        link = await session.connect()
        service = _Service(session, base, Reader(tenant, base, mine), journal, disk, couriers, listened)
        await _together(
            service.serve(link),
            _tidy(journal, disk, keep_days * _DAY_S),
            *(courier.run() for courier in couriers.values()),
        )
    finally:
        disk.close()


@dataclass
class _Service:
    """The parts of a running service, put together."""

    session: Session
    base: str
    reader: Reader
    journal: Journal
    disk: Disk
    couriers: dict[str, Courier]
    listened: _Stopwatch
    for_bus: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, link: Link) -> None:
        """Follow and publish over one connection after the other."""
        while True:
            reason = await self._use(link)
            link = await self.session.reconnect(str(link.broker.explain(reason)))

    async def _use(self, link: Link) -> aiomqtt.MqttError:
        """Follow and publish until the connection is lost; return why it was."""
        following = asyncio.create_task(self._follow(link), name="events to the rules")
        publishing = asyncio.create_task(self._publish(link), name="alerts to the broker")
        both = (following, publishing)
        self.listened.start()
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if publishing.done() and isinstance(publishing.exception(), aiomqtt.MqttError):
                # The follower is left to finish: what it has taken in must be stored, or it would be known in memory
                # alone. It ends with the connection.
                await link.close()
                await asyncio.wait((following,))
            problems = [task.exception() for task in both if task.done()]
        finally:
            self.listened.stop()
            for task in both:
                task.cancel()
            await asyncio.wait(both)
            await link.close()
        for problem in problems:
            if not isinstance(problem, aiomqtt.MqttError):
                raise problem or AssertionError("neither ends by itself")
        lost = problems[0]
        assert isinstance(lost, aiomqtt.MqttError)  # noqa: S101 - as was seen above
        return lost

    async def _follow(self, link: Link) -> None:
        fence = self.session.fence
        async for messages in link.batches(_AT_ONCE):
            marks = [message for message in messages if fence is not None and message.topic.value == fence.topic]
            events = [self.reader.read(message) for message in messages if message not in marks]
            for output in await self.journal.take(event for event in events if event is not None):
                if output == BUS:
                    self.for_bus.set()
                else:
                    self.couriers[output].wake()
            link.acknowledge(messages)
            for mark in marks:
                if fence is not None:
                    fence.came(bytes(mark.payload))

    async def _publish(self, link: Link) -> None:
        """Publish in the order in which alerts were found; each is noted when the broker has it."""
        fence = self.session.fence
        if fence is not None and link.resumed and BUS in await self.disk(State.waiting):
            await fence.pass_through(link)
        while True:
            self.for_bus.clear()
            waiting = await self.disk(lambda state: state.due(BUS, time.time()))
            if not waiting:
                await self.for_bus.wait()
            for delivery in waiting:
                alert = delivery.alert
                try:
                    await link.publish(f"{self.base}/v1/{alert.data.call.tenant}/alerts/{alert.data.severity}", alert)
                except ValueError as problem:
                    # A tenant that can be no topic. It would be tried first after each restart, and end each of them.
                    await self._give_up(alert.id, f"no topic can have its tenant: {problem}")
                else:
                    await self.journal.sent([alert.id])

    async def _give_up(self, alert: str, why: str) -> None:
        log.warning("alert %s cannot be published and is kept as failed: %s", alert, one_line(why))
        await self.disk(lambda state: state.failed(alert, BUS, why, time.time(), None))


async def _tidy(journal: Journal, disk: Disk, keep_s: float) -> None:
    """Forget what need not be kept any longer."""
    while True:
        await journal.forget_idle()
        await disk(lambda state: state.forget_alerts(time.time() - keep_s))
        await asyncio.sleep(_TIDY_S)


class _Stopwatch:
    """Counts the seconds in which there was a connection."""

    def __init__(self) -> None:
        self._before_s = 0.0
        self._since_s: float | None = None

    def start(self) -> None:
        self._since_s = time.monotonic()

    def stop(self) -> None:
        self._before_s, self._since_s = self.read(), None

    def read(self) -> float:
        return self._before_s + (0.0 if self._since_s is None else time.monotonic() - self._since_s)


async def _together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run until one of these fails, and raise what it raised; none of them ends by itself."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
