"""A worker: a process that serves calls and listens to nothing but its supervisor.

Started by `supervisor` as ``python -m streamer.workers.worker ORDERS REPORTS``, two inherited sockets. It runs the same
server as a node of one process, on a loop to which connections are handed, with the node's counters instead of its own.
This file must never read a configuration: the supervisor has read it, and all workers have the same.

======== ==================================================================================================
order    what the worker does
======== ==================================================================================================
calls    takes the connection that comes with it, to the port for WebSockets
audio    takes the connection that comes with it, to the port for AudioSocket
retire   gets no more connections; serves those that it has to their end, calls that they yet start included
drain    refuses new calls, lets calls end within `server.drain_s`, empties its outbox, goes
hurry    ends its calls now
figures  reports what it has counted
(end)    the supervisor is dead: as drain
======== ==================================================================================================
"""

from __future__ import annotations

import asyncio
import functools
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from streamer.auth import Pass
from streamer.bus.share import Share
from streamer.bus.topics import call_id
from streamer.errors import StreamerError
from streamer.logs import configure
from streamer.platforms import audiocodes
from streamer.server import Server, node
from streamer.service import set_aside
from streamer.session import Peer
from streamer.transports import CallListener
from streamer.watch import START_WITHIN_S
from streamer.wire.audiocodes import Conversations
from streamer.wire.events import Dialect
from streamer.workers import relay
from streamer.workers.admission import SharedAdmission
from streamer.workers.assignment import Assignment, Order
from streamer.workers.channel import ChannelError, Reports, read_order
from streamer.workers.figures import packed
from streamer.workers.loop import WorkerLoop
from streamer.workers.opening import MAY_BE_PARTS, OpenedDialect, OpenedPeer, Opening

BEAT_S: Final = 1.0
"""Between two signs of life."""
LAST_S: Final = 0.0
"""What a worker that has retired still gives to calls: it has given them their time."""
_CLAIM_AGAIN_S: Final = 0.05

log = structlog.get_logger()


