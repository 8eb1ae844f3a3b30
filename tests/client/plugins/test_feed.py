from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.errors import OptionError
from streamer_client.plugins.feed import Feed

MS_20 = 320
"""Samples at 16 kHz."""
NOBODY = "ws://127.0.0.1:1"


def pcm(samples: int = MS_20, value: int = 1) -> bytes:
    return np.full(samples, value, np.int16).tobytes()


class Heard:
    """What a feed said and handed back, and a way to wait for it."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.statuses: list[str] = []
        self._changed = asyncio.Event()

    async def event(self, event: Any) -> None:
        self.events.append(event)
        self._changed.set()

    def status(self, status: str, _reason: str) -> None:
        self.statuses.append(status)
        self._changed.set()

    async def until(self, status: str, count: int = 1) -> None:
        while self.statuses.count(status) < count:
            self._changed.clear()
            await self._changed.wait()


@pytest.fixture
def heard() -> Heard:
    return Heard()


def feed_to(url: str, heard: Heard, **options: Any) -> Feed:
    return Feed(url, call_id="CA1", on_event=heard.event, on_status=heard.status, **options)


async def test_audio_goes_out_and_events_come_back(server: Any, make: Any, heard: Heard) -> None:
    server.events = [make.utterance(1), make.utterance(2)]
    feed = feed_to(server.url, heard, key="secret", labels={"queue": "billing"}, notice=True)
    for value in range(3):
        feed.push(pcm(value=value), 16000)
    await feed.close()
    (call,) = server.calls
    assert call.headers["Authorization"] == "Bearer secret"
    start = call.texts[0]
    assert (start["sample_rate"], start["channels"], start["labels"], start["notice"]) == (
        16000,
        [{"role": "customer"}],
        {"queue": "billing"},
        True,
    )
    assert call.audio == b"".join(pcm(value=value) for value in range(3))
    assert call.texts[-1] == {"type": "stop"}
    assert heard.events == server.events
    assert feed.dropped_ms == 0


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 48000])
async def test_a_rate_that_the_server_takes_goes_out_as_it_is(server: Any, heard: Heard, rate_hz: int) -> None:
    feed = feed_to(server.url, heard)
    feed.push(pcm(rate_hz // 50), rate_hz)
    await feed.close()
    assert server.calls[0].texts[0]["sample_rate"] == rate_hz
    assert server.calls[0].audio == pcm(rate_hz // 50)


async def test_another_rate_is_resampled_and_channels_are_mixed(server: Any, heard: Heard) -> None:
    feed = feed_to(server.url, heard)
    stereo = np.tile(np.array([1000, 3000], np.int16), 22050).tobytes()
    for begin in range(0, len(stereo), 4410):
        feed.push(stereo[begin : begin + 4410 // 4 * 4], 22050, 2)
    await feed.close()
    assert server.calls[0].texts[0]["sample_rate"] == 16000
    sent = np.frombuffer(server.calls[0].audio, np.int16)
    assert 0.9 < len(sent) / 16000 <= 1
    assert abs(int(np.median(sent)) - 2000) <= 1


async def test_with_no_server_nothing_waits_nothing_raises_and_little_is_kept(heard: Heard) -> None:
    feed = feed_to(NOBODY, heard, queue_s=0.1)
    for _ in range(500):
        feed.push(pcm(), 16000)
    await heard.until("lost")
    assert feed.dropped_ms == 500 * 20 - 100
    assert len(feed._waiting) == 6  # five of audio, and how much is left out behind
    await feed.close()
    assert heard.statuses == ["lost"]


async def test_what_is_left_out_is_said_as_a_gap_in_its_place(server: Any, heard: Heard) -> None:
    feed = feed_to(server.url, heard, queue_s=0.06)
    for value in range(10):  # before the connection can have come about
        feed.push(pcm(value=value), 16000)
    await heard.until("connected")
    await feed.close()
    (call,) = server.calls
    assert call.audio == b"".join(pcm(value=value) for value in range(3))
    assert [text for text in call.texts if text["type"] == "gap"] == [{"type": "gap", "duration_ms": 140}]
    assert call.texts.index({"type": "gap", "duration_ms": 140}) == len(call.texts) - 2
    assert feed.dropped_ms == 140


async def test_it_connects_again_and_the_clock_goes_on(server: Any, make: Any, heard: Heard) -> None:
    native = server.handlers["/v1/stream"]

    async def hang_up(socket: Any, call: Any) -> None:
        await server.accept(socket, call)
        call.messages.append(await socket.recv())
        server.handlers["/v1/stream"] = native
        await socket.close(1011)

    server.handlers["/v1/stream"] = hang_up
    server.events = [make.utterance()]
    feed = feed_to(server.url, heard)
    feed.push(pcm(value=1), 16000)
    await heard.until("lost")
    feed.push(pcm(value=2), 16000)
    await heard.until("connected", 2)
    await feed.close()
    first, second = server.calls
    assert first.audio == pcm(value=1)
    assert second.texts[1] == {"type": "gap", "duration_ms": 20}
    assert second.audio == pcm(value=2)
    assert heard.events == server.events


async def test_a_callback_that_fails_ends_nothing(server: Any, make: Any, caplog: pytest.LogCaptureFixture) -> None:
    taken = []

    async def failing(event: Any) -> None:
        taken.append(event)
        raise ValueError("no such CRM")

    def failing_too(_status: str, _reason: str) -> None:
        raise ValueError("no such light")

    server.events = [make.utterance(1), make.utterance(2)]
    feed = Feed(server.url, call_id="CA1", on_event=failing, on_status=failing_too)
    feed.push(pcm(), 16000)
    await feed.close()
    assert taken == server.events
    assert "no such CRM" in caplog.text
    assert "no such light" in caplog.text


async def test_aborting_ends_the_call_at_once(server: Any, heard: Heard) -> None:
    feed = feed_to(server.url, heard)
    feed.push(pcm(), 16000)
    await heard.until("connected")
    await feed.abort()
    feed.push(pcm(), 16000)
    assert {"type": "stop"} not in server.calls[0].texts


async def test_a_feed_that_never_heard_anything_has_nothing_to_end(heard: Heard) -> None:
    feed = feed_to(NOBODY, heard)
    await feed.close()
    await feed.abort()
    assert heard.statuses == []


@pytest.mark.parametrize(
    "wrong", [{"role": "caller"}, {"call_id": ""}, {"queue_s": 0}, {"queue_s": float("nan")}, {"url": "http://x"}]
)
def test_an_argument_that_cannot_be_right_is_refused(wrong: Any, heard: Heard) -> None:
    given = {"url": NOBODY, "call_id": "CA1", "on_event": heard.event} | wrong
    with pytest.raises(OptionError):
        Feed(given.pop("url"), **given)


@given(st.lists(st.integers(1, 40), max_size=30), st.floats(0.01, 0.3))
def test_no_more_waits_than_may_and_what_is_left_out_is_counted(ms_each: list[int], queue_s: float) -> None:
    async def story() -> None:
        async def nothing(_event: Any) -> None: ...

        feed = Feed(NOBODY, call_id="CA1", on_event=nothing, queue_s=queue_s)
        for ms in ms_each:
            feed.push(pcm(16 * ms), 16000)
        kept = sum(len(item) / 16 for item in feed._waiting if not isinstance(item, float))
        said = sum(item for item in feed._waiting if isinstance(item, float))
        assert kept == feed._waiting_ms <= queue_s * 1000
        assert said == feed.dropped_ms
        assert kept + said == sum(ms_each)
        await feed.abort()

    asyncio.run(story())
