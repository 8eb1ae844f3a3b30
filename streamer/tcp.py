"""A listener for platforms that speak over plain TCP, without WebSocket: a connection as a session sees it.

This file must never look into what passes, and never leave a connection open that nobody serves.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

from streamer.access.tls import client_certificate
from streamer.auth import Certificate
from streamer.load.guarded import OPEN_WITHIN_S, Guard, keep_alive
from streamer.load.pacing import Pacer
from streamer.wire.events import Message

CHUNK_BYTES: Final = 16_384
"""The most that is read at once: of the smallest frames these are thousands, and others have to wait meanwhile."""
CLOSE_WITHIN_S: Final = 5.0
"""How long a peer may take to read our last words before it is cut off."""


class TcpPeer:
    """A TCP connection; its messages are bytes in the pieces in which they happen to come."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, pacer: Pacer, guard: Guard
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._pacer = pacer
        self._guard = guard
        keep_alive(writer.get_extra_info("socket"))
        if guard.strangers.come(self, writer.transport.abort):
            guard.cut_off("crowd")
        self._closing = False

    @property
    def address(self) -> str:
        """The peer's IP address."""
        name = self._writer.get_extra_info("peername")
        return str(name[0]) if name else ""

    @property
    def certificate(self) -> Certificate | None:
        """What the peer proved to have; None without TLS, or where no certificate is asked for."""
        return client_certificate(self._writer.get_extra_info("ssl_object"))

    async def messages(self) -> AsyncIterator[Message]:
        """Iterate over what comes until either side closes, in whichever way."""
        with suppress(OSError):  # reset or timed out: there is nothing more to read
            while not self._closing and (data := await self._reader.read(CHUNK_BYTES)):
                yield data
                await self._pacer.read(len(data))

    async def send(self, message: Message) -> None:
        """Send bytes; quietly nothing once the connection is closed."""
        if self._closing or self._writer.is_closing():
            return
        with suppress(OSError):  # the peer has gone; the bus has the event
            self._writer.write(message.encode() if isinstance(message, str) else message)
            await self._writer.drain()

    async def close(self, code: int = 1000, reason: str = "") -> None:  # noqa: ARG002 - TCP has no words for why
        """Close the connection once what was sent is out, or the peer has had its time to read it."""
        self._closing = True
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self._writer.transport.abort()
        finally:
            self.settle()

    def settle(self) -> None:
        """Take note that it carries a call now, or is closed: it is not cut off to make room for others."""
        self._guard.strangers.go(self)


class TcpListener:
    """Serves each connection by a task of its own.

    Parameters
    ----------
    serve
        Serves one peer to its end. However it ends, the connection is closed then.
    guard
        Bounds how many may be here without a call.
    new_pacer
        Makes what each one is kept to its pace by.
    """

    def __init__(
        self, serve: Callable[[TcpPeer], Awaitable[None]], *, guard: Guard, new_pacer: Callable[[], Pacer]
    ) -> None:
        self._serve = serve
        self._guard = guard
        self._new_pacer = new_pacer
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> TcpListener:
        """Begin to listen, with TLS where a context is given.

        Raises
        ------
        OSError
            The port is taken or not allowed.
        """
        self._server = await asyncio.start_server(
            self._accept,
            host,
            port,
            limit=CHUNK_BYTES,
            ssl=tls,
            ssl_handshake_timeout=OPEN_WITHIN_S if tls else None,
        )
        return self

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and cut what is still being served."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = TcpPeer(reader, writer, pacer=self._new_pacer(), guard=self._guard)
        task = asyncio.create_task(self._serve_one(peer), name="tcp peer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_one(self, peer: TcpPeer) -> None:
        try:
            await self._serve(peer)
        finally:
            await peer.close()
