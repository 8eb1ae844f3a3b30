"""One connection of a call, WebSocket or plain TCP, behind the same three verbs.

This file must never know a dialect, and an exception of the transport never leaves it as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from streamer_client.connection import OPEN_TIMEOUT_S, closed, open_socket, unreachable
from streamer_client.dialects.speaker import Message
from streamer_client.errors import ConnectError, OptionError, StreamError

LEAVE_TIMEOUT_S = 120.0
"""A server that is fed as fast as possible sees the end of a call only behind all audio that was sent before it."""
_READ_BYTES = 65_536


class HungUpError(Exception):
    """The connection is closed.

    Attributes
    ----------
    in_order : bool
        The server closed it without finding fault.
    error : StreamError
        What it means where it was not to be expected.
    """

    def __init__(self, *, in_order: bool, error: StreamError) -> None:
        super().__init__(str(error))
        self.in_order = in_order
        self.error = error


class Transport(Protocol):
    """One connection."""

    async def send(self, message: Message) -> None:
        """Send; returns when the connection can take more. Raises `HungUpError`."""
        ...

    async def receive(self) -> Message:
        """Return what comes next. Raises `HungUpError`."""
        ...

    async def close(self) -> None:
        """Say that nothing more comes, and wait until the server has read everything and closed as well."""
        ...


@asynccontextmanager
async def open_transport(url: str, headers: Mapping[str, str], subprotocols: Sequence[str]) -> AsyncIterator[Transport]:
    """Connect by the URL's scheme: ``ws``, ``wss`` or ``tcp``; leaving the block closes in any case.

    Raises
    ------
    ConnectError
        No connection came about; the message says why.
    OptionError
        `url` cannot be right.
    """
    transport: _WebSocket | _Tcp
    if urlsplit(url).scheme == "tcp":
        transport = await _Tcp.open(url)
    else:
        transport = _WebSocket(await open_socket(url, headers, subprotocols, close_timeout_s=LEAVE_TIMEOUT_S))
    try:
        yield transport
    except BaseException:
        await transport.abandon()
        raise
    await transport.close()


class _WebSocket:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, message: Message) -> None:
        try:
            await self._socket.send(message)
        except ConnectionClosed as problem:
            raise _hung_up(problem) from problem

    async def receive(self) -> Message:
        try:
            return await self._socket.recv()
        except ConnectionClosed as problem:
            raise _hung_up(problem) from problem

    async def close(self) -> None:
        await self._socket.close()

    async def abandon(self) -> None:
        self._socket.transport.abort()
        await self._socket.wait_closed()


class _Tcp:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._over = asyncio.Event()

    @classmethod
    async def open(cls, url: str) -> _Tcp:
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or not port:
            raise OptionError(f"got {url!r} as the server's address; expected one like tcp://127.0.0.1:8766")
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                return cls(*await asyncio.open_connection(host, port))
        except TimeoutError as problem:
            raise ConnectError(
                f"no answer from {url} within {OPEN_TIMEOUT_S:.0f} s; check the address and the firewall"
            ) from problem
        except OSError as problem:
            raise unreachable(url, problem) from problem

    async def send(self, message: Message) -> None:
        try:
            self._writer.write(message.encode() if isinstance(message, str) else message)
            await self._writer.drain()
        except OSError as problem:
            raise _lost(problem) from problem

    async def receive(self) -> Message:
        data = b""
        try:
            data = await self._reader.read(_READ_BYTES)
        except OSError as problem:
            raise _lost(problem) from problem
        finally:
            if not data:
                self._over.set()
        if data:
            return data
        raise HungUpError(in_order=True, error=StreamError("closed", "the server closed the call before its end"))

    async def close(self) -> None:
        with suppress(OSError, TimeoutError):
            if self._writer.can_write_eof() and not self._writer.is_closing():
                self._writer.write_eof()
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._over.wait()
        await self.abandon()

    async def abandon(self) -> None:
        self._writer.transport.abort()  # whatever was to be said has been said
        with suppress(OSError):
            await self._writer.wait_closed()


def _hung_up(problem: ConnectionClosed) -> HungUpError:
    return HungUpError(in_order=isinstance(problem, ConnectionClosedOK), error=closed(problem))


def _lost(problem: OSError) -> HungUpError:
    words = f"the connection to the server was lost ({str(problem.strerror or problem).lower()})"
    return HungUpError(in_order=False, error=StreamError("lost", f"{words}; the server sees the call as disconnected"))
