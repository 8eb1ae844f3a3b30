"""Server-sent events: whole, in order, put together for who reads slowly, and over when the session is."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from streamer_client.dashboard.hub import Hub
from streamer_client.dashboard.model import Model
from streamer_client.dashboard.stream import message, news

BEGAN_S = 1_790_000_000.0


def hub_of(remembered: int = 100) -> Hub:
    return Hub(Model(), None, now_s=lambda: BEGAN_S, midnight_s=lambda now_s: now_s, remembered=remembered)


async def test_a_stream_says_at_first_how_soon_to_come_back_and_then_what_is_new(make: Any, at: Any) -> None:
    hub = hub_of()
    async with contextlib.aclosing(news(hub, hub.cursor, still_in=lambda: True, gather_s=0)) as stream:
        assert await anext(stream) == b"retry: 2000\n\n"
        waiting = asyncio.ensure_future(anext(stream))
        hub.receive(at(make.state(), 0))
        text = (await waiting).decode()
    assert text.startswith(f"id: {hub.cursor}\nevent: call\ndata: {{")
    assert text.endswith("}\n\n")
    assert text.count("\n") == 4


async def test_a_quiet_stream_says_that_it_is_there() -> None:
    hub = hub_of()
    async with contextlib.aclosing(news(hub, hub.cursor, still_in=lambda: True, heartbeat_s=0)) as stream:
        assert [await anext(stream) for _ in range(3)][1:] == [b": still here\n\n"] * 2


async def test_who_reads_slowly_gets_each_call_once_or_is_told_to_begin_anew(make: Any, at: Any) -> None:
    for calls, expected in ((3, ["call"] * 3), (9, ["reset"])):
        hub = hub_of(remembered=5)
        async with contextlib.aclosing(news(hub, hub.cursor, still_in=lambda: True, gather_s=0)) as stream:
            await anext(stream)
            for repeat in range(20):  # while nobody reads
                for number in range(calls):
                    hub.receive(at(make.utterance(repeat, call=f"CA{number}"), repeat))
            lines = (await anext(stream)).decode().splitlines()
            assert [line.partition(": ")[2] for line in lines if line.startswith("event")] == expected
            if expected == ["reset"]:
                assert [one async for one in stream] == []


async def test_a_stream_ends_with_its_session_or_with_the_dashboard() -> None:
    hub = hub_of()
    signed_in = True
    stream = news(hub, hub.cursor, still_in=lambda: signed_in)
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream, None))
    await asyncio.sleep(0)
    signed_in = False
    hub.wake()
    assert await waiting is None
    other = news(hub, hub.cursor, still_in=lambda: True)
    await anext(other)
    hub.close()
    assert [one async for one in other] == []


def test_a_message_has_its_cursor_its_kind_and_its_data() -> None:
    assert message(7, "gone", b'{"id":"CA1"}') == b'id: 7\nevent: gone\ndata: {"id":"CA1"}\n\n'
