"""An open WebSocket: both libraries wait, hold back, ping and close alike."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from streamer.entrance import UNREAD_MESSAGES
from streamer.load.guarded import CONTROL_AT_ONCE
from streamer.load.portions import PORTION_BYTES
from streamer.picows_peer import MOST_PIECES
from streamer.wire.events import Message
from tests.transported import LIBRARIES, frame, listening, raw

pytest.importorskip("picows", reason="the extra picows is not installed")

both = pytest.mark.parametrize("library", LIBRARIES)


async def test_while_a_session_is_slow_little_waits_for_it_and_the_rest_stays_in_the_socket() -> None:
    got: list[Message] = []
    waiting: list[int] = []

    async def read_slowly(peer: Any) -> None:
        async for message in peer.messages():
            got.append(message)
            waiting.append(len(peer._unread))
            await asyncio.sleep(0)

    async with listening("picows", serving=read_slowly, limits__messages_per_second=0) as ours, raw(ours) as peer:
        said = [f"{n}" for n in range(20_000)]
        peer.writer.write(b"".join(frame(Opcode.TEXT, text.encode()) for text in said))
        await peer.close()
        await ours.ended.wait()
    assert got == said
    assert max(waiting) <= PORTION_BYTES / 7 + UNREAD_MESSAGES  # a frame has at least seven bytes here


@both
async def test_we_close_while_the_peer_is_in_full_flow(library: str) -> None:
    async def close(peer: Any) -> None:
        await asyncio.gather(peer.close(4000, "why"), peer.close(4001, "again"))
        await peer.send("quiet")

    async with listening(library, serving=close) as ours, connect(ours.url) as peer:
        with suppress(ConnectionClosed):
            while True:
                await peer.send(bytes(10_000))
        assert (peer.close_code, peer.close_reason) == (4000, "why")
        await ours.ended.wait()


@both
async def test_who_does_not_read_makes_who_sends_to_him_wait(library: str) -> None:
    sent_all: list[bool] = []

    async def tell(peer: Any) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5) as waiting:
                for _ in range(1000):  # 100 MB: more than any socket holds
                    await peer.send("x" * 100_000)
        sent_all.append(not waiting.expired())

    async with listening(library, serving=tell) as ours, raw(ours) as peer:
        await ours.ended.wait()
        peer.writer.transport.abort()
    assert sent_all == [False]


@both
async def test_what_we_say_arrives_in_the_form_in_which_it_was_said(library: str) -> None:
    async def tell(peer: Any) -> None:
        for message in ("text", b"bytes", "ü" * 9000):
            await peer.send(message)

    async with listening(library, serving=tell) as ours, connect(ours.url) as peer:
        assert [await peer.recv() for _ in range(3)] == ["text", b"bytes", "ü" * 9000]
        with pytest.raises(ConnectionClosed):
            await peer.recv()
        assert peer.close_code == 1000


@both
async def test_pings_come_in_their_interval_and_a_missing_pong_ends_nothing(library: str) -> None:
    async with listening(library, server__ping_interval_s=0.01) as ours, raw(ours) as peer:
        head = b""
        while head.count(b"\x89") < 3:
            head += await peer.reader.read(100)
        assert not ours.ended.is_set()


@both
async def test_pings_without_end_are_ended_in_words(library: str) -> None:
    async with listening(library) as ours, connect(ours.url) as peer:
        with suppress(ConnectionClosed):
            for n in range(int(CONTROL_AT_ONCE) + 50):
                await peer.ping(b"%d" % n)
                await asyncio.sleep(0)
        with pytest.raises(ConnectionClosed):
            await peer.recv()
        assert (peer.close_code, peer.close_reason) == (1008, "too many pings")
        assert ours.cut == ["pings"]


@both
async def test_a_message_has_so_many_pieces_and_no_more(library: str) -> None:
    for more, code in ((0, 1000), (1, 1009)):
        async with listening(library, limits__messages_per_second=0) as ours, connect(ours.url) as peer:
            with suppress(ConnectionClosed):
                await peer.send([b"1"] * (MOST_PIECES - 1 + more))  # the library adds an empty one, which ends it
            await peer.ping()
            if not more:
                await peer.close()
            await peer.wait_closed()
            await ours.ended.wait()
            assert (peer.close_code, ours.got) == (code, [] if more else [b"1" * (MOST_PIECES - 1)])
