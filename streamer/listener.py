"""The WebSocket listener: has a request asked before the upgrade, and shows a session its peer.

The counterpart of `tcp.py`, on the library websockets; `picows_listener.py` does the same on another one. No other
files know the sockets of calls. This file must never look into a message: that is the dialects' business.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, Event
from websockets.typing import BytesLike, Subprotocol

from streamer.access.tls import client_certificate
from streamer.auth import Pass
from streamer.config import ServerSettings
from streamer.entrance import UNREAD_MESSAGES, Entrance, Serve, Sorry, address_of
from streamer.load.framing import TEXT as _FIRST_OF_TEXT
from streamer.load.guarded import OPEN_WITHIN_S, Guard, GuardedConnection
from streamer.load.holding import Holding
from streamer.load.pacing import Pacer
from streamer.session import Ear
from streamer.wire.events import Dialect, Message

_TEXT: Final = Opcode.TEXT
_BINARY: Final = Opcode.BINARY


class Connection(GuardedConnection):
    """A WebSocket with what was decided before its upgrade."""

    admitted: Pass
    dialect: Dialect
    subprotocols_known: tuple[Subprotocol, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self.holding: Holding = Holding(self._leave, self._portions.doze)

    def process_event(self, event: Event) -> None:
        """Hold a message that may be audio, which saves its way through a queue and a task; see `streamer.rounds`."""
        if type(event) is Frame:
            opcode = event.opcode
            if opcode is _TEXT or opcode is _BINARY:
                if not event.fin:
                    self.holding.pass_by(ends=False)
                elif self._is_held(opcode, event.data):
                    return
            elif opcode is Opcode.CONT:
                self.holding.pass_by(ends=event.fin)
            elif opcode is Opcode.CLOSE:
                self.holding.flush()
        super().process_event(event)

    def _take(self, first: int, data: bytes) -> bool:
        """Hold a message in the form in which audio came before, of a stream whose frames need no library."""
        protocol, limit = self.protocol, self.protocol.max_message_size
        if self.holding.ear is None or limit is None or len(data) > limit:
            return False
        if protocol.state is not OPEN or protocol.current_size is not None:
            return False  # it is closing, or in the middle of a message in pieces: the library knows what to do
        if first == _FIRST_OF_TEXT:
            try:
                held = self.holding.hold(_TEXT, str(data, "utf-8"))
            except UnicodeDecodeError:
                return False  # the library refuses it
        else:
            held = self.holding.hold(_BINARY, data)
        if held:
            self.frames_read += 1
            self.bytes_read += len(data)
        return held

    def _finish(self) -> None:
        """Have the last of what came before the end taken, and leave what is held of it to the reader."""
        super()._finish()
        self.holding.flush()

    def _is_held(self, opcode: Opcode, data: BytesLike) -> bool:
        """Hold a whole message; False where it is for the reader."""
        if self.holding.ear is None:
            self.holding.pass_by(ends=True)
            return False
        try:
            # Now, while it is in the processor's cache.
            message: Message = str(data, "utf-8") if opcode is _TEXT else bytes(data)
        except UnicodeDecodeError:
            self.holding.pass_by(ends=True)  # it is refused where it is read
            return False
        if not self.holding.offer(opcode, message):
            return False
        self.frames_read += 1
        self.bytes_read += len(data)
        return True

    def _leave(self, message: Message) -> None:
        """Leave to the reader what was held."""
        frame = Frame(_TEXT, message.encode()) if isinstance(message, str) else Frame(_BINARY, message)
        ServerConnection.process_event(self, frame)  # it is counted


class WebSocketPeer:
    """A WebSocket as a session sees it."""

    def __init__(self, connection: Connection, pacer: Pacer) -> None:
        self._connection = connection
        self._pacer = pacer
        self._reading = False
        self._closing = False
        self._ear: Ear | None = None
        self._frames = self._bytes = 0
        """How much of what came has been held against the limits."""

    def show(self, ear: Ear | None) -> None:
        """Show messages to `ear` while nothing waits that came before them; see `Overheard`."""
        self._ear = ear
        self._connection.holding.keeps_pace = self._keeps_pace

    async def messages(self) -> AsyncIterator[Message]:
        """Iterate over what comes until either side closes, in whichever way."""
        connection, holding = self._connection, self._connection.holding
        with suppress(ConnectionClosed):  # however it closed, there is nothing more to read
            while not self._closing:  # from then on `close` reads: a WebSocket has one reader at a time
                self._reading = True
                holding.await_next(self._ear)
                message = await connection.recv()
                holding.note_read()
                self._reading = False
                yield message
                await self._pacer.read(*self._read())

    def _keeps_pace(self) -> bool:
        """Hold what came against the limits; whoever is above them is read more slowly, by `messages`."""
        return not self._pacer.note(*self._read())

    def _read(self) -> tuple[int, int]:
        """Return how many bytes and messages have come since this was last asked."""
        frames, n_bytes = self._frames, self._bytes
        self._frames, self._bytes = self._connection.frames_read, self._connection.bytes_read
        return self._bytes - n_bytes, self._frames - frames

    async def send(self, message: Message) -> None:
        """Send a message; quietly nothing once the connection is closed."""
        with suppress(ConnectionClosed):  # the peer has gone; the bus has the event
            await self._connection.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, whatever the peer is still sending; a second time changes nothing."""
        already, self._closing = self._closing, True
        self._connection.holding.wake()
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
    server
        Where to listen, and what of a WebSocket is the same for all platforms.
    entrance
        Decides who may come in.
    tls
        What the port does TLS with; None = plain.
    serve_stream
        Serves one peer to its end.
    guard
        Bounds what comes before a call.
    new_pacer
        Makes what each peer is kept to its pace by.
    """

    def __init__(
        self,
        server: ServerSettings,
        entrance: Entrance,
        tls: ssl.SSLContext | None,
        serve_stream: Serve,
        *,
        guard: Guard,
        new_pacer: Callable[[], Pacer],
    ) -> None:
        self._server = server
        self._entrance = entrance
        self._tls = tls
        self._guard = guard
        self._new_pacer = new_pacer
        self._serve_stream = serve_stream
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
        server = self._server
        # The callbacks take what create_connection makes, which need be no class; the library's types know less.
        self._listener = await serve(
            self._handle,  # type: ignore[arg-type]
            server.host,
            server.port,
            process_request=self._before_upgrade,  # type: ignore[arg-type]
            create_connection=partial(Connection, guard=self._guard),  # type: ignore[arg-type]
            open_timeout=OPEN_WITHIN_S,
            max_queue=UNREAD_MESSAGES,
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
        """Have it decided who may come in; an answer here means that no WebSocket is opened."""
        decided = await self._entrance.decide(
            request.path,
            request.headers.raw_items(),
            address_of(connection.remote_address),
            client_certificate(connection.transport.get_extra_info("ssl_object")),
        )
        if isinstance(decided, Sorry):
            return connection.respond(decided.status, decided.text)
        connection.admitted = decided.admitted
        connection.dialect = decided.dialect
        connection.subprotocols_known = tuple(map(Subprotocol, decided.subprotocols))
        connection.protocol.max_message_size = decided.max_message_bytes
        connection.ping_interval = decided.ping_interval_s or None
        return None


def _subprotocol(connection: Connection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Select the subprotocol that the platform of this connection speaks, if it offers one."""
    return next((name for name in connection.subprotocols_known if name in offered), None)
