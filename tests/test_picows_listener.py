"""The listener on picows beside the one on websockets: a flood, and its end."""

from __future__ import annotations

import pytest
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
