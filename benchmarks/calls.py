"""Made-up calls for the experiments: recordings out of the shipped demo call, and callers that play them.

The lines of the demo call are put together anew, with pauses of other lengths, so that no two calls are the same and no
recording of a person is needed. A `Tape` holds a call's messages ready made, so that one process can play hundreds of
calls at the speed of life without being the slower side. Nothing here may use the code that serves calls:
a caller knows what a platform knows, which is `streamer_client.dialects`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from streamer_client import dialects
from streamer_client.connection import with_path
from streamer_client.dialects import native
from streamer_client.dialects.speaker import CallOptions, Message, Speaker
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from streamer.bench.speech import RATE_HZ, ROLES, Samples, demo_call, hiss, lines

TAPED: Final = ("native", "twilio", "telnyx", "signalwire", "jambonz")
"""Dialects whose calls can be made up beforehand: one socket, and no message depends on what the server said."""
HANGOVER_MS: Final = 400
"""`speech.hangover_ms` as it comes: the silence that ends an utterance. It is no latency."""


def conversation(dice: random.Random, seconds: float, call: Samples | None = None) -> Samples:
    """Return a call of two parties that take turns, int16[samples, 2] at 8 kHz.

    Parameters
    ----------
    dice
        Chooses lines and pauses; the same state gives the same call.
    seconds
        Its length in s; at least one line of the customer is in it, if need be cut short.
    call
        The recording whose lines are used; the shipped one if not given.
    """
    source = demo_call() if call is None else call
    spoken = [lines(source[:, channel]) for channel in range(2)]
    length = round(seconds * RATE_HZ)
    samples = hiss(dice, length)
    position, channel = round(dice.uniform(0.2, 1.0) * RATE_HZ), 0
    while position < length:
        line = dice.choice(spoken[channel])[: length - position]
        samples[position : position + len(line), channel] = line
        position += len(line) + round(dice.uniform(0.6, 2.0) * RATE_HZ)
        channel = 1 - channel if dice.random() < 0.8 else channel
    return samples


@dataclass(frozen=True)
class Tape:
    """A recording as one dialect's messages, all but the first and last, which name the call."""

    dialect: str
    stream_id: str
    blocks: tuple[tuple[Message, ...], ...]
    """What leaves at one moment."""
    block_s: float
    last: tuple[Message, ...]

    @property
    def seconds(self) -> float:
        """Length of the call in s."""
        return len(self.blocks) * self.block_s


_TAPE_CALL: Final = "0-the-call-of-this-tape-0"


def tape(dialect: str, samples: Samples, stream_id: str) -> Tape:
    """Return a recording on tape.

    Parameters
    ----------
    dialect
        One of `TAPED`.
    samples
        int16[samples, 2] at 8 kHz.
    stream_id
        32 hexadecimal digits.
    """
    speaker = _speaker(dialect, "ws://127.0.0.1", _TAPE_CALL, stream_id)
    speaker.open()  # counts its messages
    step = RATE_HZ * speaker.frame_ms // 1000
    wanted = list(speaker.channels)
    blocks = tuple(
        tuple(speaker.audio(np.ascontiguousarray(samples[begin : begin + step, wanted]), begin * 1000 / RATE_HZ))
        for begin in range(0, len(samples), step)
    )
    return Tape(dialect, stream_id, blocks, speaker.frame_ms / 1000, tuple(speaker.close()))


def _speaker(
    dialect: str, url: str, call_id: str, stream_id: str, on_event: Callable[[Any], None] | None = None
) -> Speaker:
    assert dialect in TAPED, f"got the dialect {dialect!r}; of those that can be taped, {', '.join(TAPED)}"
    kind = dialects.load(dialect)
    options = CallOptions(url=with_path(url, kind.path), call_id=call_id, roles=ROLES, stream_id=stream_id)
    if dialect == "native":
        return native.Native(options, encoding=native.Encoding.PCMU, on_event=on_event)
    (speaker,) = kind.speakers(options)
    return speaker


@dataclass(frozen=True)
class Conduct:
    """How a caller behaves; positions are in blocks of the tape."""

    hangs_up_at: int | None = None
    """The connection breaks there, without a goodbye."""
    stalls_at: int | None = None
    """Nothing is sent there for a while, and then the rest, late."""
    stall_s: float = 0.0


GOOD: Final = Conduct()


@dataclass(frozen=True)
class Played:
    """What became of a call."""

    ended: str
    """``ended`` as it should, ``hung up`` by us, ``closed`` by the server before its time, or ``no connection``."""
    code: int | None = None
    """With which the server closed."""
    blocks: int = 0
    """How many were sent."""


class Clocks:
    """How long things took, in s, since they were last taken away."""

    def __init__(self) -> None:
        self.event_s: list[float] = []
        """From the block that held the end of an utterance's hangover to the event, over the native protocol."""
        self.late_s: list[float] = []
        """How late blocks left: the generator's own lag."""

    def take(self) -> tuple[list[float], list[float]]:
        """Return both lists and begin new ones."""
        taken = self.event_s, self.late_s
        self.event_s, self.late_s = [], []
        return taken


