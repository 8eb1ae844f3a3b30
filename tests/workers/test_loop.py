"""A worker's loop: whatever listens on it gets what is handed to it, TCP and WebSocket, and every end is counted."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from streamer.workers.loop import Listener, WorkerLoop
from tests.certificates import authority, signed


def on_loop(work: Callable[[WorkerLoop], Coroutine[Any, Any, None]]) -> None:
    loop = WorkerLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work(loop))


class Plain(asyncio.Protocol):
    """A protocol that does nothing."""


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


def test_a_tcp_server_gets_what_is_handed_to_its_port_and_its_end_is_counted() -> None:
    async def work(loop: WorkerLoop) -> None:
        gone = asyncio.Event()
        loop.on_gone = gone.set
        server = await asyncio.start_server(echo, "127.0.0.1", 8766)
        assert server.sockets[0].getsockname()[1] == 8766
        near, far = socket.socketpair()
        await loop.take(8766, far)
        assert (loop.connections, loop.nobody.is_set()) == (1, False)
        reader, writer = await asyncio.open_connection(sock=near)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await gone.wait()
        assert (loop.connections, loop.nobody.is_set()) == (0, True)
        server.close()
        await server.wait_closed()

    on_loop(work)


def test_a_websocket_server_works_as_on_a_port_of_its_own() -> None:
    async def work(loop: WorkerLoop) -> None:
        async with serve(lambda it: it.send("hello"), "127.0.0.1", 8765):
            near, far = socket.socketpair()
            await loop.take(8765, far)
            async with connect("ws://127.0.0.1:8765/", sock=near) as client:
                assert await client.recv() == "hello"
            await loop.nobody.wait()

    on_loop(work)


def test_a_handshake_that_fails_is_counted_as_gone_once(tmp_path) -> None:
    ours = signed(authority(tmp_path, "authority"), tmp_path, "server")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(ours.cert, ours.key)

    async def work(loop: WorkerLoop) -> None:
        ends: list[int] = []
        loop.on_gone = lambda: ends.append(loop.connections)
        await loop.create_server(Plain, "127.0.0.1", 8765, ssl=tls, ssl_handshake_timeout=10, backlog=9)
        near, far = socket.socketpair()
        near.sendall(b"this is no TLS\r\n\r\n")
        await loop.take(8765, far)
        await loop.nobody.wait()
        near.close()
        assert ends == [0]

    on_loop(work)


@pytest.mark.parametrize("is_open", [True, False])
def test_what_comes_to_a_port_where_nobody_listens_any_more_is_closed(is_open: bool) -> None:
    async def work(loop: WorkerLoop) -> None:
        if is_open:
            server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 8765)
            server.close()
            assert not server.is_serving()
        near, far = socket.socketpair()
        with near:
            await loop.take(8765, far)
            assert near.recv(1) == b""
        assert loop.connections == 0

    on_loop(work)


def test_a_protocol_that_fails_at_its_end_is_counted_all_the_same() -> None:
    class Failing(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            raise ValueError("a defect") from exc

    async def work(loop: WorkerLoop) -> None:
        said: list[str] = []
        loop.set_exception_handler(lambda _, context: said.append(str(context.get("exception"))))
        await loop.create_server(Failing, "127.0.0.1", 8765)
        near, far = socket.socketpair()
        await loop.take(8765, far)
        near.close()
        await loop.nobody.wait()
        assert said in ([], ["a defect"])

    on_loop(work)


def test_a_listener_is_all_that_a_server_asks_of_one() -> None:
    async def work(loop: WorkerLoop) -> None:
        listener = await loop.create_server(asyncio.Protocol)
        assert isinstance(listener, Listener)
        assert listener.is_serving()
        assert listener.get_loop() is loop
        await listener.start_serving()
        await listener.serve_forever()
        await listener.wait_closed()

    on_loop(work)
