"""A call's connections in time, against servers that answer, lag, refuse and hang up; the clock moves by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from streamer_client import player
from streamer_client.dialects.speaker import Message, Samples
from streamer_client.errors import ConnectError, StreamError
from streamer_client.line import Break, Faults, Line
from streamer_client.pace import Pace
from streamer_client.player import Leg, play_call
from streamer_client.recording import Block
from streamer_client.transport import HungUpError

RATE_HZ = 8000


class Clock:
    """Moves only when somebody sleeps; other tasks run meanwhile."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def now(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        for _ in range(5):
            await asyncio.sleep(0)
        self.now_s = max(self.now_s, until_s)


class Speaker:
    """Says what it is asked to say in words."""

    url, headers, subprotocols = "ws://nowhere", {"Key": "1"}, ("media",)
    rate_hz, frame_ms = RATE_HZ, 20
    may_send = True
    is_over = False
    waits_for_server = False

    def __init__(self, channels: tuple[int, ...] = (0, 1), **changes: Any) -> None:
        self.channels = channels
        self.heard: list[Message] = []
        vars(self).update(changes)

    def open(self) -> list[Message]:
        return ["open"]

    def receive(self, message: Message) -> list[Message]:
        self.heard.append(message)
        match message:
            case "go":
                self.may_send = True
            case "hold":
                self.may_send = False
            case "over":
                self.is_over = True
            case "refuse":
                raise StreamError("refused", "no")
            case "ask":
                return ["answer"]
        return []

    def audio(self, samples: Samples, position_ms: float) -> list[Message]:
        return [f"{position_ms:g} {samples.shape[0]}x{samples.shape[1]} {samples[0, 0]}"]

    def pause(self, position_ms: float) -> list[Message]:
        return [f"pause {position_ms:g}"]

    def resume(self, position_ms: float, left_out_ms: float) -> list[Message]:
        return [f"resume {position_ms:g} {left_out_ms:g}"]

    def close(self) -> list[Message]:
        return ["close"]


class Server:
    """The other end of a transport."""

    def __init__(self, clock: Clock, replies: dict[Message, list[Message]], hang_up: HungUpError | None) -> None:
        self._clock = clock
        self._replies = replies
        self._waiting: asyncio.Queue[Message | None] = asyncio.Queue()
        self._hang_up = hang_up or HungUpError(in_order=True, error=StreamError("closed", "closed"))
        self.sent: list[tuple[float, Message]] = []
        self.over = False

    @property
    def texts(self) -> list[Message]:
        return [message for _, message in self.sent]

    async def send(self, message: Message) -> None:
        if self.over:
            raise self._hang_up
        self.sent.append((round(1000 * self._clock.now_s), message))
        for reply in self._replies.get(message, []):
            if reply == "hang up":
                await self.close()
            else:
                self._waiting.put_nowait(reply)

    async def receive(self) -> Message:
        message = await self._waiting.get()
        if message is None:
            raise self._hang_up
        return message

    async def close(self) -> None:
        self.over = True
        self._waiting.put_nowait(None)


