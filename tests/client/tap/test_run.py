"""A tapped call at the contract's other side: fake devices, a fake clock, a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from streamer_client.errors import StreamError
from streamer_client.stream import stream_call
from streamer_client.tap.run import Tapped, Watcher, tap_call

from tests.client.tap.sources import FakeSource

RATE_HZ = 8000


class Story(Watcher):
    """Lets time go on in steps, each of which the tap has seen when it returns."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.told: list[str] = []
        self.shown: list[Sequence[float | None]] = []
        self.reads = asyncio.Event()
        self.until = asyncio.Event()

    @property
    def now_s(self) -> float:
        return self.now_ms / 1000

    def clock(self) -> float:
        self.reads.set()
        return self.now_s

    async def seen(self) -> None:
        for _ in range(3):  # once may have been under way, and what was handed over comes by the loop
            self.reads.clear()
            await self.reads.wait()

    async def go_on(self, by_ms: int) -> None:
        self.now_ms += by_ms
        await self.seen()

    def levels(self, position_ms: float, levels_dbfs: Sequence[float | None]) -> None:  # noqa: ARG002
        self.shown.append(levels_dbfs)

    def lost(self, reason: str) -> None:
        self.told.append(reason)

    def back(self, name: str) -> None:
        self.told.append(f"{name} is back")


async def opened(sources: Sequence[FakeSource], story: Story) -> None:
    while not all(source.opened for source in sources):
        await story.seen()


async def test_what_both_devices_say_is_the_call_and_nothing_is_a_gap(server: Any, make: Any) -> None:
    server.events = [make.utterance()]
    story, sources = Story(), [FakeSource("Monitor"), FakeSource("Microphone")]
    customer = np.arange(1, 8001, dtype=np.int16)
    agent = (-customer).astype(np.int16)
    async with stream_call(server.url, call_id="CA1", roles=["customer", "agent"], rate_hz=RATE_HZ) as call:
        tapping = asyncio.create_task(
            tap_call(call, sources, rate_hz=RATE_HZ, until=story.until, watcher=story, now_s=story.clock)
        )
        await opened(sources, story)
        for n in range(50):  # a second of both
            story.now_ms += 20
            for source, samples in zip(sources, (customer, agent), strict=True):
                source.say(samples[n * 160 : n * 160 + 160], story.now_s)
        await story.go_on(300)  # the delay: now all of it is due
        await story.go_on(1500)
        story.until.set()
        tapped = await tapping
    assert tapped == Tapped(2500.0, 1, (0.0, 0.0))
    (heard,) = server.calls
    sent = np.frombuffer(heard.audio, "<i2").reshape(-1, 2)
    assert np.array_equal(sent[:8000], np.stack([customer, agent], axis=1))
    assert not sent[8000:].any()
    assert [text["type"] for text in heard.texts] == ["start", "gap", "stop"]
    gap_ms = heard.texts[1]["duration_ms"]
    assert len(sent) / 8 + gap_ms == tapped.duration_ms
    assert [source.closed for source in sources] == [1, 1]
    assert story.shown


async def test_a_device_that_goes_is_silence_on_its_channel_and_the_call_goes_on(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer_client.tap.card.RETRY_S", 0.001)
    story, sources = Story(), [FakeSource("Monitor"), FakeSource("Microphone")]
    said = np.full(160, 1000, np.int16)
    async with stream_call(server.url, call_id="CA1", roles=["customer", "agent"], rate_hz=RATE_HZ) as call:
        tapping = asyncio.create_task(
            tap_call(call, sources, rate_hz=RATE_HZ, until=story.until, watcher=story, now_s=story.clock)
        )
        await opened(sources, story)
        sources[1].refusals = 1
        sources[1].go()
        while sources[1].opened < 2:
            await story.seen()
        for _ in range(25):
            story.now_ms += 20
            sources[0].say(said, story.now_s)
        await story.go_on(300)
        assert story.shown[-1][1] is None
        sources[1].say(said, story.now_s)
        await story.go_on(300)
        story.until.set()
        await tapping
    assert story.told == ["Microphone has gone", "Microphone is back"]
    sent = np.frombuffer(server.calls[0].audio, "<i2").reshape(-1, 2)
    assert np.count_nonzero(sent[:, 0]) == 25 * 160
    assert np.count_nonzero(sent[:, 1]) == 160


async def test_a_server_that_ends_the_call_ends_the_tap_and_lets_the_devices_go(server: Any) -> None:
    async def refuse(socket: Any, heard: Any) -> None:
        await server.accept(socket, heard)
        await socket.close(1011, "broken")

    server.handlers["/v1/stream"] = refuse
    story, sources = Story(), [FakeSource(), FakeSource()]
    with pytest.raises(StreamError, match="broken"):  # noqa: PT012 - time must go on for it to come
        async with stream_call(server.url, call_id="CA1", roles=["customer", "agent"], rate_hz=RATE_HZ) as call:
            tapping = asyncio.create_task(
                tap_call(call, sources, rate_hz=RATE_HZ, until=story.until, watcher=story, now_s=story.clock)
            )
            while not tapping.done():
                story.now_ms += 500
                await asyncio.sleep(0)
            await tapping
    assert all(source.opened == source.closed for source in sources)


async def test_a_fault_in_listening_is_told_and_not_swallowed(server: Any) -> None:
    class Broken(FakeSource):
        def open(self, on_block: Any, on_end: Any) -> Any:  # noqa: ARG002
            raise ZeroDivisionError

    story = Story()
    with pytest.raises(ZeroDivisionError):
        async with stream_call(server.url, call_id="CA1", roles=["customer"], rate_hz=RATE_HZ) as call:
            await tap_call(call, [Broken()], rate_hz=RATE_HZ, until=story.until, watcher=story, now_s=story.clock)
