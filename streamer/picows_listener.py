"""The WebSocket listener on picows, which takes frames apart in C: as `listener.py`, for a fraction of its work.

A request is read and answered by `doorway.py`; picows gets a connection only once it is welcome, and then a request
that it cannot but accept. Between the socket and picows stands what it has no notion of: reads are in portions
(`load/portions.py` says why), so its buffer grows with a message that is allowed and with nothing else; the reader may
be behind; a connection ends so that its peer can read the last words. This file must never let picows read a connection
that is at its end.

picows has no public way to be handed a connection that is open already; `WSProtocol` is what its own server makes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog
from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined] # its stubs leave it out
from websockets.http11 import Response

from streamer.config import ServerSettings
from streamer.doorway import Doorway, linger
from streamer.entrance import Entrance, Serve, Welcome
from streamer.load.guarded import OPEN_WITHIN_S, Guard
from streamer.load.pacing import Pacer
from streamer.load.portions import PORTION_BYTES
from streamer.picows_peer import Below, PicowsPeer

_BUFFER_BYTES: Final = 2 * PORTION_BYTES
"""What a connection reads into at first; it grows, and stays, as large as the largest message has needed."""
_REQUEST: Final = (
    "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n"
)

_OF_THE_PEER: Final = "WS parser error"

log = structlog.get_logger()


class _Words:
    """What picows says of a connection: nothing of what is routine, and whatever is a defect of ours.

    It tells nobody but its log that it gives a connection up for what the peer has sent.
    """

    def __init__(self, on_error: Callable[[], None]) -> None:
        self.on_error = on_error

    def isEnabledFor(self, _level: int) -> bool:  # noqa: N802 - the name that loggers have
        return False

    def log(self, *_: object) -> None:
        """Pass over."""

    debug = info = warning = log

    def error(self, said: str, *more: object) -> None:
        """Take note that the connection is given up."""
        if not said.startswith(_OF_THE_PEER):
            log.error("a defect of ours beneath a stream", said=said, more=str(more))
        self.on_error()

    def exception(self, said: str, *_: object) -> None:
        """Tell the log."""
        log.exception("a defect of ours beneath a stream", said=said)  # noqa: LOG004 - called where one is handled
        self.on_error()


class _Wire:
    """The transport as picows sees it: what it writes goes straight out, but how it ends is not its business."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.set_write_buffer_limits = transport.set_write_buffer_limits
        self.get_extra_info = transport.get_extra_info
        self.abort = transport.abort
        self.close = close

    def writelines(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Write a frame that picows gives in two: its head, in memory of its own, and a message of over 8 KiB.

        In one piece. A transport may keep the pieces until the socket takes more, and the head is written over by that
        of the next frame. And asyncio's own tells nobody that it keeps too much, before Python 3.12.9 and 3.13.2
        (https://github.com/python/cpython/issues/127655).
        """
        self.write(b"".join(pieces))


class Frames(WSProtocol):  # type: ignore[misc] # as above
    """Feeds picows what a connection brings.

    Parameters
    ----------
    door
        By which the connection came in.
    peer_of
        Makes what takes the frames.
    welcome, response
        What was decided, and our answer.
    """

    def __init__(
        self, door: Doorway, peer_of: Callable[[Below], PicowsPeer], welcome: Welcome, response: Response
    ) -> None:
        self._door = door
        self._under = door.transport
        self._answer = response
        self._loop = asyncio.get_running_loop()
        self._reader_is_behind = False
        self._turn: asyncio.Handle | None = None
        """Others have theirs; then it is this connection's again."""
        self._stopped = False
        """Whether the transport has been told not to read."""
        self._given_up = False
        """Whether nothing counts that still comes."""
        self._timer: asyncio.TimerHandle | None = None
        self._nowhere = bytearray()
        self._words = _Words(self._give_up)
        self.peer = peer_of(Below(self._hold_back, self._finish, door.abort, door.settle, door.cut_off))
        super().__init__(
            None,  # host and port: a client's
            None,  # path: likewise
            False,  # noqa: FBT003 - is a client
            self._accept,
            self._words,
            True,  # noqa: FBT003 - ends the connection when a callback of ours fails
            None,  # seconds for the handshake, which is done
            False,  # noqa: FBT003 - pings: it would end calls whose pong is late
            0,
            0,
            1,
            False,  # noqa: FBT003 - answers pings: they are counted first
            welcome.max_message_bytes,
            None,  # headers: a client's
            _BUFFER_BYTES,
        )

    def begin(self, behind: bytes) -> None:
        """Take the connection over, with what has come behind the request."""
        transport = self._under
        transport.set_protocol(self)
        self._stopped = True  # since the request had come
        self._wire = _Wire(transport, self._finish)
        super().connection_made(self._wire)
        key = self._door.request.headers["Sec-WebSocket-Key"]
        for data in (_REQUEST.format(key).encode(), behind):
            if data:
                self.get_buffer(-1)[: len(data)] = data
                self.buffer_updated(len(data))
        self._see_to_reading()

    def get_buffer(self, size_hint: int) -> Any:  # noqa: ANN401 - a view of picows' memory
        """Return room for a portion."""
        if self._given_up:
            return self._nowhere
        return super().get_buffer(size_hint)[:PORTION_BYTES]

    def buffer_updated(self, nbytes: int) -> None:
        """Take apart what came; where there may be more, let others have their turn first."""
        if not self._given_up:
            super().buffer_updated(nbytes)
            if self._given_up:  # meanwhile
                self.peer.end()  # type: ignore[unreachable] # mypy knows nothing of picows
                self._finish()
        if nbytes >= PORTION_BYTES and self._turn is None:
            self._turn = self._loop.call_soon(self._have_turn)
            self._see_to_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._turn is not None:
            self._turn.cancel()
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        self._door.connection_lost(exc)
        # Ways back to itself would keep its memory until the collector of cycles comes round.
        self._wire.close = self._words.on_error = _nothing

    def _accept(self, _request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        chosen = self._answer.headers.get("Sec-WebSocket-Protocol")
        more = {"Sec-WebSocket-Protocol": chosen} if chosen else None
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(more), self.peer)

    def _have_turn(self) -> None:
        self._turn = None
        self._see_to_reading()

    def _hold_back(self, behind: bool) -> None:
        self._reader_is_behind = behind
        self._see_to_reading()

    def _see_to_reading(self) -> None:
        stop = self._turn is not None or (self._reader_is_behind and not self._given_up)
        if stop != self._stopped and not self._under.is_closing():
            self._stopped = stop
            (self._under.pause_reading if stop else self._under.resume_reading)()

    def _give_up(self) -> None:
        """Drop all that still comes."""
        if not self._given_up:
            self._given_up = True
            self._nowhere = bytearray(PORTION_BYTES)

    def _finish(self) -> None:
        """End the connection so that its peer can read what was said last."""
        self._give_up()
        if self._timer is None and not self._under.is_closing():
            self._timer = linger(self._under, self._loop)
            self._stopped = False
            self._see_to_reading()


def _nothing() -> None:
    """Be what is left of a way back."""


class PicowsListener:
    """Takes WebSockets at the paths of all platforms, and has each one served.

    Parameters
    ----------
    server
        Where to listen.
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
        self._settings = server
        self._entrance = entrance
        self._tls = tls
        self._serve_stream = serve_stream
        self._guard = guard
        self._new_pacer = new_pacer
        self._doorways: set[Doorway] = set()
        self._open: dict[asyncio.Task[None], PicowsPeer] = {}
        self._listener: asyncio.Server

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(next(iter(self._listener.sockets)).getsockname()[1])

    async def listen(self) -> None:
        """Begin to listen.

        Raises
        ------
        OSError
            The port is taken or not allowed.
        """
        # Not by picows' own, which makes a transport of its own: that would do TLS past the context in force and be
        # unknown to a worker's loop.
        self._listener = await asyncio.get_running_loop().create_server(
            self._door,
            self._settings.host,
            self._settings.port,
            ssl=self._tls,
            ssl_handshake_timeout=OPEN_WITHIN_S if self._tls else None,
        )

    async def close(self) -> None:
        """Listen no more, and close what is still open with 1001."""
        self._listener.close()
        for door in tuple(self._doorways):
            door.abort()
        await asyncio.gather(*(peer.close(1001, "") for peer in self._open.values()))
        if self._open:
            await asyncio.wait(tuple(self._open))
        await self._listener.wait_closed()

    def _door(self) -> Doorway:
        return Doorway(self._entrance, self._guard, self._go_on, self._doorways)

    def _go_on(self, door: Doorway, welcome: Welcome, response: Response, behind: bytes) -> None:
        """Have a connection served that was let in."""

        def serve(peer: PicowsPeer) -> None:
            task = asyncio.create_task(self._serve(peer, welcome), name="websocket")
            self._open[task] = peer
            task.add_done_callback(self._open.pop)

        Frames(door, lambda below: PicowsPeer(welcome, self._new_pacer(), below, serve), welcome, response).begin(
            behind
        )

    async def _serve(self, peer: PicowsPeer, welcome: Welcome) -> None:
        try:
            await self._serve_stream(peer, welcome.dialect, welcome.admitted)
        finally:
            await peer.close(1000, "")
