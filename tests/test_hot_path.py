"""What a frame of audio costs, counted and not timed: calls of functions, and objects that stay.

A count is the same on every machine, so a step backwards is seen by the test and not months later by a bill. The same
numbers for people, with the functions that are called most::

    python -m tests.test_hot_path            # the profile of every way, by stage
    python -m tests.test_hot_path --numbers  # the table below, as it is now

Where a change makes a stage dearer for a good reason, its number goes up here, in the same commit, with the reason.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import resources
from pathlib import Path
from types import CodeType, FrameType, SimpleNamespace
from typing import Any, Final

import numpy as np
import pytest
import soundfile
import structlog
from websockets.frames import Frame, Opcode

from streamer import rounds
from streamer.audio import g711
from streamer.emotion.model import load, locate
from streamer.features import FrontEnd
from streamer.load.framing import TEXT, Framing
from streamer.load.holding import Holding
from streamer.rounds import LATEST, ROUND_MS
from streamer.session import Services, Session
from streamer.wire.events import Message
from streamer.wire.native import Native
from streamer.wire.twilio import Twilio
from tests.streams import ADMITTED, Clock, LivePeer, served, start

CALLS: Final = 8
WARM_UP: Final = 50
"""Times 20 ms; what is made on first use is made by then, and all legs have been round the wheel."""
COUNTED: Final = 500
"""Times 20 ms: ten seconds of each call, with utterances that begin, go on and end."""
MARGIN: Final = 1.05
STAGES: Final = ("lane", "round", "features")
"""From a read of the socket to audio of the leg; what is done to that in rounds; and of it, what makes features."""
_TESTS: Final = str(Path(__file__).parent)

NUMBERS: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "twilio 20 ms": {"lane": (7.08, 17.24), "round": (5.57, 7.62), "features": (0.15, 0.14)},
    "native 20 ms": {"lane": (3.75, 6.56), "round": (5.42, 7.62), "features": (0.14, 0.13)},
    "native 100 ms": {"lane": (2.57, 2.59), "round": (5.41, 7.44), "features": (0.15, 0.13)},
}
"""By way and stage: calls of Python functions and of functions in C, for 20 ms of one party.

