"""One call from a recording, through whatever connections its platform opens, in its time.

Knows no dialect by name and no URL: speakers say what goes over the wire, a line what becomes of it on the way, a pace
when. This file must never change the audio, and never let the two ends wait for each other: what the server says is
always read, whether or not it takes what is sent.

Theory of operation. All connections are opened first, and audio flows once every speaker may send. From then on each
connection has two tasks. One hears: it hands what comes to the speaker and lays the answers ready. One speaks, and it
alone sends, so that messages leave in the order in which the speaker numbered them: block by block it waits until the
block is due, sends the answers that lie ready, and what the line lets through. The server's close before the last
word is the call's error; so is one that finds fault.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack

import numpy as np

from streamer_client.dialects.speaker import Message, Samples, Speaker
from streamer_client.errors import ConnectError
from streamer_client.line import Due, Line
from streamer_client.pace import Pace
from streamer_client.recording import Block
from streamer_client.transport import HungUpError, Transport, open_transport

ANSWER_TIMEOUT_S = 10.0
"""How long a server may take to let audio flow; AudioHook itself gives up after 5 s."""


class Leg:
    """One connection of the call.

    Parameters
    ----------
    speaker : Speaker
    line : Line
    blocks : iterator of Block
        The recording, all its channels, at the speaker's rate.
    """

    def __init__(self, speaker: Speaker, line: Line, blocks: Iterator[Block]) -> None:
        self.speaker = speaker
        self.line = line
        self.blocks = blocks


async def play_call(legs: Sequence[Leg], pace: Pace, on_block: Callable[[float], None]) -> None:
    """Play a call to its end.

    Parameters
    ----------
    legs : sequence of Leg
    pace : Pace
        Not begun yet.
    on_block : callable
        Told the position in ms, after each block of the first leg.

    Raises
    ------
    ClientError
        Why there was no connection, or why the call failed; where several legs failed, the first one's reason, in an
        `ExceptionGroup`.
    """
    async with AsyncExitStack() as stack:
        players = []
        for leg in legs:
            speaker = leg.speaker
            transport = await stack.enter_async_context(
                open_transport(speaker.url, speaker.headers, speaker.subprotocols)
            )
            players.append(_Player(leg, transport))
        async with asyncio.TaskGroup() as group:
            for player in players:
                group.create_task(player.hear(), name="hearing")
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    for player in players:
                        await player.open()
            except TimeoutError:
                raise ConnectError(
                    f"the server did not answer the first message within {ANSWER_TIMEOUT_S:g} s; is that an Emotion "
                    "Streamer, and this its path for the dialect?"
                ) from None
            for number, player in enumerate(players):
                group.create_task(player.speak(pace, on_block if number == 0 else _nobody), name="speaking")


def _nobody(_position_ms: float) -> None:
    """Take a position that is not reported."""


class _Player:
    """One leg on its connection."""

    def __init__(self, leg: Leg, transport: Transport) -> None:
        self._speaker = leg.speaker
        self._line = leg.line
        self._blocks = leg.blocks
        self._transport = transport
        self._answers: deque[Message] = deque()
        self._heard = asyncio.Event()
        """Set when something came, or nothing will come any more."""
        self._said_all = False
        self._hung_up = False
        self._paused_ms: float | None = None
        """Where the platform began to hold the call."""

    async def hear(self) -> None:
        """Take what the server says until the connection is closed."""
        try:
            while True:
                self._answers += self._speaker.receive(await self._transport.receive())
                self._heard.set()
        except HungUpError as problem:
            if not (self._said_all and problem.in_order):
                raise problem.error from None
        finally:
            self._hung_up = True
            self._heard.set()

    async def open(self) -> None:
        """Say what comes first, and return when audio may flow."""
        try:
            for message in self._speaker.open():
                await self._transport.send(message)
            await self._until(lambda: self._speaker.may_send)
        except HungUpError:
            await asyncio.Event().wait()  # the one who hears knows why, and ends this

    async def speak(self, pace: Pace, on_block: Callable[[float], None]) -> None:
        """Play the recording, say the last words, and leave when the platform would."""
        try:
            last_ms = 0.0
            for block in self._blocks:
                await pace.until(block.end_ms)
                await self._answer()
                for due in self._messages(block):
                    if due.at_ms > block.end_ms:
                        await pace.until(due.at_ms)
                    await self._transport.send(due.message)
                on_block(block.end_ms)
                last_ms = block.end_ms
            await self._answer()
            for due in self._line.control(self._speaker.close(), last_ms):
                await pace.until(due.at_ms)
                self._said_all = True
                await self._transport.send(due.message)
            self._said_all = True
            if self._speaker.waits_for_server:
                await self._until(lambda: self._speaker.is_over)
            await self._transport.close()
        except HungUpError:
            pass  # the one who hears knows why

    def _messages(self, block: Block) -> list[Due]:
        """Return what leaves when a block is due; its samples are left out where nobody would send them."""
        speaker, line = self._speaker, self._line
        start_ms, end_ms = block.position_ms, block.end_ms
        if line.is_paused(start_ms):
            if self._paused_ms is not None:
                return []
            self._paused_ms = start_ms
            return line.control(speaker.pause(start_ms), end_ms)
        leaving = []
        if self._paused_ms is not None:
            left_out_ms, self._paused_ms = start_ms - self._paused_ms, None
            leaving += line.control(speaker.resume(start_ms, left_out_ms), end_ms)
        if speaker.may_send:
            leaving += line.media(speaker.audio(self._channels(block.samples), start_ms), end_ms)
        return leaving

    def _channels(self, samples: Samples) -> Samples:
        wanted = list(self._speaker.channels)
        return samples if wanted == [*range(samples.shape[1])] else np.ascontiguousarray(samples[:, wanted])

    async def _answer(self) -> None:
        while self._answers:
            await self._transport.send(self._answers.popleft())

    async def _until(self, reached: Callable[[], bool]) -> None:
        """Wait for the server to bring something about, and answer it meanwhile."""
        while True:
            self._heard.clear()
            await self._answer()
            if reached() or self._hung_up:
                return
            await self._heard.wait()
