"""A stream whose audio is taken in passing tells and publishes what it would if each message were waited for.

The same script goes through a peer that shows its messages (`Overheard`), with the holding of a real listener, and
through one that does not. When a round comes is up to chance.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from importlib import resources
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from streamer_client.events import StateEvent
from structlog.testing import capture_logs

from streamer import conversation as conversation_module
from streamer import rounds as rounds_module
from streamer.audio import g711
from streamer.audio.frames import FRAME, Frames
from streamer.conversation import MOST_WAITING
from streamer.leg import Leg
from streamer.load.holding import Holding
from streamer.rounds import LATEST
from streamer.session import FLOW_BYTES, Ear, Overheard, Services, Session
from streamer.wire.events import Audio, Dialect, Message, WireEvent
from streamer.wire.native import Native
from streamer.wire.twilio import Twilio
from tests.streams import ADMITTED, STOP, Clock, ListPeer, NativePart, gauge, start, waiting

SECONDS = 14
NOTICE, WITHDRAW = '{"type":"notice"}', '{"type":"withdraw"}'
PAUSE, RESUME, GAP = '{"type":"pause"}', '{"type":"resume"}', '{"type":"gap","duration_ms":700}'
BOTH = {"emotion__analyse": ["customer", "agent"], "emotion__lawful_basis": "consent"}
Script = list[Message]


@pytest.fixture(scope="module")
def spoken() -> NDArray[np.int16]:
    """A stretch of the demo call, int16[samples, 2]."""
    with resources.as_file(resources.files("streamer.demo") / "call.flac") as path:
        return soundfile.read(path, dtype="int16", frames=SECONDS * 8000)[0]


class Passing(ListPeer):
    """A peer whose transport shows messages as they come, or holds them for a round and dozes meanwhile."""

    def __init__(self) -> None:
        super().__init__([])
        self.overheard = self.read = 0
        self._left: asyncio.Queue[Message | None] = asyncio.Queue()
        self.holding = Holding(self._left.put_nowait, self._doze)
        self._ear: Ear | None = None
        self._socket: list[Message] = []
        """What has come and was not read from there."""
        self._asleep = False
        self.dozed = 0

    def show(self, ear: Ear | None) -> None:
        self._ear = None if ear is None else Counted(ear, self)

    async def messages(self) -> AsyncIterator[Message]:
        while self.closed is None:
            self.holding.await_next(self._ear)
            message = await self._left.get()
            if message is None:
                return
            self.holding.note_read()
            self.read += 1
            yield message

    def say(self, message: Message) -> None:
        self._socket.append(message)
        self._receive()

    def _doze(self, asleep: bool) -> None:
        self._asleep = asleep
        self.dozed += asleep

    def _receive(self) -> None:
        while self._socket and not self._asleep:
            message = self._socket.pop(0)
            if not self.holding.offer(type(message), message):
                self._left.put_nowait(message)

    async def all_read(self, done: Callable[[], bool] = lambda: False) -> None:
        """Return once the reader waits for more, or never will again."""
        self._receive()
        while self.holding.ear is None and not (done() or self.closed):  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0)

    def hang_up(self) -> None:
        while self._socket:
            self.holding.wake()
            self._receive()
        self.holding.flush()
        self._left.put_nowait(None)

    async def close(self, code: int, reason: str) -> None:
        await super().close(code, reason)
        self.hang_up()


class Counted:
    """An ear, and how many messages it took."""

    def __init__(self, ear: Ear, peer: Passing) -> None:
        self.expect = ear.expect
        self.remind = ear.remind
        self._ear = ear
        self._peer = peer

    def overhear(self, messages: Sequence[Message]) -> int:
        taken = self._ear.overhear(messages)
        self._peer.overheard += taken
        return taken


class Run:
    """What became of a script."""

    def __init__(self, its: Services, peer: ListPeer, rows: list[Any], states: list[Any]) -> None:
        self.peer = peer
        self._rows = [row for row in rows if row.payload]
        self.facts: dict[str, Any] = {
            "told": self._by_role([message["event"] for message in peer.heard if message["type"] == "event"]),
            "said": [message for message in map(_plain, peer.heard) if message["type"] != "event"],
            "closed": peer.closed,
            "published": self._by_role(self._events("utterance")),
            "ended": [_plain(event["data"]) for event in self._events("ended")],
            "kinds": sorted({str(row.kind) for row in rows} - {"state"}),
            "states": states,
            "free": its.admission.active,
        }

    def _events(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(row.payload) for row in self._rows if row.kind == kind]

    @staticmethod
    def _by_role(events: list[dict[str, Any]]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for event in events:
            if event["type"] != "emotion-streamer.partial.v1":
                found.setdefault(event["data"]["speaker"]["role"], []).append(_plain(event["data"]))
        return found


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    """Without what must differ: the names of the call, and how long the model took."""
    return {key: value for key, value in data.items() if key not in ("call", "latency", "session_id", "event")}


FIGURES: list[tuple[str, dict[str, str]]] = [
    ("audio_seconds_total", {}),
    ("speech_seconds_total", {}),
    ("audio_fault_seconds_total", {"fault": "lost"}),
    ("audio_fault_seconds_total", {"fault": "late"}),
    ("audio_fault_seconds_total", {"fault": "duplicate"}),
    ("messages_missing_total", {"dialect": "twilio"}),
    ("protocol_faults_total", {"code": "start_twice"}),
    ("protocol_faults_total", {"code": "bad_json"}),
    ("protocol_faults_total", {"code": "internal"}),
    ("calls_total", {"dialect": "native", "outcome": "stop"}),
    ("calls_total", {"dialect": "native", "outcome": "error"}),
    ("calls_total", {"dialect": "native", "outcome": "withdrawn"}),
    ("calls_total", {"dialect": "native", "outcome": "disconnected"}),
    ("calls_total", {"dialect": "twilio", "outcome": "stop"}),
]


class Stage:
    """Runs scripts, each in both ways, and compares all that is told, published and counted."""

    def __init__(self, its: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        self.its = its
        self._states: list[tuple[Any, ...]] = []
        real = its.bus.state

        async def state(event: StateEvent, session_id: str) -> None:
            self._states.append((event.data.roles, event.data.analysed, event.data.notice))
            await real(event, session_id)

        monkeypatch.setattr(its.bus, "state", state)

    async def waited_for(self, dialect: Dialect, script: Script) -> Run:
        """Run a script with each message waited for."""
        return await self._ran(ListPeer(script), dialect, lambda _peer, _task: _nothing())

    async def in_passing(
        self, dialect: Dialect, script: Script, seed: int, *, turn: float = 0.1, keep_up: float = 0.9
    ) -> Run:
        """Run a script with what can be taken in passing taken so.

        `turn`: how likely it is that a round comes behind a message; `keep_up`: that the reader has read everything.
        """
        rng = np.random.default_rng(seed)

        async def say(peer: Any, task: asyncio.Task[None]) -> None:
            for n, message in enumerate(script):
                peer.say(message)
                if n == 0 or rng.random() < keep_up:
                    await peer.all_read(task.done)
                if rng.random() < turn:
                    self.its.rounds._turn()
            peer.hang_up()

        return await self._ran(Passing(), dialect, say)

    async def _ran(self, peer: ListPeer, dialect: Dialect, say: Callable[..., Any]) -> Run:
        rows = len(await waiting(self.its))
        del self._states[:]
        before = [gauge(self.its, name, **labels) for name, labels in FIGURES]
        task = asyncio.create_task(Session(peer, dialect, ADMITTED, self.its).run())
        await say(peer, task)
        await task
        run = Run(self.its, peer, (await waiting(self.its))[rows:], list(self._states))
        after = [gauge(self.its, name, **labels) for name, labels in FIGURES]
        run.facts["figures"] = [
            (*figure, pytest.approx(late - early, abs=1e-6))
            for figure, early, late in zip(FIGURES, before, after, strict=True)
        ]
        return run


async def _nothing() -> None:
    return None


@pytest.fixture
def stage(services: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make a stage: `await stage(emotion__require_notice=True)`."""

    async def make(**flags: Any) -> Stage:
        return Stage(await services(**{**BOTH, **flags}), monkeypatch)

    return make