Python 3.11's: it makes the most. The others differ by less than the margin; from 3.12 on a comprehension is no call.
"""


class Way:
    """In what messages the audio of a call comes: two parties, each in 20 ms frames of the demo call."""

    def __init__(self, name: str, dialect: Callable[[], Any], messages: Callable[[int, int], list[Message]]) -> None:
        self.name = name
        self.new_dialect = dialect
        self.messages = messages
        """Of call `i`: what comes in the n-th 20 ms."""


SOUND: Final[list[bytes]] = []
"""Of each party of the demo call: mu-law."""
FRAMES: Final = 2800


def sides(call: int, n: int, frames: int) -> list[bytes]:
    """Return so many frames of both parties, from the n-th; each call begins somewhere else."""
    if not SOUND:
        with resources.as_file(resources.files("streamer.demo") / "call.flac") as path:
            both = soundfile.read(path, dtype="int16", frames=(FRAMES + 10) * 160)[0]
        SOUND.extend(g711.encode_mulaw(np.ascontiguousarray(both[:, party])) for party in (0, 1))
    at = (call * 701 + n) % FRAMES * 160
    return [side[at : at + 160 * frames] for side in SOUND]


def twilio(call: int, n: int) -> list[Message]:
    """Two messages of JSON, one of each party."""
    if n == 0:
        opening = {
            "callSid": f"CA{call}",
            "tracks": ["inbound", "outbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {},
        }
        return [json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": f"MZ{call}", "start": opening})]
    return [
        json.dumps(
            {
                "event": "media",
                "sequenceNumber": str(2 * n + party),
                "media": {
                    "track": ("inbound", "outbound")[party],
                    "chunk": str(n),
                    "timestamp": str(20 * (n - 1)),
                    "payload": b64encode(side).decode(),
                },
                "streamSid": f"MZ{call}",
            }
        )
        for party, side in enumerate(sides(call, n, 1))
    ]


def native(frames: int) -> Callable[[int, int], list[Message]]:
    """Both parties in one message of so many frames."""

    def messages(call: int, n: int) -> list[Message]:
        if n == 0:
            return [start(call_id=f"CA{call}", encoding="pcmu")]
        if n % frames:
            return []
        both = np.array([np.frombuffer(side, np.uint8) for side in sides(call, n, frames)])
        return [both.T.tobytes()]

    return messages


WAYS: Final = [
    Way("twilio 20 ms", Twilio, twilio),
    Way("native 20 ms", Native, native(1)),
    Way("native 100 ms", Native, native(5)),
]


def _wire(messages: Iterable[Message]) -> bytes:
    """Return messages as a client sends them."""
    frames = [
        Frame(Opcode.TEXT, message.encode()) if isinstance(message, str) else Frame(Opcode.BINARY, message)
        for message in messages
    ]
    return b"".join(frame.serialize(mask=True) for frame in frames)


class Lane:
    """A stream of a live call, from what is read of its socket on; nobody reads it in between."""

    def __init__(self, its: Services, way: Way, n: int) -> None:
        self.read = [_wire(way.messages(n, k)) for k in range(WARM_UP + COUNTED + 1)]
        """What one read of the socket brings."""
        self.peer = LivePeer(*way.messages(n, 0))
        self.session = Session(self.peer, way.new_dialect(), ADMITTED, its)
        self.task = asyncio.create_task(self.session.run())
        self.holding: Holding = Holding(self._refuse)
        self.framing = Framing(self._refuse, self._take)

    def _refuse(self, message: Message) -> None:
        raise AssertionError(f"not taken in passing: {message!r:.80}")

    def _take(self, first: int, data: bytes) -> bool:
        message = str(data, "utf-8") if first == TEXT else data
        return self.holding.hold(first, message) or self.holding.offer(first, message)

    def say(self, n: int) -> None:
        """Bring what comes in the n-th 20 ms."""
        if self.read[n]:
            self.framing.receive(self.read[n])


@asynccontextmanager
async def lanes(its: Services, way: Way) -> AsyncIterator[list[Lane]]:
    """Begin the calls; end them when done."""
    made = [Lane(its, way, n) for n in range(CALLS)]
    for lane in made:
        while lane.session._part is None or not lane.peer.settled:  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0)
        lane.holding.await_next(lane.session)
    yield made
    for lane in made:
        lane.peer.hang_up()
        await lane.task


def play(its: Services, made: list[Lane], begin: int, end: int) -> None:
    """Let stretches of 20 ms come for all calls, a round behind each; the loop stands still meanwhile."""
    for n in range(begin, end):
        for lane in made:
            lane.say(n)
        for _ in range(20 // ROUND_MS):
            its.rounds._turn()


class Count:
    """Counts calls by stage, from the profiler's events; those of the tests' own functions are left out.

    Parameters
    ----------
    front_end
        What makes features.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self.python: Counter[tuple[str, str]] = Counter()
        self.c: Counter[tuple[str, str]] = Counter()
        self._begins: dict[CodeType, str] = {
            Framing.receive.__code__: "lane",
            Holding.hand_over.__code__: "lane",
            type(front_end).push_int16.__code__: "features",
            type(front_end).features.__code__: "features",
        }
        self._stages = ["round"]

    def __call__(self, frame: FrameType, event: str, function: Any) -> None:
        """Take an event of the profiler."""
        code = frame.f_code
        if code.co_filename.startswith(_TESTS):
            return
        if event == "call":
            if code in self._begins:
                self._stages.append(self._begins[code])
            self.python[self._stages[-1], f"{Path(code.co_filename).stem}.{code.co_qualname}"] += 1
        elif event == "return":
            if code in self._begins:
                self._stages.pop()
        elif event == "c_call":
            self.c[self._stages[-1], f"{function.__qualname__} in {code.co_qualname}"] += 1

    def per_frame(self) -> dict[str, tuple[float, float]]:
        """Return, by stage, calls of Python and of C functions for 20 ms of one party."""
        frames = 2 * CALLS * COUNTED
        return {
            stage: (
                round(sum(times for (where, _), times in self.python.items() if where == stage) / frames, 2),
                round(sum(times for (where, _), times in self.c.items() if where == stage) / frames, 2),
            )
            for stage in STAGES
        }

    def most(self, stage: str, n: int = 12) -> str:
        """Return what is called most in a stage, as lines for people."""
        frames = 2 * CALLS * COUNTED
        kinds = [("", self.python), (" (C)", self.c)]
        rows = [
            (times / frames, name + kind) for kind, found in kinds for (at, name), times in found.items() if at == stage
        ]
        return "\n".join(f"  {times:7.3f}  {name}" for times, name in sorted(rows, reverse=True)[:n])


