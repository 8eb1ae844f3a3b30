"""A stream that came to one worker and belongs to a call of another: understood here, served there.

The worker that has the socket keeps the dialect and sends what the messages mean; the one that has the call runs the
session, with this module's peer and dialect, and sends back which word of the dialect is to be said. Over a Unix socket
between the two, as reports go (`channel`). This file must never act upon an event, and never leave either side open
when the other is gone.

========== =========================== ==============================================================================
direction  said                        means
========== =========================== ==============================================================================
there      hello                       whose call, in which dialect, and as whom the stream came in
back       mine, not mine              it is served there; the call is no more: find out anew whose it is
there      events                      what a message meant, or the end; behind the last there is an end of file
back       ready, event, fault, ended  the dialect shall say that
back       close                       the peer shall be closed
========== =========================== ==============================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
import structlog

from streamer.auth import Pass
from streamer.session import Peer, understood
from streamer.wire.events import (
    Audio,
    Dialect,
    Fault,
    Gap,
    Message,
    Missing,
    Notice,
    Pause,
    Reply,
    Resume,
    Start,
    Stop,
    WireEvent,
    Withdraw,
)
from streamer.workers.channel import pack, read
from streamer.workers.opening import Opening

_EVENTS: Final[tuple[type[WireEvent], ...]] = (
    Start, Audio, Gap, Missing, Pause, Resume, Notice, Withdraw, Stop, Fault,
)  # fmt: skip
_decoders: Final = {kind.__name__: msgspec.msgpack.Decoder(kind) for kind in _EVENTS}
_frames: Final = msgspec.msgpack.Decoder(list[tuple[str, msgspec.Raw]])
_encoder: Final = msgspec.msgpack.Encoder()
_GONE: Final = (1011, "our fault; the process that carried this call is gone")

log = structlog.get_logger()


def packed(events: list[WireEvent]) -> bytes:
    """Return events as bytes; answers of the dialect are none, they are given where the socket is."""
    return _encoder.encode([(type(event).__name__, event) for event in events if not isinstance(event, Reply)])


def unpacked(data: bytes) -> list[WireEvent]:
    """Return what :func:`packed` made bytes of."""
    return [_decoders[name].decode(raw) for name, raw in _frames.decode(data)]


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """What the worker with the call must know of the stream."""

    claim: str
    """Under which name the call is claimed in the ledger."""
    dialect: str
    peer_closes: bool
    tenant: str
    key_id: str


class RelayedPeer:
    """The peer, as the worker with the call sees it; also its dialect, for the real one is at the other end."""

    name: ClassVar[str]
    peer_closes: ClassVar[bool]

    def __init__(self, hello: Hello, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.name = hello.dialect  # type: ignore[misc] # of the instance: whose dialect it is differs
        self.peer_closes = hello.peer_closes  # type: ignore[misc]
        self.unknown_events = 0
        self._reader = reader
        self._writer = writer

    async def messages(self) -> AsyncIterator[Message]:
        """Iterate over what the peer's messages mean, as bytes."""
        while (said := await read(self._reader)) is not None:
            yield said

    async def send(self, message: Message) -> None:
        """Send a word of the dialect to the other worker."""
        if self._writer.is_closing():
            return
        with suppress(OSError):  # it has gone, and the peer with it; the bus has the event
            self._writer.write(message if isinstance(message, bytes) else message.encode())
            await self._writer.drain()

    async def close(self, code: int, reason: str) -> None:
        """Have the peer closed."""
        await self.send(pack(["close", code, reason]))
        with suppress(OSError):
            self._writer.close()

    def settle(self) -> None:
        """Do nothing: where the socket is, the accepted call is noted."""

    def receive(self, message: Message) -> list[WireEvent]:
        """Return what a message of the peer meant."""
        return unpacked(message if isinstance(message, bytes) else message.encode())

    def closed(self) -> list[WireEvent]:
        """Return nothing: what the peer's close means came as events."""
        return []

    def ready(self, session_id: str, analysed: tuple[str, ...]) -> list[Message]:
        """Have the dialect say that the call is accepted."""
        return [pack(["ready", session_id, analysed])]

    def event(self, event: bytes) -> list[Message]:
        """Have the dialect say an event."""
        return [pack(["event", event])]

    def fault(self, fault: Fault) -> list[Message]:
        """Have the dialect say a fault."""
        return [pack(["fault", fault.code, fault.message, fault.close_code])]

    def ended(self, utterances: int) -> list[Message]:
        """Have the dialect say that the stopped call is over."""
        return [pack(["ended", utterances])]


