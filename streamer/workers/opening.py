"""The beginning of a stream, read before it is decided which process serves it: that of the call it is a part of.

Where several streams carry one call, all of them must come to one process, and only the dialect knows from the first
messages which call that is. So they are read here, up to the start of the call, and then handed on as they were
understood: to a session of this process, or over a relay to another's. This file must never answer a start, and never
lose an event between the reading and the serving.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar, Final

from streamer.session import Peer, understood
from streamer.wire.events import Dialect, Fault, Message, Reply, Start, WireEvent

MAY_BE_PARTS: Final = frozenset({"asterisk", "audiocodes", "audiosocket", "freeswitch"})
"""Dialects in which several streams may be one call; streams of the others need no look."""


class Opening:
    """The beginning of one stream.

    Parameters
    ----------
    peer
        Who streams.
    dialect
        How it speaks; it goes on with the stream, wherever that is served.
    """

    def __init__(self, peer: Peer, dialect: Dialect) -> None:
        self.peer = peer
        self.dialect = dialect
        self.events: list[WireEvent] = []
        """What was understood and not acted upon; empty where nothing was said in time."""
        self._messages = aiter(peer.messages())
        self._next: asyncio.Future[Message | None] | None = None
        """The message that is waited for; it must not be cancelled, or what comes then would be lost."""

    async def read(self, timeout_s: float) -> None:
        """Read up to the start of the call, or to what cannot lead to one.

        Parameters
        ----------
        timeout_s
            Whoever says nothing for so long is left to the session, which knows what to say to that.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        while not self.events:
            self._next = asyncio.ensure_future(anext(self._messages, None))
            await asyncio.wait({self._next}, timeout=until_s - loop.time())
            if not self._next.done() or self._next.result() is None:
                return
            message, self._next = self._next.result(), None
            if message is not None:
                await self._take(message)

    @property
    def call_id(self) -> str:
        """The platform's id of the call of which this stream is a part; empty where it is none."""
        return next((one.call_id for one in self.events if isinstance(one, Start) and one.is_part), "")

    async def rest(self) -> AsyncIterator[Message]:
        """Iterate over what has not been read yet."""
        while True:
            following = self._next or asyncio.ensure_future(anext(self._messages, None))
            self._next = None
            message = await following
            if message is None:
                return
            yield message

    async def _take(self, message: Message) -> None:
        for event in understood(self.dialect, message):
            if isinstance(event, Reply) and not self.events:
                await self.peer.send(event.message)
            else:
                self.events.append(event)


class OpenedPeer:
    """The peer of a stream whose beginning has been read; its first message stands for that beginning."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    async def messages(self) -> AsyncIterator[Message]:
        """Iterate over what the peer sends."""
        if self._opening.events:
            yield b""
        async for message in self._opening.rest():
            yield message

    async def send(self, message: Message) -> None:
        """Send a message."""
        await self._opening.peer.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Close the stream."""
        await self._opening.peer.close(code, reason)

    def settle(self) -> None:
        """Take note that the stream carries a call now."""
        self._opening.peer.settle()


class OpenedDialect:
    """Its dialect: to the first message it answers what the beginning meant."""

    name: ClassVar[str]
    peer_closes: ClassVar[bool]

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._dialect = opening.dialect
        # Of the instance here: whose dialect it is differs from stream to stream.
        self.name = opening.dialect.name  # type: ignore[misc]
        self.peer_closes = opening.dialect.peer_closes  # type: ignore[misc]

    @property
    def unknown_events(self) -> int:
        """Messages of a kind not known here."""
        return self._dialect.unknown_events

    @unknown_events.setter
    def unknown_events(self, count: int) -> None:
        self._dialect.unknown_events = count

    def receive(self, message: Message) -> list[WireEvent]:
        """Return what a message means."""
        events, self._opening.events = self._opening.events, []
        return events or self._dialect.receive(message)

    def closed(self) -> list[WireEvent]:
        """Return what it means that the peer closed."""
        return self._dialect.closed()

    def ready(self, session_id: str, analysed: tuple[str, ...]) -> list[Message]:
        """Return what to send once the call is accepted."""
        return self._dialect.ready(session_id, analysed)

    def event(self, event: bytes) -> list[Message]:
        """Return what to send for one event."""
        return self._dialect.event(event)

    def fault(self, fault: Fault) -> list[Message]:
        """Return what to send before closing on a fault."""
        return self._dialect.fault(fault)

    def ended(self, utterances: int) -> list[Message]:
        """Return what to send when the stopped call is over."""
        return self._dialect.ended(utterances)
