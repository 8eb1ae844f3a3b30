"""The server: listens, lets in, keeps watch, and goes down without dropping a call.

It joins the listeners to the sessions and owns every long-lived task. This file must never look into a message: that is
the dialects' business.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from streamer_client.events import Status
from websockets.asyncio.server import Server as Listener

from streamer import __version__
from streamer.access.doors import Doors
from streamer.access.tls import ServerTls
from streamer.admin import READY, Admin
from streamer.auth import Pass, Refusal
from streamer.bus.bus import Bus
from streamer.bus.cloudevents import event_id, rfc3339
from streamer.bus.share import Share
from streamer.config import Settings
from streamer.emotion.batcher import Batcher
from streamer.emotion.model import EmotionModel, ModelCard, load, locate
from streamer.entrance import Entrance, count_refusal
from streamer.leg import prove, warm_up
from streamer.limits import Admission
from streamer.load.guarded import Guard
from streamer.load.pacing import Pacer, Turnstile
from streamer.load.shedding import Shedding
from streamer.load.strangers import Strangers
from streamer.metrics import Metrics
from streamer.observing import audit
from streamer.observing.tracing import NO_TRACES, Traces, open_traces
from streamer.observing.vitals import Vitals
from streamer.platforms import PATHS, audiosocket
from streamer.service import bound, kept_going
from streamer.session import DRAINING, Peer, Services, Session
from streamer.tcp import TcpListener, TcpPeer
from streamer.transports import CallListener, listener_of
from streamer.watch import Watch, expire
from streamer.wire.events import Dialect

LAST_CALLS_S = 10.0
"""What calls get to hand over their last events once the drain's time is over."""
FLUSH_S = 10.0
"""How long the outbox may still empty itself when the last call has gone."""
HURRIED_FLUSH_S = 2.0
"""The same after a second signal, where the broker is there."""

log = structlog.get_logger()


