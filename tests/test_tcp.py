"""A TCP connection as a session sees it, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from streamer import tcp
from streamer.access.tls import server_context
from streamer.config import LimitSettings, ServerSettings
from streamer.load.guarded import Guard
from streamer.load.pacing import Pacer
from streamer.load.strangers import Strangers
from streamer.metrics import Metrics
from streamer.tcp import CHUNK_BYTES, TcpListener, TcpPeer
from tests.certificates import authority, client_context, signed

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


NOBODY_ELSE = Guard(Strangers(10), lambda _why: None)


def new_pacer() -> Pacer:
    return Pacer(LimitSettings(), Metrics(CollectorRegistry()), asyncio.get_running_loop().time)


@asynccontextmanager
async def listening(
    serve: Callable[[TcpPeer], Awaitable[None]],
    *,
    guard: Guard = NOBODY_ELSE,
    new_pacer: Callable[[], Pacer] = new_pacer,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[TcpListener]:
    listener = await TcpListener(serve, guard=guard, new_pacer=new_pacer).listen("127.0.0.1", 0, tls)
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
            await TcpListener(serve, guard=NOBODY_ELSE, new_pacer=new_pacer).listen("127.0.0.1", listener.port)


async def test_where_too_many_have_no_call_the_oldest_of_them_is_cut_off_and_no_other() -> None:
    cut: list[str] = []
    here: asyncio.Queue[TcpPeer] = asyncio.Queue()

    async def serve(peer: TcpPeer) -> None:
        here.put_nowait(peer)
        async for _ in peer.messages():
            pass

    guard = Guard(Strangers(2), cut.append)
    async with listening(serve, guard=guard) as listener:
        streams = []
        for _ in range(4):
            streams.append(await call(listener))
            peer = await here.get()
            if len(streams) == 1:
                peer.settle()  # it carries a call
        assert await streams[1][0].read() == b""
        assert cut == ["crowd"]
        assert [reader.at_eof() for reader, _ in streams] == [False, True, False, False]
        for _, writer in streams:
            writer.close()
    assert len(guard.strangers) == 0


async def test_every_read_is_told_to_the_pacer_and_nothing_is_lost() -> None:
    told: list[int] = []
    heard: list[bytes] = []
    done = asyncio.Event()

    class Told(Pacer):
        async def read(self, n_bytes: int, messages: int = 1) -> None:
            assert messages == 1
            told.append(n_bytes)
            await super().read(n_bytes, messages)

    async def serve(peer: TcpPeer) -> None:
        async for message in peer.messages():
            assert isinstance(message, bytes)
            heard.append(message)
        done.set()

    limits, metrics = LimitSettings(), Metrics(CollectorRegistry())
    async with listening(serve, new_pacer=lambda: Told(limits, metrics, lambda: 0.0)) as listener:
        _, writer = await call(listener)
        writer.write(bytes(200_000))
        writer.write_eof()
        await done.wait()
        writer.close()
    assert sum(map(len, heard)) == sum(told) == 200_000


async def test_with_tls_what_passes_is_the_same_and_the_peers_certificate_is_known(tmp_path: Path) -> None:
    ca = authority(tmp_path, "ca")
    ours, theirs = signed(ca, tmp_path, "calls"), signed(ca, tmp_path, "pbx.example.com")
    settings = ServerSettings(tls_cert_file=str(ours.cert), tls_key_file=str(ours.key), tls_client_ca_file=str(ca.cert))
    names: list[str] = []

    async def serve(peer: TcpPeer) -> None:
        assert peer.certificate is not None
        names.append(peer.certificate.common_name)
        async for message in peer.messages():
            await peer.send(message)
            await peer.close()

    async with listening(serve, tls=server_context(settings)) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=client_context(ca, theirs))
        writer.write(b"hello")
        assert await reader.read() == b"hello"
        writer.close()
    assert names == ["pbx.example.com"]


async def test_without_tls_there_is_no_certificate() -> None:
    async def serve(peer: TcpPeer) -> None:
        assert peer.certificate is None
        await peer.send(b"none")

    async with listening(serve) as listener:
        reader, writer = await call(listener)
        assert await reader.read() == b"none"
        writer.close()