class Exchange:
    """Where calls are played to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.servers: list[Server] = []
        self.opened: list[tuple[str, Any, Any]] = []
        self.replies: dict[Message, list[Message]] = {}
        self.hang_up: HungUpError | None = None
        monkeypatch.setattr(player, "open_transport", self._open)

    @asynccontextmanager
    async def _open(self, url: str, headers: Any, subprotocols: Any) -> AsyncIterator[Server]:
        self.opened.append((url, headers, subprotocols))
        self.servers.append(Server(self.clock, self.replies, self.hang_up))
        yield self.servers[-1]

    async def play(self, *speakers: Any, on_block: Callable[[float], None] = lambda _: None, **faults: Any) -> None:
        legs = [
            Leg(speaker, Line(Faults(**faults), f"{n}", is_text=True), blocks()) for n, speaker in enumerate(speakers)
        ]
        await play_call(legs, Pace(1.0, self.clock.now, self.clock.sleep), on_block)


def blocks() -> Iterator[Block]:
    """Five blocks of 20 ms, the last one short; channels 7 and 8."""
    for n, frames in enumerate([160, 160, 160, 160, 80]):
        yield Block(20.0 * n, np.full((frames, 2), (7, 8), np.int16), RATE_HZ)


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Exchange:
    return Exchange(monkeypatch)


AUDIO = ["0 160x2 7", "20 160x2 7", "40 160x2 7", "60 160x2 7", "80 80x2 7"]


async def test_a_call_is_opened_played_when_each_block_has_been_spoken_and_closed(exchange: Exchange) -> None:
    positions: list[float] = []
    await exchange.play(Speaker(), on_block=positions.append)
    (server,) = exchange.servers
    assert server.sent == [(0, "open"), *zip([20, 40, 60, 80, 90], AUDIO, strict=True), (90, "close")]
    assert positions == [20, 40, 60, 80, 90]
    assert exchange.opened == [("ws://nowhere", {"Key": "1"}, ("media",))]
    assert server.over


async def test_each_party_has_its_own_connection_and_only_its_channels(exchange: Exchange) -> None:
    positions: list[float] = []
    await exchange.play(Speaker((0,)), Speaker((1,)), on_block=positions.append)
    first, second = exchange.servers
    assert first.texts[1] == "0 160x1 7"
    assert second.texts[1] == "0 160x1 8"
    assert len(positions) == 5


async def test_audio_waits_until_the_server_lets_it_flow(exchange: Exchange) -> None:
    exchange.replies = {"open": ["ask", "go"]}
    await exchange.play(Speaker(may_send=False))
    assert exchange.servers[0].texts == ["open", "answer", *AUDIO, "close"]


async def test_no_leg_begins_before_all_may_send(exchange: Exchange) -> None:
    exchange.replies = {"open": ["go"]}
    await exchange.play(Speaker((0,)), Speaker((1,), may_send=False))
    assert exchange.servers[0].sent[1][0] == exchange.servers[1].sent[1][0] == 20


async def test_a_server_that_never_lets_audio_flow_is_given_up(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "ANSWER_TIMEOUT_S", 0.0)
    with pytest.raises(ConnectError, match="did not answer the first message"):
        await one_error(exchange.play(Speaker(may_send=False)))


async def test_answers_leave_between_blocks_in_the_order_of_their_making(exchange: Exchange) -> None:
    exchange.replies = {AUDIO[1]: ["ask"]}
    await exchange.play(Speaker())
    assert exchange.servers[0].texts == ["open", *AUDIO[:2], "answer", *AUDIO[2:], "close"]


async def test_what_the_server_does_not_want_is_left_out(exchange: Exchange) -> None:
    exchange.replies = {AUDIO[0]: ["hold", "ask"], "answer": ["go"]}
    await exchange.play(Speaker())
    assert exchange.servers[0].texts == ["open", AUDIO[0], "answer", *AUDIO[2:], "close"]


async def test_a_hold_is_said_and_what_lies_in_it_is_not_sent(exchange: Exchange) -> None:
    await exchange.play(Speaker(), pauses=(Break(15, 30),))
    assert exchange.servers[0].texts == ["open", AUDIO[0], "pause 20", "resume 60 40", *AUDIO[3:], "close"]


async def test_a_hold_that_begins_the_call_and_one_that_outlasts_it(exchange: Exchange) -> None:
    await exchange.play(Speaker(), pauses=(Break(0, 20), Break(80, 500)))
    assert exchange.servers[0].texts == ["open", "pause 0", "resume 20 20", *AUDIO[1:4], "pause 80", "close"]


async def test_a_stall_holds_messages_back_and_then_all_come_at_once(exchange: Exchange) -> None:
    await exchange.play(Speaker(), stalls=(Break(30, 45),))
    moments = [moment for moment, _ in exchange.servers[0].sent]
    assert moments == [0, 20, 75, 75, 80, 90, 90]
    assert exchange.servers[0].texts == ["open", *AUDIO, "close"]


async def test_where_the_server_closes_its_close_is_waited_for(exchange: Exchange) -> None:
    exchange.replies = {"close": ["ask", "hang up"]}
    speaker = Speaker(waits_for_server=True)
    await exchange.play(speaker)
    assert speaker.heard == ["ask"]


async def test_where_the_server_says_a_last_word_that_is_waited_for(exchange: Exchange) -> None:
    exchange.replies = {"close": ["ask"], "answer": ["over"]}
    await exchange.play(Speaker(waits_for_server=True))
    assert exchange.servers[0].texts[-2:] == ["close", "answer"]
    assert exchange.servers[0].over


@pytest.mark.parametrize("moment", ["open", AUDIO[2]])
@pytest.mark.parametrize("may_send", [True, False])
async def test_a_server_that_hangs_up_early_is_the_calls_error(exchange: Exchange, moment: str, may_send: bool) -> None:
    exchange.replies = {"open": ["go"]} | {moment: ["hang up"]}
    with pytest.raises(StreamError, match="closed"):
        await one_error(exchange.play(Speaker(may_send=may_send)))


async def test_a_server_that_finds_fault_with_the_end_is_the_calls_error(exchange: Exchange) -> None:
    exchange.hang_up = HungUpError(in_order=False, error=StreamError("policy", "odd bytes"))
    exchange.replies = {"close": ["hang up"]}
    with pytest.raises(StreamError, match="odd bytes"):
        await one_error(exchange.play(Speaker(waits_for_server=True)))


@pytest.mark.parametrize("moment", ["open", AUDIO[2], "close"])
async def test_a_refusal_in_words_ends_the_call_with_them(exchange: Exchange, moment: str) -> None:
    exchange.replies = {moment: ["refuse"]}
    with pytest.raises(StreamError, match="no"):
        await one_error(exchange.play(Speaker(), Speaker(waits_for_server=True)))


async def one_error(playing: Any) -> None:
    """Raise the first error of a group bare."""
    try:
        await playing
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
