"""A listener of either library by itself: what it hands to a session, and what it says to a raw socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader as Bytes

from streamer.access.doors import Doors
from streamer.auth import Pass
from streamer.config import load
from streamer.entrance import Entrance
from streamer.load.guarded import Guard
from streamer.load.holding import WORTH_DOZING
from streamer.load.pacing import Pacer, Turnstile
from streamer.load.strangers import Strangers
from streamer.metrics import Metrics
from streamer.session import Peer
from streamer.transports import CallListener, listener_of
from streamer.wire.events import Dialect, Message

LIBRARIES = ("websockets", "picows")
HELLO = (
    b"GET /v1/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """Return a frame as a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


class Taking:
    """An ear that takes bytes, a little later, and leaves text to the reader."""

    takes: type[Message] = bytes

    def __init__(self, got: list[Message]) -> None:
        self._got = got
        self.taken = 0

    def expect(self, hand_over: Callable[[], None]) -> int:
        asyncio.get_running_loop().call_soon(hand_over)
        return 1

    def remind(self, wake: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(wake)

    def overhear(self, messages: Sequence[Message]) -> int:
        for taken, message in enumerate(messages):
            if not isinstance(message, self.takes):
                return taken
            self._got.append(message)
            self.taken += 1
        return len(messages)


class Texts(Taking):
    """One that takes text."""

    takes = str


class Sleepy(Taking):
    """An ear that fetches nothing before it is told to: the stream dozes meanwhile."""

    def __init__(self, got: list[Message]) -> None:
        super().__init__(got)
        self.hand_overs: list[Callable[[], None]] = []
        self.wakes: list[Callable[[], None]] = []
        self.asleep = asyncio.Event()

    def expect(self, hand_over: Callable[[], None]) -> int:
        self.hand_overs.append(hand_over)
        return WORTH_DOZING

    def remind(self, wake: Callable[[], None]) -> None:
        self.wakes.append(wake)
        self.asleep.set()


class Got(list[Message]):
    """Messages that have come, and somebody who waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def append(self, message: Message) -> None:
        super().append(message)
        self._more.set()

    async def until(self, message: Message) -> None:
        """Return as soon as a message is among them."""
        while message not in self:
            self._more.clear()
            await self._more.wait()


class Listening:
    """A listener, and what it has brought."""

    def __init__(
        self, transport: str, most: int = 100, serving: Callable[[Any], Awaitable[None]] | None = None, **flags: Any
    ) -> None:
        given = {name.replace("__", "."): value for name, value in flags.items()}
        settings = load(None, {}, {"server.port": 0, "server.transport": transport, "node": "n"} | given)
        metrics = Metrics(CollectorRegistry())
        self.cut: list[str] = []
        self.guard = Guard(Strangers(most), self.cut.append)
        turnstile = Turnstile(0, lambda: 0.0)
        self.entrance = Entrance(settings, Doors(settings), metrics, self.guard, turnstile)
        self.peers: asyncio.Queue[Peer] = asyncio.Queue()
        self.got = Got()
        self.ear: Taking = Taking(self.got)
        self.ended = asyncio.Event()
        self._serving = serving or self._read_all
        self.listener: CallListener = listener_of(settings.server)(
            settings.server,
            self.entrance,
            None,
            self._serve,
            guard=self.guard,
            new_pacer=lambda: Pacer(settings.limits, metrics, lambda: 0.0),
        )

    async def _serve(self, peer: Peer, _: Dialect, __: Pass) -> None:
        self.peers.put_nowait(peer)
        try:
            await self._serving(peer)
        finally:
            self.ended.set()

    async def _read_all(self, peer: Any) -> None:
        peer.show(self.ear)
        async for message in peer.messages():
            self.got.append(message)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.listener.port}/v1/stream"


@asynccontextmanager
async def listening(transport: str, **flags: Any) -> AsyncIterator[Listening]:
    ours = Listening(transport, **flags)
    await ours.listener.listen()
    try:
        yield ours
    finally:
        await ours.listener.close()


class Raw:
    """A socket that speaks WebSocket by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def close(self) -> None:
        """Say goodbye, and hang up when the other side has."""
        self.writer.write(Frame(Opcode.CLOSE, b"").serialize(mask=True))
        await self.frames()
        self.writer.close()

    async def frames(self) -> list[tuple[Opcode, bytes]]:
        """Return all that comes until the other side ends; of a close only its code."""
        data = Bytes()
        try:
            while more := await self.reader.read(65_536):
                data.feed_data(more)
        except ConnectionResetError:
            pass
        data.feed_eof()
        found = []
        while data.buffer:
            parsing = Frame.parse(data.read_exact, mask=False)
            try:
                next(parsing)
            except StopIteration as end:
                frame = end.value
                payload = bytes(frame.data)
                found.append((frame.opcode, payload[:2] if frame.opcode is Opcode.CLOSE else payload))
        return found


@asynccontextmanager
async def raw(ours: Listening, behind: bytes = b"") -> AsyncIterator[Raw]:
    """Connect by hand; `behind` follows the request at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ours.listener.port)
    writer.write(HELLO + b"\r\n" + behind)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
