"""The WebSocket listener: asks before the upgrade who may come in, and shows a session its peer.

The counterpart of `tcp.py`; no other file knows the sockets of calls. This file must never look into a message: that is
the dialects' business.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Final

import structlog
from websockets.asyncio.server import Server, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from streamer.access.doors import THROTTLED, Doors
from streamer.access.tls import client_certificate
from streamer.auth import Pass, Refusal, Upgrade
from streamer.config import Settings
from streamer.load.guarded import OPEN_WITHIN_S, Guard, GuardedConnection
from streamer.load.pacing import Pacer, Turnstile
from streamer.metrics import Metrics
from streamer.observing.loggable import loggable
from streamer.platforms import PATHS
from streamer.session import Peer
from streamer.wire.events import Dialect, Message

WAITING_REFUSALS: Final = 200
"""Refusals that may wait for their time (`Refusal.after_s`) at once; beyond, they are given without: see `_refuse`."""

UNREAD_FRAMES: Final = 4
"""Frames that may wait for a session that is busy; each may be as large as a message may be, so few."""

log = structlog.get_logger()

Serve = Callable[[Peer, Dialect, Pass], Awaitable[None]]
"""Serves one stream to its end."""


class Connection(GuardedConnection):
    """A WebSocket with what was decided before its upgrade."""

    admitted: Pass
    dialect: Dialect
    subprotocols_known: tuple[Subprotocol, ...] = ()


class WebSocketPeer:
    """A WebSocket as a session sees it."""

    def __init__(self, connection: Connection, pacer: Pacer) -> None:
        self._connection = connection
        self._pacer = pacer
        self._reading = False
        self._closing = False

    async def messages(self) -> AsyncIterator[Message]:
        """Iterate over what comes until either side closes, in whichever way."""
        frames = n_bytes = 0
        with suppress(ConnectionClosed):  # however it closed, there is nothing more to read
            while not self._closing:  # from then on `close` reads: a WebSocket has one reader at a time
                self._reading = True
                message = await self._connection.recv()
                self._reading = False
                yield message
                seen_frames, seen_bytes = self._connection.frames_read, self._connection.bytes_read
                await self._pacer.read(seen_bytes - n_bytes, seen_frames - frames)
                frames, n_bytes = seen_frames, seen_bytes

    async def send(self, message: Message) -> None:
        """Send a message; quietly nothing once the connection is closed."""
        with suppress(ConnectionClosed):  # the peer has gone; the bus has the event
            await self._connection.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, whatever the peer is still sending; a second time changes nothing."""
        already, self._closing = self._closing, True
        closing = asyncio.create_task(self._connection.close(code, reason), name="closing")
        if not (self._reading or already):
            # The peer may be in full flow: its close is behind what it sent, so that has to be read, and dropped.
            with suppress(ConnectionClosed):
                while True:
                    await self._connection.recv()
        await closing

    def settle(self) -> None:
        """Take note that the stream carries a call now: it is not cut off to make room for others."""
        self._connection.settle()


