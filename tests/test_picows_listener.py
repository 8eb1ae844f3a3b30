"""The listener on picows beside the one on websockets: a flood, a peer that is slow, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from tests.transported import LIBRARIES, frame, listening, raw

pytest.importorskip("picows", reason="the extra picows is not installed")

both = pytest.mark.parametrize("library", LIBRARIES)


@both
async def test_a_flood_of_tiny_messages_waits_in_the_socket_and_arrives_whole(library: str) -> None:
    async with listening(library, limits__messages_per_second=0) as ours, raw(ours) as peer:
        said = [f"{n}" for n in range(20_000)]
        peer.writer.write(b"".join(frame(Opcode.TEXT, text.encode()) for text in said))
        await peer.close()
        await ours.ended.wait()
        assert ours.got == said


@both
async def test_a_listener_that_closes_says_1001_and_waits_for_who_is_served(library: str) -> None:
    async with listening(library) as ours, connect(ours.url) as peer:
        await ours.peers.get()
        await ours.listener.close()
        assert ours.ended.is_set()
        with pytest.raises(ConnectionClosed):
            await peer.recv()
        assert peer.close_code == 1001


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@both
def test_what_waits_for_a_slow_peer_is_not_written_over_by_what_is_said_next(
    library: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    sizes = (100, 9_000, 70_000, 200_000)  # a head has one length in 7, 16 or 64 bits; 28 MB fill any socket
    said = [chr(ord("a") + n % 26) * sizes[n % len(sizes)] for n in range(400)]

    async def tell(peer: Any) -> None:
        await asyncio.gather(*(peer.send(text) for text in said))

    async def hear() -> list[str | bytes]:
        async with listening(library, serving=tell) as ours, connect(ours.url) as peer:
            return [await peer.recv() for _ in said]

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(hear()) == said