async def play(
    url: str,
    tape: Tape,
    call_id: str,
    *,
    conduct: Conduct = GOOD,
    clocks: Clocks | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> Played:
    """Play a tape at the speed of life.

    Parameters
    ----------
    url
        The server, such as ``ws://127.0.0.1:8765``; the dialect's path is added.
    tape
        What is played.
    call_id
        The call's id.
    conduct
        How the caller behaves.
    clocks
        Where latencies of events (native only) and our own lag are kept.
    on_event
        Called with each event of the call (native only).
    """
    asks = tape.dialect == "native" and (clocks is not None or on_event is not None)
    speaker = _speaker(tape.dialect, url, call_id, tape.stream_id, _nothing if asks else None)
    try:
        socket = await connect(
            speaker.url,
            additional_headers=speaker.headers,
            subprotocols=[Subprotocol(name) for name in speaker.subprotocols] or None,
            compression=None,
            max_size=None,
            ping_interval=None,
            open_timeout=30,
        )
    except (OSError, TimeoutError, InvalidHandshake):
        return Played("no connection")
    call = _Call(socket, speaker, tape=tape, call_id=call_id, clocks=clocks or Clocks(), on_event=on_event or _nothing)
    hearing = asyncio.create_task(call.hear(), name=f"hearing {call_id}")
    try:
        return await call.speak(conduct, hearing)
    finally:
        socket.transport.abort()
        hearing.cancel()
        await asyncio.wait([hearing])


def _nothing(_event: Any) -> None:  # noqa: ANN401 - of any type
    """Take an event that nobody wants."""


class _Call:
    """One call on its socket."""

    def __init__(
        self,
        socket: ClientConnection,
        speaker: Speaker,
        *,
        tape: Tape,
        call_id: str,
        clocks: Clocks,
        on_event: Callable[[dict[str, Any]], None],
    ) -> None:
        self._socket = socket
        self._speaker = speaker
        self._tape = tape
        self._call_id = call_id
        self._clocks = clocks
        self._on_event = on_event
        self._sent_at: list[float] = []
        self._said_all = False

    async def hear(self) -> None:
        """Take what the server says, until it closes."""
        loop = asyncio.get_running_loop()
        is_native = self._tape.dialect == "native"
        with contextlib.suppress(WebSocketException):
            while True:
                message = await self._socket.recv()
                if is_native:
                    said = json.loads(message)
                    if said["type"] == "event":
                        self._clock(said["event"], loop.time())
                        self._on_event(said["event"])

    async def speak(self, conduct: Conduct, hearing: asyncio.Task[None]) -> Played:
        """Play to the end, or as far as the conduct or the server lets us."""
        try:
            for message in self._speaker.open():
                await self._socket.send(message)
            hung_up = await self._play(conduct)
            if not hung_up:
                self._said_all = True
                for message in self._tape.last:
                    await self._socket.send(self._named(message))
                if not self._speaker.waits_for_server:
                    await self._socket.close()
                await asyncio.wait([hearing], timeout=60)
        except WebSocketException:
            hung_up = False
        if hung_up:
            return Played("hung up", None, len(self._sent_at))
        code = self._socket.close_code
        in_order = self._said_all and code in {1000, 1001}
        return Played("ended" if in_order else "closed", code, len(self._sent_at))

    async def _play(self, conduct: Conduct) -> bool:
        """Send the blocks, each at its time; return whether we hung up."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number, block in enumerate(self._tape.blocks):
            if number == conduct.hangs_up_at:
                return True
            if number == conduct.stalls_at:
                await asyncio.sleep(conduct.stall_s)
                began_s += conduct.stall_s
            wait_s = began_s + number * self._tape.block_s - loop.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            now_s = loop.time()
            for message in block:
                await self._socket.send(message)
            self._sent_at.append(now_s)
            if number % 50 == 0:
                self._clocks.late_s.append(now_s - began_s - number * self._tape.block_s)
        return False

    def _named(self, message: Message) -> Message:
        return message.replace(_TAPE_CALL, self._call_id) if isinstance(message, str) else message

    def _clock(self, event: dict[str, Any], now_s: float) -> None:
        """Note how long an event took, where its utterance ended by silence: else it waited for nothing."""
        utterance = event["data"]["utterance"]
        if utterance["cut"] == "silence":
            block = int((utterance["end_ms"] + HANGOVER_MS) / 1000 / self._tape.block_s)
            if block < len(self._sent_at):
                self._clocks.event_s.append(now_s - self._sent_at[block])


def shelf(dice: random.Random, count: int, seconds: tuple[float, float]) -> list[Tape]:
    """Return tapes to choose from, in all dialects that can be taped, half of them native.

    Parameters
    ----------
    dice
        Chooses what is said.
    count
        How many.
    seconds
        Shortest and longest, in s.
    """
    call = demo_call()

    def made() -> Iterator[Tape]:
        for number in range(count):
            dialect = "native" if number % 2 == 0 else TAPED[1 + number // 2 % (len(TAPED) - 1)]
            samples = conversation(dice, dice.uniform(*seconds), call)
            yield tape(dialect, samples, f"{dice.getrandbits(128):032x}")

    return list(made())
