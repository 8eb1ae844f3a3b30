from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamer_client.errors import ClientError
from streamer_client.tap import card
from streamer_client.tap.card import Card, follow
from streamer_client.tap.devices import Device, Opening

from tests.client.tap.sources import FakeSource

DEVICE = Device(2, "Headset", "ALSA", 2, 48000.0)
BLOCK = np.arange(160, dtype=np.int16)


class Told:
    def __init__(self) -> None:
        self.said: asyncio.Queue[Any] = asyncio.Queue()

    def follow(self, source: Any) -> asyncio.Task[None]:
        return asyncio.create_task(
            follow(
                source,
                lambda samples, at_s: self.said.put_nowait(("block", len(samples), at_s)),
                lambda reason: self.said.put_nowait(("lost", reason)),
                lambda: self.said.put_nowait(("back",)),
            )
        )


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_blocks_come_until_the_device_goes_and_again_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "RETRY_S", 0.001)
    source, told = FakeSource(), Told()
    source.refusals = 2
    source.on_open = lambda: source.say(BLOCK, 1.5)
    task = told.follow(source)
    assert await told.said.get() == ("lost", "Microphone cannot be opened: busy")
    assert await told.said.get() == ("back",)
    assert await told.said.get() == ("block", 160, 1.5)
    source.refusals = 3
    source.go()
    assert await told.said.get() == ("lost", "Microphone has gone")  # told once, however often it is tried
    assert await told.said.get() == ("back",)
    assert await told.said.get() == ("block", 160, 1.5)
    await end(task)
    assert (source.opened, source.closed) == (2, 2)


async def test_a_device_that_hands_over_nothing_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "RETRY_S", 0.001)
    monkeypatch.setattr(card, "SILENT_S", 0.01)
    source, told = FakeSource(), Told()
    task = told.follow(source)
    assert await told.said.get() == ("lost", "Microphone hands over no audio")
    await end(task)
    assert source.closed == source.opened


async def test_a_device_that_opens_while_we_leave_is_closed() -> None:
    source, told = FakeSource(), Told()
    opening = asyncio.Event()
    loop = asyncio.get_running_loop()
    source.on_open = lambda: loop.call_soon_threadsafe(opening.set)
    task = told.follow(source)
    await opening.wait()
    await end(task)
    assert (source.opened, source.closed) == (1, 1)


class Stream:
    """A stream of the sound library, of which the test is the device."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.closed = False

    def start(self) -> None:
        if self.options["device"] != DEVICE.index:
            raise SoundError("Device unavailable")

    def close(self) -> None:
        self.closed = True


class SoundError(Exception):
    pass


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[Stream]:
    made: list[Stream] = []

    def stream(**options: Any) -> Stream:
        made.append(Stream(**options))
        return made[-1]

    monkeypatch.setattr(card, "sound_library", lambda: SimpleNamespace(InputStream=stream, PortAudioError=SoundError))
    return made


def test_a_card_takes_the_first_channel_and_lets_the_library_have_its_buffer_back(streams: Any) -> None:
    heard: list[Any] = []
    Card(DEVICE, Opening(8000, 2), 8000).open(lambda samples, _: heard.append(samples), lambda: None)
    (stream,) = streams
    assert {name: stream.options[name] for name in ("samplerate", "blocksize", "device", "channels", "dtype")} == {
        "samplerate": 8000,
        "blocksize": 160,
        "device": 2,
        "channels": 2,
        "dtype": "int16",
    }
    for channels in (2, 1):
        buffer = np.stack([BLOCK, -BLOCK], axis=1)[:, :channels].copy()
        stream.options["callback"](buffer, 160, None, None)
        buffer[:] = 0
        assert np.array_equal(heard.pop(), BLOCK)


def test_a_card_of_another_rate_is_brought_to_the_calls_and_each_block_is_as_late_as_it_was(
    streams: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    Card(DEVICE, Opening(48000, 1), 8000).open(lambda samples, at_s: heard.append((samples, at_s)), lambda: None)
    tone = (10000 * np.sin(2 * np.pi * 400 * np.arange(96000) / 48000)).astype(np.int16)
    for end in range(960, 96001, 960):
        monkeypatch.setattr(card.time, "monotonic", lambda at_s=end / 48000: at_s)
        streams[0].options["callback"](tone[end - 960 : end, np.newaxis], 960, None, None)
    given = 0
    for samples, at_s in heard:
        given += len(samples)
        assert at_s == pytest.approx(given / 8000)
    samples = np.concatenate([samples for samples, _ in heard])
    assert int(np.abs(np.fft.rfft(samples[-8000:])).argmax()) == 400


def test_a_card_that_cannot_be_opened_says_why_and_is_let_go(streams: Any) -> None:
    other = Device(9, "Webcam", "ALSA", 1, 8000.0)
    with pytest.raises(ClientError, match="Webcam cannot be opened: Device unavailable"):
        Card(other, Opening(8000, 1), 8000).open(lambda _samples, _at_s: None, lambda: None)
    assert streams[0].closed
