"""A TCP connection as a session sees it, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from streamer import tcp
from streamer.tcp import CHUNK_BYTES, TcpListener, TcpPeer

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def listening(serve: Callable[[TcpPeer], Awaitable[None]]) -> AsyncIterator[TcpListener]:
    listener = await TcpListener(serve).listen("127.0.0.1", 0)
    try:
        yield listener
    finally:
        await listener.close()


async def call(listener: TcpListener) -> Streams:
    return await asyncio.open_connection("127.0.0.1", listener.port)


async def test_what_is_sent_comes_whole_and_in_pieces_that_are_not_too_large() -> None:
    heard: list[bytes] = []
    done = asyncio.Event()

    async def serve(peer: TcpPeer) -> None:
        async for message in peer.messages():
            assert isinstance(message, bytes)
            heard.append(message)
        done.set()

    data = bytes(range(256)) * 2000
    async with listening(serve) as listener:
        _, writer = await call(listener)
        writer.write(data)
        writer.write_eof()
        await done.wait()
        writer.close()
    assert b"".join(heard) == data
    assert max(map(len, heard)) <= CHUNK_BYTES


async def test_the_peers_address_is_that_of_its_socket() -> None:
    addresses: asyncio.Queue[str] = asyncio.Queue()

    async def serve(peer: TcpPeer) -> None:
        await addresses.put(peer.address)

    async with listening(serve) as listener:
        _, writer = await call(listener)
        assert await addresses.get() == "127.0.0.1"
        writer.close()


async def test_what_is_said_before_closing_arrives_and_nothing_after() -> None:
    async def serve(peer: TcpPeer) -> None:
        await peer.send(b"one ")
        await peer.send("two")
        await peer.close()
        await peer.send(b"three")
        await peer.close()
        assert [message async for message in peer.messages()] == []

    async with listening(serve) as listener:
        reader, writer = await call(listener)
        assert await reader.read() == b"one two"
        writer.close()


async def test_closing_ends_the_reading_of_another_task() -> None:
    reading, over = asyncio.Event(), asyncio.Event()
    peers: list[TcpPeer] = []

    async def serve(peer: TcpPeer) -> None:
        peers.append(peer)
        async for _ in peer.messages():
            reading.set()
        over.set()

    async with listening(serve) as listener:
        reader, writer = await call(listener)
        writer.write(b"x")
        await reading.wait()
        await peers[0].close(1001, "draining")
        await over.wait()
        assert await reader.read() == b""
        writer.close()


async def test_a_reset_is_an_end_like_any_other() -> None:
    over = asyncio.Event()

    async def serve(peer: TcpPeer) -> None:
        async for _ in peer.messages():
            pass
        await peer.send(b"too late")
        over.set()

    async with listening(serve) as listener:
        _, writer = await call(listener)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        await over.wait()


async def test_a_peer_that_does_not_read_our_last_words_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "CLOSE_WITHIN_S", 0.05)
    closed = asyncio.Event()

    async def serve(peer: TcpPeer) -> None:
        sending = asyncio.create_task(peer.send(bytes(64 * 2**20)))
        await asyncio.wait({sending}, timeout=0)
        await peer.close()
        closed.set()
        await sending

    async with listening(serve) as listener:
        _, writer = await call(listener)
        await closed.wait()
        writer.transport.abort()


async def test_however_serving_ends_the_connection_is_closed() -> None:
    async def serve(peer: TcpPeer) -> None:
        await peer.send(b"hello")

    async with listening(serve) as listener:
        reader, writer = await call(listener)
        assert await reader.read() == b"hello"
        writer.close()


async def test_closing_the_listener_cuts_what_is_still_served_and_leaves_no_task() -> None:
    serving, cancelled = asyncio.Event(), asyncio.Event()

    async def serve(_: TcpPeer) -> None:
        serving.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with listening(serve) as listener:
        reader, writer = await call(listener)
        await serving.wait()
    assert cancelled.is_set()
    assert await reader.read() == b""
    writer.close()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "tcp peer"] == []


async def test_a_port_that_is_taken_is_an_error() -> None:
    async def serve(_: TcpPeer) -> None:
        raise AssertionError

    async with listening(serve) as listener:
        with pytest.raises(OSError, match="in use"):
            await TcpListener(serve).listen("127.0.0.1", listener.port)