@contextmanager
def still() -> Iterator[None]:
    """Take the loop's timers away from rounds: a test turns their wheel."""
    real = rounds.asyncio
    loop = SimpleNamespace(time=lambda: 0.0, call_at=_never, call_soon=_never)
    rounds.asyncio = SimpleNamespace(get_running_loop=lambda: loop)  # type: ignore[assignment]
    try:
        yield
    finally:
        rounds.asyncio = real


def _never(*_given: Any) -> Any:
    return object()


async def counted(its: Services, way: Way) -> Count:
    """Count what ten seconds of some calls cost."""
    count = Count(its.model.new_features())
    with still():
        async with lanes(its, way) as made:
            play(its, made, 1, WARM_UP + 1)
            gc.disable()
            sys.setprofile(count)
            try:
                play(its, made, WARM_UP + 1, WARM_UP + COUNTED + 1)
            finally:
                sys.setprofile(None)
                gc.enable()
    return count


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_no_stage_calls_more_functions_for_a_frame_than_it_did(services: Any, way: Way) -> None:
    its = await services(CALLS, clock=Clock())
    known = NUMBERS[way.name]
    count = await counted(its, way)
    found = count.per_frame()
    grown = [
        f"{way.name}: stage '{stage}' makes {now} calls of {kind} functions for a frame, it made {before}. Most:\n"
        f"{count.most(stage)}"
        for stage in STAGES
        for kind, now, before in zip(("Python", "C"), found[stage], known[stage], strict=True)
        if now > before * MARGIN + 0.02
    ]
    assert not grown, "\n".join([*grown, "All of it: python -m tests.test_hot_path"])


async def test_counting_twice_counts_the_same(services: Any) -> None:
    its = await services(CALLS, clock=Clock())
    once, again = await counted(its, WAYS[1]), await counted(its, WAYS[1])
    assert once.per_frame() == again.per_frame()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_of_thousands_of_frames_of_silence_nothing_stays(
    services: Any, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SOUND", [b"\xff" * (160 * (FRAMES + 10))] * 2)  # nobody speaks
    its = await services(CALLS, clock=Clock())
    with still():
        async with lanes(its, way) as made:
            half = (WARM_UP + COUNTED) // 2
            play(its, made, 1, half)
            before = kept(its)
            play(its, made, half, WARM_UP + COUNTED + 1)
            after = kept(its)
    frames = 2 * CALLS * (WARM_UP + COUNTED + 1 - half)
    assert frames > 4000
    objects, blocks = after[0] - before[0], after[1] - before[1]
    assert objects <= 2 * CALLS, f"{objects} objects for the collector stay of {frames} frames"
    assert blocks <= 5 * CALLS, f"{blocks} blocks of memory stay of {frames} frames"


def kept(its: Services) -> tuple[int, int]:
    """Return how many objects the collector knows and how many blocks are in use once nothing waits for its round."""
    for _ in range(LATEST + 1):
        its.rounds._turn()
    gc.collect()
    return len(gc.get_objects()), sys.getallocatedblocks()


async def _show(*, numbers: bool) -> str:
    """Return the profile of every way, or the table of numbers."""
    lines, table = [], {}
    with tempfile.TemporaryDirectory() as folder:
        async with served(load(locate("telephone")), Path(folder)) as make:
            for way in WAYS:
                count = await counted(await make(CALLS, clock=Clock()), way)
                table[way.name] = count.per_frame()
                for stage in STAGES:
                    lines.append(f"{way.name}, {stage}: {table[way.name][stage]} calls for a frame (Python, C). Most:")
                    lines.append(count.most(stage, 25))
    if numbers:
        rows = "".join(f"    {name!r}: {found},\n" for name, found in table.items())
        return f"{{\n{rows}}}\n".replace("'", '"')
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    sys.stdout.write(asyncio.run(_show(numbers="--numbers" in sys.argv)))