class WorkerServer(Server):
    """The server of a worker.

    Parameters
    ----------
    loop
        That it runs on.
    reports
        To the supervisor.
    assignment
        What it was told to be.
    others
        As of :class:`streamer.server.Server`.
    """

    def __init__(self, loop: WorkerLoop, reports: Reports, assignment: Assignment, *others: Any) -> None:  # noqa: ANN401
        super().__init__(*others, new_admission=functools.partial(SharedAdmission, reports))
        self._loop = loop
        self._reports = reports
        self._number = assignment.number
        self._folder = Path(assignment.folder)
        self._retired = asyncio.Event()
        self._doors.read_by(audiocodes.PLATFORM.path, audiocodes.reader(self._settings, SharedFormats(reports)))

    def retire(self) -> None:
        """Serve those that are here, whatever they still begin, and go when they have gone."""
        self._retired.set()

    async def relayed(self) -> asyncio.Server:
        """Take streams that came to other workers and belong to calls of this one."""
        return await relay.listen(_socket_of(self._folder, self._number), self._claims, self._serve_relayed)

    async def _serve(self, peer: Peer, dialect: Dialect, admitted: Pass) -> None:
        """Serve one stream, or hand it to the worker that carries its call."""
        if dialect.name not in MAY_BE_PARTS:
            await super()._serve(peer, dialect, admitted)
            return
        opening = Opening(peer, dialect)
        await opening.read(START_WITHIN_S)
        if not opening.call_id:
            await super()._serve(OpenedPeer(opening), OpenedDialect(opening), admitted)
            return
        claim = f"{admitted.tenant} {call_id(opening.call_id, self._bus.salt(admitted.tenant))}"
        while (holder := self._reports.ask("claim", claim)) != self._number:
            hello = relay.Hello(claim, dialect.name, dialect.peer_closes, admitted.tenant, admitted.key_id)
            with self._admission_here.relaying():
                if admitted.on_trust is not None:
                    admitted.on_trust(True, time.monotonic())  # noqa: FBT003 - the dialect has read a start: it was right
                if await relay.hand_over(opening, hello, _socket_of(self._folder, holder)):
                    return
            await asyncio.sleep(_CLAIM_AGAIN_S)  # that call has just ended, or its worker: soon the claim is free
        await self._serve_claimed(OpenedPeer(opening), OpenedDialect(opening), admitted, claim)

    async def _serve_relayed(self, peer: relay.RelayedPeer, admitted: Pass, claim: str) -> None:
        await self._serve_claimed(peer, peer, admitted, claim)

    async def _serve_claimed(self, peer: Peer, dialect: Dialect, admitted: Pass, claim: str) -> None:
        try:
            await super()._serve(peer, dialect, admitted)
        finally:
            self._reports.tell("disclaim", claim)

    def _claims(self, claim: str) -> bool:
        return bool(self._reports.ask("claim", claim) == self._number)

    @property
    def _admission_here(self) -> SharedAdmission:
        assert isinstance(self._admission, SharedAdmission)  # noqa: S101 - made so above
        return self._admission

    async def _serve_until_drained(self, listener: CallListener) -> None:
        """Wait until this worker has done its work, or is told to go."""
        self._reports.tell("listening")
        await _either(self._retired, self._draining)
        if not self._draining.is_set():
            log.info("retiring", connections=self._loop.connections, calls=self._admission.active)
            until_nobody = asyncio.create_task(self._nobody_left(), name="until nobody")
            until_draining = asyncio.create_task(self._draining.wait(), name="until draining")
            await asyncio.wait(
                {until_nobody, until_draining},
                timeout=self._settings.server.drain_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            until_nobody.cancel()
            until_draining.cancel()
            if not self._draining.is_set():
                self._drain_s = LAST_S  # it has had its time, or needs none
                self._draining.set()
        await super()._serve_until_drained(listener)

    async def _nobody_left(self) -> None:
        while self._loop.connections or not self._nobody.is_set():
            await self._loop.nobody.wait()
            await self._nobody.wait()


class SharedFormats(Conversations):
    """The formats of AudioCodes conversations, known to all workers: one may resume on another than it began on."""

    def __init__(self, reports: Reports) -> None:
        super().__init__()
        self._reports = reports

    def begin(self, conversation: str, media_format: str) -> None:
        """Remember one."""
        self._reports.tell("remember", conversation, media_format)

    def end(self, conversation: str) -> None:
        """Forget one."""
        self._reports.tell("forget", conversation)

    def format_of(self, conversation: str) -> str | None:
        """Return the media format of one; None where it is not known."""
        found: str | None = self._reports.ask("recall", conversation)
        return found


async def serve(loop: WorkerLoop, orders: socket.socket, reports: Reports, assignment: Assignment) -> None:
    """Be a worker until told to go.

    Raises
    ------
    StreamerError
        It cannot begin; the message says why.
    """
    async with _node(loop, reports, assignment) as server:
        set_aside()
        relayed = await server.relayed()
        taking = Taking(loop, orders, server, reports)
        beating = asyncio.create_task(_beat(server, reports), name="beat")
        try:
            await server.run()
        finally:
            beating.cancel()
            taking.close()
            relayed.close()
            reports.tell("figures", packed(server.registry))


@asynccontextmanager
async def _node(loop: WorkerLoop, reports: Reports, assignment: Assignment) -> AsyncIterator[WorkerServer]:
    share = Share(
        worker=assignment.place,
        salt=assignment.salt,
        in_force=assignment.settings if assignment.announces else None,
    )
    make = functools.partial(WorkerServer, loop, reports, assignment)
    async with node(assignment.own_settings, make=make, share=share) as server:
        assert isinstance(server, WorkerServer)  # noqa: S101 - made by `make`
        yield server


class Taking:
    """Carries out the orders of the supervisor.

    Parameters
    ----------
    loop
        To which connections go.
    orders
        The channel.
    server
        What is told to go.
    reports
        Where figures are shown.
    """

    def __init__(self, loop: WorkerLoop, orders: socket.socket, server: WorkerServer, reports: Reports) -> None:
        self._loop = loop
        self._orders = orders
        self._server = server
        self._reports = reports
        self._tasks: set[asyncio.Task[None]] = set()
        self._hurried = False
        loop.on_gone = lambda: reports.tell("gone")
        orders.setblocking(False)  # noqa: FBT003 - the library's own parameter
        loop.add_reader(orders.fileno(), self._read)

    def close(self) -> None:
        """Take no more orders."""
        self._loop.remove_reader(self._orders.fileno())

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while True:
                order, connection = read_order(self._orders)
                if not order:
                    log.error("the supervisor is gone; this worker lets its calls end and goes, too")
                    self._loop.remove_reader(self._orders.fileno())
                    self._server.drain()
                    return
                self._obey(order, connection)

    def _obey(self, order: bytes, connection: socket.socket | None) -> None:
        match order:
            case Order.RETIRE:
                self._server.retire()
            case Order.DRAIN if not self._server.is_draining:
                self._server.drain()
            case Order.HURRY:
                self._hurry()
            case Order.FIGURES:
                self._reports.tell("figures", packed(self._server.registry))
            case _ if connection is not None:
                port = self._server.audiosocket_port if order == Order.AUDIO else self._server.port
                task = self._loop.create_task(self._loop.take(port, connection), name="take")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _hurry(self) -> None:
        if not self._hurried:
            self._hurried = True
            if not self._server.is_draining:
                self._server.drain()
            self._server.drain()


async def _beat(server: WorkerServer, reports: Reports) -> None:
    while True:
        reports.tell("beat", server.readiness)
        await asyncio.sleep(BEAT_S)


async def _either(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait(), name="either") for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _socket_of(folder: Path, worker: int) -> Path:
    return folder / f"worker-{worker}.sock"


def main() -> None:
    """Be the worker at the other end of two inherited sockets."""
    # Signals are for the supervisor: Ctrl-C and service managers send them to all processes of the node at once.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    orders, channel = (socket.socket(fileno=int(text)) for text in sys.argv[1:3])
    reports = Reports(channel)
    try:
        assignment = msgspec.convert(reports.ask("assignment"), Assignment)
        configure(assignment.settings.log)
        structlog.contextvars.bind_contextvars(worker=assignment.number)
        loop = WorkerLoop()
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve(loop, orders, reports, assignment))
    except (StreamerError, ChannelError) as problem:
        reports.tell("failed", str(problem))
        sys.exit(1)


if __name__ == "__main__":
    main()