class Server:
    """A node.

    Parameters
    ----------
    settings
        The configuration.
    model
        Loaded already: a server without a model must not come up.
    bus
        Opened already, for the same reason.
    metrics
        What the node counts.
    traces
        Where calls are traced.
    new_admission
        Makes what counts the calls.
    """

    def __init__(
        self,
        settings: Settings,
        model: EmotionModel,
        bus: Bus,
        metrics: Metrics,
        traces: Traces = NO_TRACES,
        *,
        new_admission: Callable[..., Admission] = Admission,
    ) -> None:
        self._settings = settings
        self.in_force: Settings | None = settings
        """What is said for an audit when the node comes up; None where another process says it."""
        self._model = model
        self._bus = bus
        self._metrics = metrics
        self._traces = traces
        self._doors = Doors(settings)
        self._tls = ServerTls(settings.server, metrics)
        self._audiosocket_reader = audiosocket.reader(settings)
        self._admission = new_admission(
            settings.server.max_calls,
            {key.id: key.max_calls for key in settings.keys if key.max_calls},
            settings.limits.calls_per_tenant,
        )
        self._guard = Guard(
            Strangers(settings.limits.max_waiting), lambda why: metrics.connections_cut.labels(why).inc()
        )
        self._turnstile = Turnstile(settings.limits.connections_per_second, time.monotonic)
        self._sessions: set[Session] = set()
        self._nobody = asyncio.Event()
        """Set while no stream is open."""
        self._nobody.set()
        self._drain_s: float = settings.server.drain_s
        self._draining = asyncio.Event()
        self._hurry = asyncio.Event()
        self._services: Services
        self._entrance = Entrance(settings, self._doors, metrics, self._guard, self._turnstile)
        self._new_listener = listener_of(settings.server)
        self._listener: CallListener
        self.port = 0
        """The port that was bound, once `run` has begun to listen."""
        self.admin_port = 0
        self.audiosocket_port = 0
        """0 where that listener is off."""
        self.listening = asyncio.Event()

    def drain(self) -> None:
        """Refuse new calls and end when the present ones have; a second time: end now."""
        if self._draining.is_set():
            self._hurry.set()
        self._draining.set()

    @property
    def is_draining(self) -> bool:
        """Whether it has been told to go."""
        return self._draining.is_set()

    @property
    def registry(self) -> CollectorRegistry:
        """The figures of this process."""
        return self._metrics.registry

    @property
    def card(self) -> ModelCard:
        """The card of the model that judges."""
        return self._model.card

    @property
    def readiness(self) -> str:
        """Whether new calls are welcome, in a word."""
        if self._draining.is_set():
            return "draining"
        if not self.listening.is_set():
            return "starting"
        if self._admission.full:
            return f"full: {self._settings.server.max_calls} calls"
        if self._bus.strained:
            return "outbox: its disk fails and memory fills; the log says more"
        if self._admission.overloaded:
            return "overloaded: it has too much to do with the calls it has"
        return READY

    async def run(self) -> None:
        """Serve until drained.

        Raises
        ------
        ServeError
            A port is taken or not allowed.
        """
        server = self._settings.server
        async with AsyncExitStack() as stack:
            admin = Admin(self._metrics.registry, lambda: self.readiness)
            admin_host = server.admin_host or server.host
            admin_listener = await bound(admin.listen(admin_host, server.admin_port), admin_host, server.admin_port)
            stack.push_async_callback(_shut, admin_listener)
            self.admin_port = _port(admin_listener)
            batcher = Batcher(self._model)
            stack.push_async_callback(batcher.close)
            self._services = self._make_services(batcher)
            self._listener = listener = self._new_listener(
                server, self._entrance, self._tls.context, self._serve, guard=self._guard, new_pacer=self._new_pacer
            )
            await bound(listener.listen(), server.host, server.port)
            stack.push_async_callback(listener.close)
            self.port = listener.port
            await self._listen_for_audiosocket(stack)
            watch = Watch(self._services, self._sessions)
            Vitals(self._services, self._sessions, lambda: self.readiness == READY, watch.recent_lag)
            await self._say_what_is_in_force()
            async with asyncio.TaskGroup() as background:
                tasks = [
                    background.create_task(kept_going("bus", self._bus.run), name="bus"),
                    background.create_task(kept_going("watch", lambda: watch.run(background)), name="watch"),
                    background.create_task(kept_going("certificates", self._tls.run), name="certificates"),
                ]
                self._announce()
                await self._serve_until_drained(listener)
                left = await self._flushed()
                log.info("stopped", undelivered=left)
                for task in tasks:
                    task.cancel()

    def _make_services(self, batcher: Batcher) -> Services:
        return Services(
            settings=self._settings,
            model=self._model,
            batcher=batcher,
            bus=self._bus,
            metrics=self._metrics,
            admission=self._admission,
            shedding=Shedding(self._settings.limits.shed_lag_ms, self._settings.limits.shed_queue_ms),
            new_session_id=lambda: event_id(secrets.token_hex(16), "session", "", 0, time.time_ns() // 1_000_000),
            wall_s=time.time,
            monotonic_s=time.monotonic,
            traces=self._traces,
        )

    async def _listen_for_audiosocket(self, stack: AsyncExitStack) -> None:
        settings = self._settings.dialects.audiosocket
        if not settings.port:
            return
        host = settings.host or self._settings.server.host
        listener = TcpListener(self._handle_audiosocket, guard=self._guard, new_pacer=self._new_pacer)
        tls = self._tls.context if settings.tls else None
        await bound(listener.listen(host, settings.port, tls), host, settings.port)
        stack.push_async_callback(listener.close)
        self.audiosocket_port = listener.port

    def _new_pacer(self) -> Pacer:
        return Pacer(self._settings.limits, self._metrics, time.monotonic)

    async def _say_what_is_in_force(self) -> None:
        """Say for an audit what is in force, now that nothing can keep the node from coming up."""
        if self.in_force is None:
            return
        line = audit.in_force(self.in_force, self._model.card, __version__)
        if self._settings.privacy.audit_file:
            await asyncio.to_thread(audit.append, self._settings.privacy.audit_file, line, rfc3339(time.time()))
        log.info(audit.EVENT, **line)

    def _announce(self) -> None:
        card = self._model.card
        settings = self._settings
        log.info(
            "listening",
            version=__version__,
            node=settings.node,
            url=f"{'wss' if self._tls.context else 'ws'}://{settings.server.host}:{self.port}",
            paths=sorted(PATHS),
            audiosocket=self.audiosocket_port or "off",
            admin=f"http://{settings.server.admin_host or settings.server.host}:{self.admin_port}",
            model=f"{card.name} {card.version}",
            analyse=[str(role) for role in settings.emotion.analyse],
            lawful_basis=settings.emotion.lawful_basis,
            require_notice=settings.emotion.require_notice,
        )
        self.listening.set()

    async def _handle_audiosocket(self, peer: TcpPeer) -> None:
        """Serve one AudioSocket connection, if its address may connect."""
        certificate = peer.certificate
        decision = self._doors.knock_by_audiosocket(peer.address, time.monotonic(), certificate)
        if isinstance(decision, Refusal):
            shown = certificate.fingerprint if certificate else None
            count_refusal(self._metrics, decision, audiosocket.NAME, certificate=shown)
        elif not await self._turnstile.enter():
            self._guard.cut_off("storm")
        else:
            await self._serve(peer, self._audiosocket_reader(), decision)

    async def _serve(self, peer: Peer, dialect: Dialect, admitted: Pass) -> None:
        """Serve one stream."""
        session = Session(peer, dialect, admitted, self._services)
        self._sessions.add(session)
        self._nobody.clear()
        try:
            await session.run()
        except Exception:
            log.exception("stream failed", session=session.session_id, dialect=dialect.name)
            await peer.close(1011, "our fault; see the server's log")
        finally:
            self._sessions.discard(session)
            if not self._sessions:
                self._nobody.set()

    async def _serve_until_drained(self, listener: CallListener) -> None:
        """Wait for the signal, then for the calls, and at the limit end them in an orderly way."""
        await self._draining.wait()
        self._admission.drain()
        limit_s = self._drain_s
        log.info("draining", calls=self._admission.active, limit_s=limit_s)
        await self._bus.announce(Status.DRAINING)
        ended = asyncio.create_task(self._admission.wait_empty(), name="until no call")
        await self._unless_hurried(ended, limit_s)
        await asyncio.gather(*(expire(session, "draining", DRAINING) for session in self._sessions))
        ended.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_CALLS_S):
                await self._nobody.wait()
        await listener.close()
        log.info("drained", calls_cut=self._admission.active)

    async def _flushed(self) -> int:
        """Let the outbox empty itself, for a while or until the second signal; return how many messages are left."""
        flush = asyncio.create_task(self._bus.flush(FLUSH_S), name="flush")
        await self._unless_hurried(flush, FLUSH_S)
        flush.cancel()
        # Even in a hurry: with the broker there it takes milliseconds, and a call's state must not stay behind.
        return await self._bus.flush(HURRIED_FLUSH_S if self._bus.connected else 0)

    async def _unless_hurried(self, task: asyncio.Task[Any], limit_s: float) -> None:
        """Wait for a task, but not longer than a limit, and not at all once a second signal has come."""
        hurried = asyncio.create_task(self._hurry.wait(), name="hurry")
        await asyncio.wait({hurried, task}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()


@asynccontextmanager
async def node(
    settings: Settings, make: Callable[..., Server] | None = None, share: Share | None = None
) -> AsyncIterator[Server]:
    """Open everything a node needs, model first: a server without a model must not come up.

    Parameters
    ----------
    settings
        The configuration.
    make
        Makes the server; None = one that is a node by itself.
    share
        This process's share in the bus, where it is a worker.

    Raises
    ------
    StreamerError
        Something is missing or does not fit; the message says what.
    """
    prove(settings.speech)
    model = load(locate(settings.emotion.model))
    if model.card.restriction:
        log.warning(model.card.restriction)
    warm_up(model)
    metrics = Metrics(CollectorRegistry())
    traces = open_traces(settings)
    bus = await Bus.open(settings, metrics, share)
    try:
        server = (make or Server)(settings, model, bus, metrics, traces)
        server.in_force = settings if share is None else share.in_force
        yield server
    finally:
        await bus.close()
        await traces.close()


def _port(listener: Listener) -> int:
    return int(next(iter(listener.sockets)).getsockname()[1])


async def _shut(listener: Listener) -> None:
    listener.close(code=1001)
    await listener.wait_closed()
