"""The supervisor of a node of several workers: starts them, watches them, replaces them, and goes down last.

It serves no call and loads no model, so that it has nothing to fall over and always has time. It holds what must be one
for the node: the ports (`ports`), the counters and claims (`ledger`), the status at the broker with its last will, the
secret of the pseudonyms, the health port with the sum of all figures (`figures`), and what an earlier node left in the
outbox. This file must never take part in a call.

============================== =====================================================================================
what happens                   what follows
============================== =====================================================================================
a worker ends by itself        its calls are over; what it held is free; another takes its place, and its outbox,
                               after a pause that doubles with every failure in a row
a worker gives no sign of life it is killed, and the same follows
SIGHUP                         the configuration is read; what is wrong with it is said, and nothing happens. Else for
                               each worker: a new one starts; when it listens, the old one retires: it gets no more
                               connections, and goes when its last is gone. Where a new one fails, the old go on
SIGTERM, SIGINT                all workers drain; then the outbox is emptied and the node is `offline`
the same again                 calls end now
the supervisor is killed       the broker says `offline`; the workers drain by themselves
============================== =====================================================================================
"""

from __future__ import annotations

import asyncio
import signal
import socket
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry
from streamer_client.events import Status

from streamer.admin import READY, Admin
from streamer.bus.bus import Bus
from streamer.bus.outbox import OutboxError
from streamer.config import Settings
from streamer.errors import StreamerError
from streamer.metrics import Metrics
from streamer.renewal import check_renewable
from streamer.service import bound, kept_going
from streamer.workers.assignment import BEATS_MISSED, Assignment, Order
from streamer.workers.desk import Desk
from streamer.workers.figures import Figures, Node, figures
from streamer.workers.files import free_place, of_place, places_beside
from streamer.workers.ports import Ports, bind, port_of
from streamer.workers.process import Worker, start

FIRST_PAUSE_S: Final = 0.5
"""Before the place of a worker that failed is filled again; doubled with each further failure."""
LONGEST_PAUSE_S: Final = 30.0
STABLE_S: Final = 60.0
"""A worker that lived so long failed for a reason of its own: the pauses begin anew."""
BEGIN_WITHIN_S: Final = 300.0
"""To load the model, on whatever machine; beyond, a worker that does not listen yet counts as hung."""
LOOK_S: Final = 1.0
STRAYS_EVERY_S: Final = 60.0
"""Between two looks for outboxes of workers that outlived another supervisor."""
FLUSH_S: Final = 10.0
"""How long the supervisor's own outbox may still empty itself at the end."""

log = structlog.get_logger()

Load = Callable[[], Settings]
"""Reads the configuration anew; raises `ConfigError`."""


class SupervisorError(StreamerError):
    """The node cannot start; the message says why and what to do."""