Take = Callable[[str], bool]
"""Whether a call of that claim is served by this worker; claims it once more if so."""
Serve = Callable[[RelayedPeer, Pass, str], Awaitable[None]]
"""Serves a relayed stream to its end, and then gives up the claim."""


async def listen(path: Path, take: Take, serve: Serve) -> asyncio.Server:
    """Take streams from other workers.

    Parameters
    ----------
    path
        Of the Unix socket.
    take, serve
        What to do with one.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said = await read(reader)
            if said is None:
                return
            hello = msgspec.convert(said, Hello)
            is_ours = take(hello.claim)
            writer.write(pack("mine" if is_ours else "not mine"))
            if is_ours:
                await serve(RelayedPeer(hello, reader, writer), Pass(hello.tenant, hello.key_id), hello.claim)
        finally:
            writer.close()

    return await asyncio.start_unix_server(handle, path)


async def hand_over(opening: Opening, hello: Hello, path: Path) -> bool:
    """Have another worker serve a stream, to its end; False where it does not carry that call (any more).

    Parameters
    ----------
    opening
        The stream, read up to its start.
    hello
        What the other must know.
    path
        Of its Unix socket.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    try:
        writer.write(pack(hello))
        if await read(reader) != "mine":
            return False
        await _forward(opening, reader, writer)
    finally:
        writer.close()
    return True


async def _forward(opening: Opening, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry both directions until the other worker has closed the stream, or is gone."""
    up = asyncio.create_task(_send_events(opening, writer), name="relay up")
    try:
        code, reason = await _say_words(opening.peer, opening.dialect, reader)
        await opening.peer.close(code, reason)
    finally:
        up.cancel()
        await asyncio.gather(up, return_exceptions=True)


async def _send_events(opening: Opening, writer: asyncio.StreamWriter) -> None:
    peer, dialect = opening.peer, opening.dialect
    events, opening.events = opening.events, []
    with suppress(OSError):  # the other worker is gone: who reads its words finds that out
        await _send(events, peer, writer)
        async for message in opening.rest():
            await _send(understood(dialect, message), peer, writer)
        await _send(dialect.closed(), peer, writer)
        writer.write_eof()


async def _send(events: list[WireEvent], peer: Peer, writer: asyncio.StreamWriter) -> None:
    for event in events:
        if isinstance(event, Reply):
            await peer.send(event.message)
    if any(not isinstance(event, Reply) for event in events):
        writer.write(pack(packed(events)))
        await writer.drain()


async def _say_words(peer: Peer, dialect: Dialect, reader: asyncio.StreamReader) -> tuple[int, str]:
    """Say to the peer what the session wants said; return how to close."""
    while (said := await read(reader)) is not None:
        if said[0] == "close":
            return said[1], said[2]
        if said[0] == "ready":
            peer.settle()
        for message in _words(dialect, said):
            await peer.send(message)
    log.warning("a relayed stream ends: the worker that carried its call is gone")
    return _GONE


def _words(dialect: Dialect, said: list[Any]) -> list[Message]:
    match said:
        case ["ready", session_id, analysed]:
            return dialect.ready(session_id, tuple(analysed))
        case ["event", event]:
            return dialect.event(event)
        case ["fault", code, message, close_code]:
            return dialect.fault(Fault(code, message, close_code))
        case ["ended", utterances]:
            return dialect.ended(utterances)
    raise ValueError(f"a relay says {said[0]!r}, which is no word of it")
