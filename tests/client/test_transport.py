"""The two kinds of connection, against real sockets on this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from streamer_client.errors import ConnectError, OptionError
from streamer_client.transport import HungUpError, open_transport

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def tcp(serve: Serve) -> AsyncIterator[str]:
    """Give the URL of a TCP server."""
    done: list[asyncio.Task[Any]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        done.append(task)
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        if done:
            await asyncio.wait(done)


async def test_over_tcp_everything_arrives_before_the_end() -> None:
    heard = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        writer.write(b"welcome")
        heard = await reader.read(-1)

    async with tcp(serve) as url, open_transport(url, {}, ()) as transport:
        assert await transport.receive() == b"welcome"
        await transport.send(bytes(1_000_000))
        await transport.send("text")
        listening = asyncio.create_task(end_of(transport))
        await transport.close()
        assert (await listening).in_order
    assert heard == bytes(1_000_000) + b"text"


async def end_of(transport: Any) -> HungUpError:
    """Return how a connection ends."""
    try:
        while True:
            await transport.receive()
    except HungUpError as hung_up:
        return hung_up


async def test_a_tcp_server_that_hangs_up_is_told_from_one_that_is_lost() -> None:
    async def leave(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        pass

    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # With no time to linger the kernel sends a reset instead of an end.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        writer.transport.abort()

    async with tcp(leave) as url, open_transport(url, {}, ()) as transport:
        end = await end_of(transport)
    assert (end.in_order, end.error.code) == (True, "closed")
    async with tcp(reset) as url, open_transport(url, {}, ()) as transport:
        end = await end_of(transport)
    assert (end.in_order, end.error.code) == (False, "lost")


async def test_what_fails_inside_cuts_the_connection() -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.read(-1))
        except ConnectionError:
            heard.append(b"cut")

    async def fail(url: str) -> None:
        async with open_transport(url, {}, ()) as transport:
            await transport.send(b"abc")
            raise ZeroDivisionError

    async with tcp(serve) as url:
        with pytest.raises(ZeroDivisionError):
            await fail(url)
    assert heard in ([b"abc"], [b"cut"])


@pytest.mark.parametrize("url", ["tcp://127.0.0.1", "tcp://:8766", "tcp://127.0.0.1:99999"])
async def test_what_is_no_tcp_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(OptionError, match=r"expected one like tcp://127\.0\.0\.1:8766"):
        async with open_transport(url, {}, ()):
            pass


async def test_nobody_listening_on_tcp_is_one_clear_line() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectError, match=r"connection refused; is the server running there\?"):
            async with open_transport(f"tcp://127.0.0.1:{unused.getsockname()[1]}", {}, ()):
                pass


async def test_over_websocket_headers_and_subprotocol_are_offered_and_the_end_is_in_order(server: Any) -> None:
    seen: list[Any] = []

    async def take(peer: Any, heard: Any) -> None:
        seen.append((peer.request.headers.get("Sec-WebSocket-Protocol"), heard.headers["Key"]))
        await peer.send(await peer.recv())

    server.handlers["/x"] = take
    async with open_transport(f"{server.url}/x", {"Key": "1"}, ("media", "audio")) as transport:
        await transport.send("ping")
        assert await transport.receive() == "ping"
        assert (await end_of(transport)).in_order
        with pytest.raises(HungUpError):
            await transport.send("more")
    assert seen == [("media, audio", "1")]


async def test_a_websocket_closed_for_a_reason_is_not_in_order(server: Any) -> None:
    async def refuse(peer: Any, _heard: Any) -> None:
        await peer.close(1008, "bad_token")

    server.handlers["/x"] = refuse
    async with open_transport(f"{server.url}/x", {}, ()) as transport:
        end = await end_of(transport)
    assert (end.in_order, end.error.code) == (False, "policy")
    assert "bad_token" in str(end)