class Supervisor:
    """A node of several workers.

    Parameters
    ----------
    settings
        The configuration.
    load
        Reads it anew, for SIGHUP.
    """

    def __init__(self, settings: Settings, load: Load) -> None:
        self._settings = settings
        self._load = load
        self._desk = Desk(self._assignment)
        self._workers: list[Worker] = []
        self._started = 0
        self._failures = 0
        self._places: set[int] = set()
        """Of outboxes that have a worker."""
        self._keepers: set[asyncio.Task[None]] = set()
        self._heirs: set[asyncio.Task[None]] = set()
        self._door = Ports(lambda: self._workers)
        self._registry = CollectorRegistry()
        self._metrics = Metrics(CollectorRegistry())
        self._figures = Node(self._present)
        self._registry.register(self._figures)
        self._bus: Bus
        self._folder = ""
        self.ports: dict[str, int] = {}
        """Those that were bound: for `calls`, for `audio` (AudioSocket; 0 = off) and for `admin`."""
        self._draining = asyncio.Event()
        self._hurry = asyncio.Event()
        self._renewal: asyncio.Task[None] | None = None
        self._renew_again = False
        self._announced = False

    def drain(self) -> None:
        """Have all calls end and the node go; a second time: now."""
        if self._draining.is_set():
            self._hurry.set()
        self._draining.set()

    def renew(self) -> None:
        """Replace all workers by new ones with the configuration as it is now; asked meanwhile, once more after it."""
        if self._draining.is_set():
            return
        if self._renewal is not None and not self._renewal.done():
            self._renew_again = True
            return
        self._renewal = asyncio.create_task(self._renew(), name="renew")

    @property
    def readiness(self) -> str:
        """Whether new calls are welcome, in a word."""
        if self._draining.is_set():
            return "draining"
        most = self._settings.server.max_calls
        if self._desk.ledger.count("calls") >= most:
            return f"full: {most} calls"
        words = [worker.readiness for worker in self._taking()]
        return READY if READY in words else next(iter(words), "starting")

    async def run(self) -> None:
        """Serve until drained.

        Raises
        ------
        StreamerError
            A port is taken, or the first worker cannot begin; the message says why.
        """
        async with AsyncExitStack() as stack:
            listeners = await self._bind(stack)
            self._folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="streamer-"))
            self._bus = await Bus.open(self._settings, self._metrics)
            stack.push_async_callback(self._bus.close)
            stack.push_async_callback(self._end_workers)
            await self._listen_for_admin(stack)
            self._keep(await self._begun())
            async with asyncio.TaskGroup() as background:
                await self._serve(background, listeners)

    async def _serve(self, background: asyncio.TaskGroup, listeners: dict[str, list[socket.socket]]) -> None:
        tasks = [
            background.create_task(kept_going("bus", self._bus.run), name="bus"),
            background.create_task(kept_going("watch", self._watch), name="watch"),
            background.create_task(kept_going("strays", self._take_in_strays), name="strays"),
        ]
        for name, order in (("calls", Order.CALLS), ("audio", Order.AUDIO)):
            for listener in listeners[name]:
                accept = partial(self._door.serve, listener, order)
                tasks.append(background.create_task(kept_going("accept", accept), name="accept"))
        for _ in range(1, self._settings.server.workers):
            self._fill(0.0)
        await self._until_drained()
        for task in tasks:
            task.cancel()

    async def _end_workers(self) -> None:
        """End whatever is left of the workers, because the node ends."""
        keepers, self._keepers = self._keepers, set()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        for worker in self._workers:
            worker.kill()
        await asyncio.gather(*(worker.ended for worker in self._workers), return_exceptions=True)
        await asyncio.sleep(0)  # each end is told to whoever waits for it
        await asyncio.gather(*self._heirs, return_exceptions=True)

    # ------------------------------------------------------------------------------------------------ ports

    async def _bind(self, stack: AsyncExitStack) -> dict[str, list[socket.socket]]:
        server, audio = self._settings.server, self._settings.dialects.audiosocket
        listeners = {"calls": await bound(bind(server.host, server.port), server.host, server.port), "audio": []}
        if audio.port:
            host = audio.host or server.host
            listeners["audio"] = await bound(bind(host, audio.port), host, audio.port)
        for name, sockets in listeners.items():
            for listener in sockets:
                stack.enter_context(listener)
            self.ports[name] = port_of(sockets) if sockets else 0
        return listeners

    async def _listen_for_admin(self, stack: AsyncExitStack) -> None:
        server = self._settings.server
        host = server.admin_host or server.host
        admin = Admin(self._registry, lambda: self.readiness, self._show)
        listener = await bound(admin.listen(host, server.admin_port), host, server.admin_port)
        stack.push_async_callback(listener.wait_closed)
        stack.callback(listener.close)
        self.ports["admin"] = int(next(iter(listener.sockets)).getsockname()[1])

    # ---------------------------------------------------------------------------------------------- workers

    async def _begun(self) -> Worker:
        """Start a worker and wait until it takes connections.

        Raises
        ------
        SupervisorError
            It ended before.
        """
        self._started += 1
        place = free_place(self._settings.outbox.path, self._places)
        self._places.add(place)
        try:
            worker = await start(self._started, place, self._desk.answer)
        except OSError as problem:
            self._places.discard(place)
            raise SupervisorError(f"a worker cannot be started: {problem}") from problem
        self._workers.append(worker)
        worker.ended.add_done_callback(lambda _: self._forget(worker))
        log.info("worker started", worker=worker.number, pid=worker.process.pid, place=place)
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_WITHIN_S):
                await worker.begun.wait()
        if not worker.listens:
            worker.kill()
            status = await worker.ended
            raise SupervisorError(worker.trouble or f"a worker ended before it took calls ({said(status)})")
        if self._draining.is_set():
            worker.order(Order.DRAIN)
        self._door.changed()
        return worker

    def _forget(self, worker: Worker) -> None:
        """Free what a worker held that is gone."""
        self._workers.remove(worker)
        self._door.changed()
        heir = asyncio.create_task(self._inherit(worker), name=f"heir of {worker.number}")
        self._heirs.add(heir)
        heir.add_done_callback(self._heirs.discard)
        self._figures.keep(worker.figures)
        self._desk.ledger.forget(worker.number)

    async def _inherit(self, worker: Worker) -> None:
        """Deliver what a worker left in its outbox, and end the calls there that it did not."""
        path = Path(of_place(self._settings.outbox.path, worker.place))
        try:
            if await asyncio.to_thread(path.exists):
                await self._bus.adopt(path)
        except OutboxError as problem:
            log.warning(
                "what a worker left cannot be taken over; the next one of its place delivers it",
                worker=worker.number,
                problem=str(problem),
            )
        finally:
            self._places.discard(worker.place)

    def _keep(self, worker: Worker) -> None:
        """Have somebody wait for the end of a worker, and fill its place if it was not to end."""
        self._own(self._accompany(worker), f"keeper of {worker.number}")

    def _fill(self, pause_s: float) -> None:
        """Have somebody fill a place, after a pause, and go on trying."""
        self._own(self._filled(pause_s), "filling a place")

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        keeper = asyncio.create_task(work, name=name)
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)

    async def _accompany(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        status = await worker.ended
        if worker.retired or self._draining.is_set():
            if status:
                log.error("a worker that was about to go fell", worker=worker.number, status=said(status))
            return
        if loop.time() - began_s >= STABLE_S:
            self._failures = 0
        log.error(
            "a worker fell: its calls are over, those of the others go on", worker=worker.number, status=said(status)
        )
        self._fill(self._pause_s())

    def _pause_s(self) -> float:
        """Return how long to wait after one more failure."""
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return pause_s

    async def _filled(self, pause_s: float) -> None:
        while not self._draining.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._draining.wait()
                    return
            try:
                worker = await self._begun()
            except SupervisorError as problem:
                pause_s = self._pause_s()
                log.error("a worker cannot begin; trying again", problem=str(problem), in_s=pause_s)  # noqa: TRY400 - said in words, without a traceback
            else:
                log.info("a worker takes calls", worker=worker.number, workers=len(self._taking()))
                self._keep(worker)
                return

    def _taking(self) -> list[Worker]:
        """Return the workers that get connections, oldest first."""
        return [worker for worker in self._workers if worker.takes]

    def _assignment(self, worker: Worker) -> Assignment:
        announces, self._announced = not self._announced, True
        return Assignment(
            number=worker.number,
            settings=self._settings,
            ports=(self.ports["calls"], self.ports["audio"], self.ports["admin"]),
            place=worker.place,
            outbox=of_place(self._settings.outbox.path, worker.place),
            salt=self._bus.secret,
            folder=self._folder,
            announces=announces,
        )

    async def _watch(self) -> None:
        """End workers that give no sign of life."""
        loop = asyncio.get_running_loop()
        while True:
            before_s = loop.time()
            await asyncio.sleep(LOOK_S)
            if loop.time() - before_s > 2 * LOOK_S:
                continue  # it was we who stood still: what they said meanwhile must be heard first
            for worker in self._workers:
                silent_s = loop.time() - worker.beat_s
                if worker.listens and silent_s > BEATS_MISSED:
                    log.error("a worker hangs and is ended", worker=worker.number, silent_s=round(silent_s))
                    worker.kill()

    async def _take_in_strays(self) -> None:
        """Deliver what workers left that outlived the supervisor before this one."""
        while True:
            await asyncio.sleep(STRAYS_EVERY_S)
            for place in places_beside(self._settings.outbox.path) - self._places:
                self._places.add(place)
                try:
                    await self._bus.adopt(Path(of_place(self._settings.outbox.path, place)))
                except OutboxError as problem:
                    log.debug("an outbox is not taken over now", place=place, problem=str(problem))
                finally:
                    self._places.discard(place)

    # ---------------------------------------------------------------------------------------------- figures

    def _present(self) -> list[Figures]:
        return [*(worker.figures for worker in self._workers), figures(self._metrics.registry)]

    async def _show(self) -> None:
        await asyncio.gather(*(worker.show() for worker in self._workers if worker.listens))

    # ------------------------------------------------------------------------------------- renewal and drain

    async def _renew(self) -> None:
        await self._renew_once()
        while self._renew_again and not self._draining.is_set():
            self._renew_again = False
            await self._renew_once()

    async def _renew_once(self) -> None:
        before = self._settings
        try:
            after = await asyncio.to_thread(self._load)
            check_renewable(before, after)
        except StreamerError as problem:
            log.error("the configuration is not taken; all goes on as it was", problem=str(problem))  # noqa: TRY400 - said in words, without a traceback
            return
        log.info("workers are replaced, one after the other", workers=after.server.workers)
        self._settings, self._announced = after, False
        newest = self._started
        for _ in range(after.server.workers):
            try:
                new = await self._begun()
            except SupervisorError as problem:
                self._settings = before
                log.error("a new worker cannot begin; those that are not yet replaced go on", problem=str(problem))  # noqa: TRY400 - said in words, without a traceback
                return
            self._keep(new)
            if self._draining.is_set():
                return
            for old in [one for one in self._taking() if one.number <= newest][:1]:
                self._retire(old)
        # Those that are left: there were more than there shall be, or one fell meanwhile and was replaced.
        for surplus in self._taking()[: -after.server.workers]:
            self._retire(surplus)
        log.info("workers replaced", workers=len(self._taking()))

    def _retire(self, worker: Worker) -> None:
        worker.retired = True
        self._door.changed()
        worker.order(Order.RETIRE)
        log.info("worker retires", worker=worker.number, connections=worker.connections)

    async def _until_drained(self) -> None:
        await self._draining.wait()
        log.info("draining", calls=self._desk.ledger.count("calls"), limit_s=self._settings.server.drain_s)
        await self._bus.announce(Status.DRAINING)
        for worker in self._workers:
            worker.order(Order.DRAIN)
        hurrying = asyncio.create_task(self._hurried(), name="hurry")
        while self._workers:
            await asyncio.wait([worker.ended for worker in self._workers])
            await asyncio.sleep(0)
        hurrying.cancel()
        await asyncio.gather(*self._heirs)
        left = await self._bus.flush(FLUSH_S if self._bus.connected and not self._hurry.is_set() else 0)
        log.info("stopped", undelivered=left)

    async def _hurried(self) -> None:
        await self._hurry.wait()
        for worker in self._workers:
            worker.order(Order.HURRY)


def said(status: int) -> str:
    """Return how a process ended, in words."""
    if status >= 0:
        return f"exit status {status}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"