class WebSocketListener:
    """Takes WebSockets at the paths of all platforms, and has each one served.

    Parameters
    ----------
    settings
        The configuration.
    doors
        Decide who may come in.
    tls
        What the port does TLS with; None = plain.
    metrics
        Where refusals are counted.
    serve_stream
        Serves one peer to its end.
    guard
        Bounds what comes before a call.
    new_pacer
        Makes what each peer is kept to its pace by.
    turnstile
        Who may come in comes in one by one.
    """

    def __init__(
        self,
        settings: Settings,
        doors: Doors,
        tls: ssl.SSLContext | None,
        metrics: Metrics,
        serve_stream: Serve,
        *,
        guard: Guard,
        new_pacer: Callable[[], Pacer],
        turnstile: Turnstile,
    ) -> None:
        self._settings = settings
        self._doors = doors
        self._tls = tls
        self._metrics = metrics
        self._guard = guard
        self._new_pacer = new_pacer
        self._turnstile = turnstile
        self._serve_stream = serve_stream
        self._refusals_waiting = 0
        self._listener: Server

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(next(iter(self._listener.sockets)).getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and close what is still open with 1001."""
        self._listener.close(code=1001)
        await self._listener.wait_closed()

    async def listen(self) -> None:
        """Begin to listen.

        Raises
        ------
        OSError
            The port is taken or not allowed.
        """
        server = self._settings.server
        # The callbacks take what create_connection makes, which need be no class; the library's types know less.
        self._listener = await serve(
            self._handle,  # type: ignore[arg-type]
            server.host,
            server.port,
            process_request=self._before_upgrade,  # type: ignore[arg-type]
            create_connection=partial(Connection, guard=self._guard),  # type: ignore[arg-type]
            open_timeout=OPEN_WITHIN_S,
            max_queue=UNREAD_FRAMES,
            compression=None,  # audio does not shrink, and a window per call is memory
            max_size=server.max_message_bytes,
            ping_interval=server.ping_interval_s or None,
            select_subprotocol=_subprotocol,  # type: ignore[arg-type]
            ping_timeout=None,  # a late pong is load, not death: the idle limit ends dead calls
            close_timeout=5,
            server_header=None,
            ssl=self._tls,
            ssl_handshake_timeout=OPEN_WITHIN_S if self._tls else None,
        )

    async def _handle(self, connection: Connection) -> None:
        await self._serve_stream(WebSocketPeer(connection, self._new_pacer()), connection.dialect, connection.admitted)

    async def _before_upgrade(self, connection: Connection, request: Request) -> Response | None:
        """Decide who may come in; an answer here means that no WebSocket is opened."""
        now_s = time.monotonic()
        door = self._doors.at(request.path)
        if door is None:
            path = request.path.partition("?")[0]
            return connection.respond(
                HTTPStatus.NOT_FOUND, f"nothing at {path[:80]!r}; calls are taken at {', '.join(sorted(PATHS))}\n"
            )
        platform = door.platform
        headers: dict[str, str] = {}
        for name, value in request.headers.raw_items():
            name = name.lower()  # noqa: PLW2901 - the same name, as all headers are compared
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        certificate = client_certificate(connection.transport.get_extra_info("ssl_object"))
        upgrade = Upgrade(dialect=platform.name, target=request.path, headers=headers, certificate=certificate)
        decision = self._doors.knock(door, upgrade, address_of(connection), now_s)
        if isinstance(decision, Refusal):
            count_refusal(
                self._metrics, decision, platform.name, certificate=certificate.fingerprint if certificate else None
            )
            return await self._refuse(connection, decision, now_s)
        if not await self._turnstile.enter():
            self._guard.cut_off("storm")
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many connect at once; try again\n")
        connection.admitted = decision
        connection.dialect = door.reader(upgrade)
        connection.subprotocols_known = tuple(map(Subprotocol, platform.subprotocols))
        connection.protocol.max_message_size = platform.max_message_bytes(self._settings)
        connection.ping_interval = platform.ping_interval_s(self._settings) or None
        return None

    async def _refuse(self, connection: Connection, refusal: Refusal, asked_s: float) -> Response:
        """Answer a refusal at its time, so that how long it took says nothing of how far the check got.

        Each one that waits holds a socket. Where a flood holds many, the next are answered at once, all with one word.
        """
        if refusal.after_s:
            if self._refusals_waiting >= WAITING_REFUSALS:
                return connection.respond(HTTPStatus.TOO_MANY_REQUESTS, "too many are being refused; try again later\n")
            self._refusals_waiting += 1
            try:
                await asyncio.sleep(asked_s + refusal.after_s - time.monotonic())
            finally:
                self._refusals_waiting -= 1
        return connection.respond(refusal.status, f"{refusal.message}\n")


def count_refusal(metrics: Metrics, refusal: Refusal, dialect: str, **more: str | None) -> None:
    """Count a refusal, and say it in the log unless its address has had too many."""
    metrics.auth_failures.labels(refusal.reason).inc()
    if refusal is not THROTTLED:  # a flood must not become one of the log
        shown = {name: value for name, value in more.items() if value}
        message = loggable(refusal.message)
        log.warning("connection refused", dialect=dialect, reason=refusal.reason, message=message, **shown)


def _subprotocol(connection: Connection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Select the subprotocol that the platform of this connection speaks, if it offers one."""
    return next((name for name in connection.subprotocols_known if name in offered), None)


def address_of(connection: Connection) -> str:
    """Return the IP address at the other end of the socket."""
    name = connection.remote_address
    return str(name[0]) if isinstance(name, tuple) else ""
