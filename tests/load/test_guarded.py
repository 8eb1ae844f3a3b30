"""What a peer can do to a WebSocket without ever sending a message, over real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from streamer.load.framing import Framing
from streamer.load.guarded import CONTROL_AT_ONCE, MAX_HEAD_BYTES, Guard, GuardedConnection, keep_alive
from streamer.load.portions import PORTION_BYTES
from streamer.load.strangers import Strangers

HELLO = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


class Listening:
    """A guarded listener, what it cut off and which connections it has served."""

    def __init__(self, most: int) -> None:
        self.cut: list[str] = []
        self.guard = Guard(Strangers(most), self.cut.append)
        self.served: asyncio.Queue[GuardedConnection] = asyncio.Queue()
        self.listener: Server

    async def handle(self, connection: ServerConnection) -> None:
        assert isinstance(connection, GuardedConnection)
        self.served.put_nowait(connection)
        await connection.wait_closed()

    @property
    def port(self) -> int:
        return int(next(iter(self.listener.sockets)).getsockname()[1])

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


@asynccontextmanager
async def listening(most: int = 10) -> AsyncIterator[Listening]:
    ours = Listening(most)
    create = partial(GuardedConnection, guard=ours.guard)
    async with serve(ours.handle, "127.0.0.1", 0, create_connection=create, compression=None) as ours.listener:
        yield ours


async def until_cut(reader: asyncio.StreamReader) -> None:
    """Return once the other side has cut the connection; whether that is a reset depends on what was on its way."""
    with suppress(ConnectionResetError):
        while await reader.read(1000):
            pass


async def test_a_request_that_does_not_end_is_cut_off() -> None:
    async with listening() as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.port)
        writer.write(HELLO)
        for _ in range(MAX_HEAD_BYTES // 4000 + 1):
            writer.write(b"X-More: " + b"x" * 4000 + b"\r\n")
        await until_cut(reader)
        writer.close()
        assert ours.cut == ["head"]


async def test_a_long_request_that_ends_is_served() -> None:
    async with listening() as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.port)
        more = b"".join(b"X-%d: " % n + b"x" * 4000 + b"\r\n" for n in range(MAX_HEAD_BYTES // 4100))
        writer.write(HELLO + KEY + more + b"\r\n")
        assert b" 101 " in await reader.readline()
        writer.close()
        assert ours.cut == []


async def test_pings_without_end_are_ended_in_words() -> None:
    async with listening() as ours, connect(ours.url) as peer:
        with suppress(ConnectionClosed):
            for _ in range(int(CONTROL_AT_ONCE) + 50):
                await peer.ping(os.urandom(8))
        with pytest.raises(ConnectionClosed):
            await peer.recv()
        assert (peer.close_code, peer.close_reason) == (1008, "too many pings")
        assert ours.cut == ["pings"]


@pytest.mark.parametrize("early", [[], [b"early"]], ids=["alone", "with a frame"])
async def test_frames_are_found_behind_a_request_in_pieces_and_left_to_the_library_where_they_came_with_it(
    early: list[bytes],
) -> None:
    async with listening() as ours:
        _, writer = await asyncio.open_connection("127.0.0.1", ours.port)
        behind = b"".join(Frame(Opcode.BINARY, data).serialize(mask=True) for data in early)
        for piece in (HELLO, KEY, b"\r", b"\n" + behind):
            writer.write(piece)
            await writer.drain()
        connection = await ours.served.get()
        writer.write(Frame(Opcode.BINARY, b"late").serialize(mask=True))
        assert [await connection.recv() for _ in [*early, b"late"]] == [*early, b"late"]
        assert connection._is_apart is not bool(early)
        writer.close()


async def test_what_was_read_behind_pings_without_end_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[bytes] = []
    receive = Framing.receive
    monkeypatch.setattr(Framing, "receive", lambda self, data: fed.append(data) or receive(self, data))
    async with listening() as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.port)
        writer.write(HELLO + KEY + b"\r\n")
        connection = await ours.served.get()
        pings = Frame(Opcode.PING, b"").serialize(mask=True) * (int(CONTROL_AT_ONCE) + 50)
        writer.write(pings + Frame(Opcode.BINARY, bytes(6 * PORTION_BYTES)).serialize(mask=True))
        await until_cut(reader)
        await connection.wait_closed()
        assert ours.cut == ["pings"]
        assert sum(map(len, fed)) < 3 * PORTION_BYTES
        writer.close()


@pytest.mark.parametrize("ends", [False, True], ids=["vanishes", "says that nothing more comes"])
async def test_what_was_read_before_the_end_is_taken_apart_in_portions_and_nothing_of_it_is_lost(
    monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    fed: list[int] = []
    receive = Framing.receive
    monkeypatch.setattr(Framing, "receive", lambda self, data: fed.append(len(data)) or receive(self, data))
    async with listening() as ours:
        _, writer = await asyncio.open_connection("127.0.0.1", ours.port)
        writer.write(HELLO + KEY + b"\r\n")
        connection = await ours.served.get()
        said = [str(n).encode() for n in range(4000)]
        flood = b"".join(Frame(Opcode.BINARY, data).serialize(mask=True) for data in said)
        assert len(flood) > 4 * PORTION_BYTES
        connection.data_received(flood)  # one read brings it all
        if ends:
            connection.eof_received()  # as TLS has it, though it is told not to read
        connection.transport.abort()
        heard = []
        with suppress(ConnectionClosed):
            while True:
                heard.append(await connection.recv())
        assert heard == said
        assert max(fed) <= PORTION_BYTES
        await connection.wait_closed()
        writer.close()


async def test_as_many_pings_as_a_burst_has_are_answered() -> None:
    async with listening() as ours, connect(ours.url) as peer:
        pongs = [await peer.ping(os.urandom(8)) for _ in range(int(CONTROL_AT_ONCE) // 2)]
        await asyncio.gather(*pongs)
        assert ours.cut == []


async def test_where_too_many_say_nothing_the_oldest_goes_and_who_has_a_call_stays() -> None:
    async with listening(most=2) as ours, connect(ours.url) as call:
        (await ours.served.get()).settle()
        silent = [await asyncio.open_connection("127.0.0.1", ours.port) for _ in range(2)]
        async with connect(ours.url) as late:
            await until_cut(silent[0][0])
            assert not silent[1][0].at_eof()
            for peer in (call, late):
                await (await peer.ping())
        assert ours.cut == ["crowd"]
        for _, writer in silent:
            writer.close()


async def test_who_has_gone_is_no_stranger_any_more() -> None:
    async with listening(most=1) as ours:
        for _ in range(3):
            async with connect(ours.url):
                connection = await ours.served.get()
            await connection.wait_closed()
            assert len(ours.guard.strangers) == 0
        assert ours.cut == []


async def test_frames_are_counted_and_pieces_of_messages_too() -> None:
    async with listening() as ours, connect(ours.url) as peer:
        connection = await ours.served.get()
        await peer.send(b"123")
        await peer.send([b"1", b"2", b"3"])
        await (await peer.ping())
        assert connection.bytes_read == 6
        assert 4 <= connection.frames_read <= 5  # the library may end a message with an empty frame
        connection.process_event(Frame(Opcode.PONG, b""))
        assert connection.bytes_read == 6


async def test_of_a_flood_in_one_write_little_waits_and_all_arrives_in_order() -> None:
    got: list[bytes | str] = []
    waiting = [0]

    async def read_slowly(connection: ServerConnection) -> None:
        async for message in connection:
            got.append(message)
            waiting.append(len(connection.recv_messages.frames))
            await asyncio.sleep(0)

    create = partial(GuardedConnection, guard=Guard(Strangers(9), print))
    async with serve(read_slowly, "127.0.0.1", 0, create_connection=create, compression=None, max_queue=4) as listener:
        port = next(iter(listener.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", compression=None) as socket:
            said = [f"{n}" for n in range(20_000)]
            socket.transport.write(b"".join(Frame(Opcode.TEXT, text.encode()).serialize(mask=True) for text in said))
            await socket.close()
    assert got == said
    assert max(waiting) <= PORTION_BYTES / 7 + 4  # a frame has at least seven bytes here


def test_the_system_is_asked_to_notice_when_the_other_end_is_gone() -> None:
    with socket.socket() as ours:
        keep_alive(ours)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