def native(spoken: NDArray[np.int16], piece_ms: int = 20, **more: Any) -> Script:
    """Both parties in mu-law over the native protocol."""
    codes = np.frombuffer(g711.encode_mulaw(spoken.reshape(-1)), np.uint8).tobytes()
    size = 16 * piece_ms
    pieces = [codes[at : at + size] for at in range(0, len(codes), size)]
    return [start(encoding="pcmu", **more), *pieces]


def media(
    spoken: NDArray[np.int16], *, lose: frozenset[int] = frozenset(), swap: frozenset[int] = frozenset()
) -> Script:
    """Both parties over Twilio; some messages are lost, some change places with the next."""
    said = [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": "MZ1",
            "start": {
                "callSid": "CA1",
                "tracks": ["inbound", "outbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {},
            },
        },
    ]
    sides = [g711.encode_mulaw(np.ascontiguousarray(spoken[:, n])) for n in (0, 1)]
    number = 1
    for at in range(0, len(spoken), 160):
        for track, side in zip(("inbound", "outbound"), sides, strict=True):
            number += 1
            payload = b64encode(side[at : at + 160]).decode()
            one = {"track": track, "chunk": str(at // 160 + 1), "timestamp": str(at // 8), "payload": payload}
            said.append({"event": "media", "sequenceNumber": str(number), "media": one, "streamSid": "MZ1"})
    for n in swap:
        said[n], said[n + 1] = said[n + 1], said[n]
    said.append({"event": "stop", "sequenceNumber": str(number + 1), "streamSid": "MZ1", "stop": {}})
    return [json.dumps(one) for n, one in enumerate(said) if n not in lose]


def test_the_peers_are_what_they_shall_be() -> None:
    assert isinstance(Passing(), Overheard)
    assert not isinstance(ListPeer([]), Overheard)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("piece_ms", [20, 33, 100])
@pytest.mark.parametrize(
    ("controls", "end"),
    [
        ([], [STOP]),
        ([GAP, GAP], [STOP]),
        ([PAUSE, RESUME, GAP], [STOP]),
        ([NOTICE], [STOP]),
        ([GAP], []),
        ([], [start()]),
        ([], ["{"]),
    ],
    ids=["nothing", "gaps", "a pause", "a notice", "a broken line", "a second start", "no JSON"],
)
async def test_controls_between_what_is_overheard_change_nothing(  # noqa: PLR0917 - the tables above fill them in
    stage, spoken, seed: int, piece_ms: int, controls: Script, end: Script
) -> None:
    on = await stage(emotion__require_notice=NOTICE in controls)
    script = native(spoken, piece_ms)
    rng = np.random.default_rng(seed)
    for control in controls:
        script.insert(int(rng.integers(1, len(script) + 1)), control)
    script += end
    expected = await on.waited_for(Native(), script)
    assert expected.facts["published"]
    found = await on.in_passing(Native(), script, seed, turn=piece_ms / 200)
    assert found.facts == expected.facts
    assert found.peer.overheard > len(script) / 5, "this is what was to be tried"


@pytest.mark.parametrize("seed", range(4))
async def test_numbers_that_jump_and_media_out_of_order_change_nothing(stage, spoken, seed: int) -> None:
    on = await stage()
    rng = np.random.default_rng(seed)
    n = 2 * len(spoken) // 160
    lose = frozenset(int(one) for one in rng.integers(10, n, 12 * seed))
    swap = frozenset(int(one) for one in rng.integers(10, n - 2, 5 * seed))
    script = media(spoken, lose=lose, swap=swap)
    expected = await on.waited_for(Twilio(), script)
    assert expected.facts["published"]
    found = await on.in_passing(Twilio(), script, seed)
    assert found.facts == expected.facts
    assert found.peer.overheard > len(script) / 20
    assert found.peer.dozed


async def test_a_whole_recording_in_one_message_does_not_make_a_round_long(stage, spoken, monkeypatch) -> None:
    on = await stage()
    begin, *pieces = native(spoken)
    recording = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    assert len(recording) > 3 * FLOW_BYTES
    script: Script = [begin, *pieces[:60], recording, *pieces[:60], STOP]
    expected = await on.waited_for(Native(), script)
    rounds: list[int] = []

    def measured(codes: bytes) -> Frames:
        rounds.append(len(codes))
        return Frames(codes)

    monkeypatch.setattr(rounds_module, "Frames", measured)
    found = await on.in_passing(Native(), script, 1, turn=1.0)
    assert found.facts == expected.facts
    assert found.peer.overheard > 20
    assert 0 < max(rounds) <= 2 * MOST_WAITING + FLOW_BYTES


@pytest.mark.parametrize("turn", [0.0, 0.5])
async def test_a_call_that_is_far_behind_is_waited_for_and_nothing_is_lost(stage, spoken, turn: float) -> None:
    on = await stage()
    script = [*native(spoken), STOP]
    expected = await on.waited_for(Native(), script)
    found = await on.in_passing(Native(), script, 1, turn=turn, keep_up=0.9)
    assert found.facts == expected.facts
    if not turn:
        assert found.peer.read > 3, "not only the first and the last"


async def test_a_call_that_the_model_owes_much_is_waited_for_and_nothing_is_lost(stage, spoken, monkeypatch) -> None:
    monkeypatch.setattr(conversation_module, "UNJUDGED", 1)
    on = await stage()
    script = [*native(spoken), STOP]
    expected = await on.waited_for(Native(), script)
    found = await on.in_passing(Native(), script, 1, turn=1.0)
    assert found.facts == expected.facts
    assert found.peer.read > 2


@pytest.mark.parametrize("seed", range(3))
async def test_after_an_objection_nothing_stays_of_what_was_overheard(stage, spoken, seed: int) -> None:
    on = await stage()
    script = native(spoken)
    script[len(script) // 2 : len(script) // 2] = [WITHDRAW]
    script.append(STOP)
    expected = await on.waited_for(Native(), script)
    found = await on.in_passing(Native(), script, seed)
    assert found.facts["published"] == expected.facts["published"] == {}
    assert found.facts["ended"] == expected.facts["ended"] == []
    assert found.facts["kinds"] == expected.facts["kinds"] == ["clear"]
    assert found.peer.kinds()[-1] == expected.peer.kinds()[-1] == "ended"
    assert found.facts["closed"] == (1000, "")


async def test_an_objection_takes_back_what_is_taken_and_held(stage, spoken, monkeypatch) -> None:
    legs: list[Leg] = []
    real = Leg.stop_analysis

    def stop_analysis(leg: Leg) -> None:
        assert leg._kept
        real(leg)
        legs.append(leg)
        assert not leg._kept
        assert (leg._taken, leg._open) == (b"", None)

    monkeypatch.setattr(Leg, "stop_analysis", stop_analysis)
    on = await stage()
    half = native(spoken)[:350]
    found = await on.in_passing(Native(), [*half, WITHDRAW, *half[1:], STOP], 1, turn=0.05)
    assert len(legs) == 2
    assert not any(leg._kept or leg._taken for leg in legs)
    assert found.facts["published"] == {}


class Failing(Native):
    """A dialect with a defect: it cannot read its n-th piece of audio."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self._left = n

    def receive(self, message: Message) -> list[WireEvent]:
        self._left -= isinstance(message, bytes)
        if self._left < 0:
            raise ArithmeticError("made to fail")
        return super().receive(message)

    def flow(self, messages: Sequence[Message]) -> list[Audio] | None:
        if self._left < len(messages):
            raise ArithmeticError("made to fail")
        self._left -= len(messages)
        return super().flow(messages)


async def test_a_dialect_that_breaks_on_what_is_overheard_ends_its_stream(stage, spoken) -> None:
    on = await stage()
    script = [*native(spoken), STOP]
    expected = await on.waited_for(Failing(500), script)
    with capture_logs() as logs:
        found = await on.in_passing(Failing(500), script, 1)
    assert found.facts == expected.facts
    assert found.facts["closed"] == (1011, "internal")
    assert found.facts["published"]
    assert len(found.facts["ended"]) == 1
    assert [line["event"] for line in logs].count("a defect of ours in reading a message") == 1


class FailingTogether(Native):
    """A dialect with a defect where it takes messages together."""

    def flow(self, messages: Sequence[Message]) -> list[Audio] | None:  # noqa: ARG002 - as its base
        raise ArithmeticError("made to fail")


async def test_a_defect_in_taking_messages_together_is_told_once_and_costs_the_call_nothing(stage, spoken) -> None:
    on = await stage()
    script = [*native(spoken), STOP]
    expected = await on.waited_for(Native(), script)
    with capture_logs() as logs:
        found = await on.in_passing(FailingTogether(), script, 1)
    assert found.facts == expected.facts
    said = [line["event"] for line in logs]
    assert said.count("a defect of ours in reading messages together; from here on one by one") == 1


async def test_a_defect_in_a_calls_audio_ends_that_call_alone(stage, spoken, monkeypatch) -> None:
    on = await stage()
    script = [*native(spoken), STOP]
    expected = await on.waited_for(Native(), script)
    real, rounds = Leg.work, []

    def work(leg: Leg, codes: bytes, measured: Frames, at: int) -> Any:
        if len(measured.energy) > len(codes) // FRAME:  # not alone: so it is a round
            rounds.append(leg)
            if len(rounds) == 30:
                raise ArithmeticError("made to fail")
        return real(leg, codes, measured, at)

    monkeypatch.setattr(Leg, "work", work)
    with capture_logs() as logs:
        broken = await on.in_passing(Native(), script, 1, turn=0.5)
    assert broken.facts["closed"] == (1011, "internal")
    assert len(broken.facts["ended"]) == 1, "it is accounted for"
    assert [line["event"] for line in logs].count("a defect of ours in audio") == 1
    assert len(rounds) == 30
    assert on.its.admission.active == 0
    monkeypatch.setattr(Leg, "work", real)
    assert (await on.in_passing(Native(), script, 1)).facts == expected.facts


@pytest.mark.parametrize("agent_says_more", [False, True])
async def test_parts_of_a_call_that_are_overheard_together_are_what_they_are_apart(
    services, spoken, *, agent_says_more: bool
) -> None:
    its = await services(**BOTH, audio__join_grace_s=3600, clock=Clock())
    found: list[list[Any]] = []
    for call_id, in_passing in (("slow", False), ("quick", True)):
        peers: list[Any] = []
        tasks = []
        sides = [g711.encode_mulaw(np.ascontiguousarray(spoken[:, n])) for n in (0, 1)]
        for party, side in zip(("customer", "agent"), sides, strict=True):
            first = start(channels=[{"role": party}], encoding="pcmu", call_id=call_id)
            pieces: Script = [side[at : at + 160] for at in range(0, len(side), 160)]
            peer = Passing()
            peer.say(first)
            if not in_passing:
                peer.show = lambda _ear: None  # type: ignore[method-assign] - nobody is shown anything
            tasks.append(asyncio.create_task(Session(peer, NativePart(), ADMITTED, its).run()))
            await peer.until_told("ready")
            peers.append((peer, pieces))
        for number, each in enumerate(zip(*(pieces for _, pieces in peers), strict=True)):
            for (peer, _), piece in zip(peers, each, strict=True):
                peer.say(piece)
                if in_passing:
                    await peer.all_read()
            if agent_says_more and number % 3 == 0:  # has all that was taken worked on, the customer's too
                peers[1][0].say(RESUME)
                if in_passing:
                    await peers[1][0].all_read()
        for peer, _ in peers:
            peer.say(STOP)
            await peer.until_told("ended")
        its.admission.drain()
        await asyncio.gather(*tasks)
        its = await services(**BOTH, audio__join_grace_s=3600, clock=Clock())
        assert (peers[0][0].overheard > 200) == in_passing
        told = [[_plain(m["event"]["data"]) for m in peer.heard if m["type"] == "event"] for peer, _ in peers]
        assert all(told)
        found.append(told)
    assert found[0] == found[1]


async def test_overheard_audio_is_a_sign_of_life(services, spoken) -> None:
    clock = Clock()
    its = await services(**BOTH, clock=clock)
    peer = Passing()
    session = Session(peer, Native(), ADMITTED, its)
    task = asyncio.create_task(session.run())
    first, *pieces = native(spoken)
    for piece in (first, *pieces[:20]):
        clock.now_s += 1
        peer.say(piece)
        await peer.all_read()
        for _ in range(LATEST + 1):
            its.rounds._turn()
    assert session.heard_s == clock.now_s
    assert peer.overheard > 10
    peer.hang_up()
    await task
