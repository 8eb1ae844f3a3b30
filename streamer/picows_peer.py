"""A WebSocket on picows, once it is open: its frames as they come, and the peer that a session sees.

picows takes frames apart and unmasks them; what a frame means for the connection is decided here, as websockets decides
it: pieces are put together up to the limit, pings are answered and counted, a close is answered, who breaks the
protocol is told by which code. This file must never look into a message, nor keep a frame: its bytes are the library's
again as soon as the callback returns.

https://picows.readthedocs.io, RFC 6455
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from streamer.entrance import UNREAD_MESSAGES, Welcome
from streamer.load.guarded import CONTROL_AT_ONCE, CONTROL_PER_S
from streamer.load.holding import Holding
from streamer.load.pacing import Pacer
from streamer.load.rates import Bucket
from streamer.session import Ear
from streamer.wire.events import Message

CLOSE_WITHIN_S: Final = 5.0
"""How long a peer may take to answer our close."""
WRITE_AHEAD_BYTES: Final = 32_768
"""What may wait to be sent before `send` waits."""

MOST_PIECES: Final = 4096
"""Of one message; as many as websockets takes."""

_TEXT: Final = WSMsgType.TEXT
_BINARY: Final = WSMsgType.BINARY


class Below(msgspec.Struct, frozen=True, eq=False):
    """What a peer asks of the connection under it."""

    hold_back: Callable[[bool], None]
    """Read no more, or go on: the reader is behind, or is not."""
    end: Callable[[], None]
    """Nothing that still comes counts; close once what was sent is out."""
    abort: Callable[[], None]
    settle: Callable[[], None]
    """It carries a call now."""
    cut_off: Callable[[str], None]
    """Count why it is cut off."""


_NOTHING: Final = Below(lambda _: None, lambda: None, lambda: None, lambda: None, lambda _: None)


class PicowsPeer(WSListener):
    """One WebSocket.

    Parameters
    ----------
    welcome
        What was decided before its upgrade.
    pacer
        Keeps it to its pace.
    below
        The connection under it.
    serve
        Is called when the WebSocket is open.
    """

    def __init__(self, welcome: Welcome, pacer: Pacer, below: Below, serve: Callable[[PicowsPeer], None]) -> None:
        self._most_bytes = welcome.max_message_bytes
        self._ping_interval_s = welcome.ping_interval_s
        self._pacer = pacer
        self._below = below
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._control = Bucket(CONTROL_PER_S, CONTROL_AT_ONCE)
        self._holding: Holding = Holding(self._leave, self._doze)
        self._unread: deque[Message] = deque()
        self._reader: asyncio.Future[None] | None = None
        """Waits for a message."""
        self._pieces: bytearray | None = None
        """Of a message that is not whole yet."""
        self._n_pieces = 0
        self._form = _BINARY
        """That of the message in pieces."""
        self._ear: Ear | None = None
        self._closing = False
        """We close: what still comes is dropped."""
        self._over = False
        """Nothing more comes, and nothing is sent."""
        self._behind = False
        self._dozes = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()
        self._ping: asyncio.TimerHandle | None = None
        self._frames = self._bytes = 0
        """What has come since it was last held against the limits."""
        self._socket: WSTransport

    # What picows calls.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin."""
        self._socket = transport
        transport.underlying_transport.set_write_buffer_limits(high=WRITE_AHEAD_BYTES)
        self._wait_to_ping()
        self._serve(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame; a message that may be audio is held, see `streamer.rounds`."""
        if self._over:
            return
        form = frame.msg_type
        if (form is _TEXT or form is _BINARY) and frame.fin and self._pieces is None:
            if frame.rsv1 or frame.rsv2 or frame.rsv3:
                self._break_off(1002, "reserved bits must be 0")
                return
            self._frames += 1
            self._bytes += frame.payload_size
            try:
                message: Message = frame.get_payload_as_utf8_text() if form is _TEXT else frame.get_payload_as_bytes()
            except UnicodeDecodeError as problem:
                self._break_off(1007, f"{problem.reason} at position {problem.start}")
                return
            if not (self._holding.hold(form, message) or self._holding.offer(form, message)):
                self._leave(message)
        else:
            self._take(transport, frame, form)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' signature
        """Leave what is held to the reader: it came before the end."""
        self.end()
        if self._ping is not None:
            self._ping.cancel()
        self._writable.set()
        self._gone.set()
        self._below = _NOTHING  # a way back to itself would keep both until the collector of cycles comes round
        del self._socket

    def pause_writing(self) -> None:
        """Have `send` wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let it go on."""
        self._writable.set()

    # What a session calls.

    def show(self, ear: Ear | None) -> None:
        """Show messages to `ear` while nothing waits that came before them; see `Overheard`."""
        self._ear = ear
        self._holding.keeps_pace = self._keeps_pace

    async def messages(self) -> AsyncIterator[Message]:
        """Iterate over what comes until either side closes, in whichever way."""
        holding = self._holding
        while not self._closing:
            holding.await_next(self._ear)
            if not self._unread:
                if self._over:
                    return
                self._reader = self._loop.create_future()
                try:
                    await self._reader
                finally:
                    self._reader = None
                continue
            message = self._unread.popleft()
            holding.note_read()
            if self._behind and len(self._unread) <= UNREAD_MESSAGES // 2:
                self._hold_back(behind=False)
            yield message
            await self._pacer.read(*self._read())

    async def send(self, message: Message) -> None:
        """Send a message; quietly nothing once the connection is closed."""
        if self._over or self._closing:
            return  # the peer has gone; the bus has the event
        self._socket.send(_TEXT if isinstance(message, str) else _BINARY, message)
        await self._writable.wait()

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, whatever the peer is still sending; a second time changes nothing."""
        already, self._closing = self._closing, True
        self._holding.wake()
        if not (already or self._over):
            self._say_close(code, reason)
            # The peer may be in full flow: its close is behind what it sent, so that has to be read, and dropped.
            self._unread.clear()
            self._hold_back(behind=False)
            self._wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._gone.wait()
            return
        self._below.abort()

    def settle(self) -> None:
        """Take note that the stream carries a call now: it is not cut off to make room for others."""
        self._below.settle()

    # What the connection under it calls.

    def end(self) -> None:
        """Take note that nothing more comes; what has come is still read."""
        if not self._over:
            self._holding.flush()
            self._over = True
            self._wake()

    def _take(self, transport: WSTransport, frame: WSFrame, form: WSMsgType) -> None:
        """Take a frame that is no whole message."""
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._break_off(1002, "reserved bits must be 0")
        elif form is WSMsgType.CLOSE:
            self._take_close(transport, frame)
        elif form is WSMsgType.PING or form is WSMsgType.PONG:
            if self._control.take(1, self._loop.time()):
                self._below.cut_off("pings")
                self._break_off(1008, "too many pings")
                self._below.abort()
            elif form is WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
        else:
            self._take_piece(frame, form)

    def _take_close(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer the peer's close, if it is not the answer to ours."""
        if self._pieces is not None:
            self._break_off(1002, "incomplete fragmented message")
            return
        if not self._closing:
            transport.send(WSMsgType.CLOSE, frame.get_payload_as_bytes())
        self.end()
        self._below.end()

    def _take_piece(self, frame: WSFrame, form: WSMsgType) -> None:
        """Add a piece to its message; leave that to the reader when it is whole."""
        is_first = form is not WSMsgType.CONTINUATION
        if is_first is not (self._pieces is None):
            expected = "unexpected continuation frame" if not is_first else "expected a continuation frame"
            self._break_off(1002, expected)
            return
        if self._pieces is None:
            self._pieces, self._n_pieces, self._form = bytearray(), 0, form
        self._n_pieces += 1
        self._frames += 1
        self._bytes += frame.payload_size
        if len(self._pieces) + frame.payload_size > self._most_bytes:
            self._break_off(1009, f"a message in pieces exceeds {self._most_bytes} bytes")
            return
        if self._n_pieces > MOST_PIECES:
            self._break_off(1009, "too many fragments")
            return
        self._pieces += frame.get_payload_as_memoryview()
        if not frame.fin:
            self._holding.pass_by(ends=False)
            return
        whole, self._pieces = bytes(self._pieces), None
        try:
            message = whole if self._form is _BINARY else whole.decode()
        except UnicodeDecodeError as problem:
            self._break_off(1007, f"{problem.reason} at position {problem.start}")
            return
        self._holding.pass_by(ends=True)
        self._leave(message)

    def _break_off(self, code: int, reason: str) -> None:
        """End a connection whose peer breaks the protocol."""
        self._say_close(code, reason)
        self.end()
        self._below.end()

    def _say_close(self, code: int, reason: str) -> None:
        self._socket.send_close(code, reason)  # type: ignore[arg-type] # any number is good, whatever its stubs say

    def _leave(self, message: Message) -> None:
        """Leave a message to the reader."""
        if self._closing:
            return
        self._unread.append(message)
        if len(self._unread) > UNREAD_MESSAGES:
            self._hold_back(behind=True)
        self._wake()

    def _hold_back(self, *, behind: bool) -> None:
        self._behind = behind
        self._settle()

    def _doze(self, asleep: bool) -> None:
        """Read no more for now: the socket keeps what comes; or go on."""
        self._dozes = asleep
        self._settle()

    def _settle(self) -> None:
        self._below.hold_back(self._behind or self._dozes)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _keeps_pace(self) -> bool:
        """Hold what came against the limits; whoever is above them is read more slowly, by `messages`."""
        return not self._pacer.note(*self._read())

    def _read(self) -> tuple[int, int]:
        """Return how many bytes and frames have come since this was last asked."""
        read = self._bytes, self._frames
        self._bytes = self._frames = 0
        return read

    def _wait_to_ping(self) -> None:
        if self._ping_interval_s:
            self._ping = self._loop.call_later(self._ping_interval_s, self._send_ping)

    def _send_ping(self) -> None:
        if not (self._over or self._closing):
            self._socket.send_ping()
            self._wait_to_ping()
