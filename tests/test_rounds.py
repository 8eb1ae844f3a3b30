"""Rounds: calls are worked on when that can have a result, together, each as if it were alone.

The loop is a test's own: its clock stands still until the test moves it, so a round is twenty milliseconds sharp.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from streamer.audio.frames import FRAME, Frames
from streamer.config import SpeechSettings
from streamer.emotion.model import EmotionModel
from streamer.leg import Leg
from streamer.rounds import FRAMES_AT_ONCE, LATEST, ROUND_MS, Rounds
from streamer.wire.events import Audio, Encoding, Role


class Loop:
    """What rounds ask of an event loop, on a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._soon: list[Callable[[], None]] = []
        self._count = 0
        self.between = 0
        """How often others had the loop in between."""

    def time(self) -> float:
        return self.now_ms / 1000

    def call_at(self, when_s: float, callback: Callable[[], None]) -> Any:
        self._count += 1
        heapq.heappush(self._later, (round(when_s * 1000, 6), self._count, callback))
        return SimpleNamespace(cancel=lambda: None)

    def call_soon(self, callback: Callable[[], None]) -> Any:
        self._soon.append(callback)
        return SimpleNamespace(cancel=lambda: None)

    @property
    def is_idle(self) -> bool:
        return not self._later and not self._soon

    def advance(self, ms: float) -> None:
        """Let time pass, and all happen that is due in it."""
        until = self.now_ms + ms
        while self._later and self._later[0][0] <= until + 1e-6:
            at_ms, _, callback = heapq.heappop(self._later)
            self.now_ms = max(self.now_ms, at_ms)
            callback()
            while self._soon:
                self.between += 1
                self._soon.pop(0)()
        self.now_ms = until


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    """The loop that rounds find."""
    made = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


class Party:
    """A leg as far as rounds know one."""

    def __init__(self, due_ms: float = math.inf) -> None:
        self.due_ms = due_ms
        self.taken = b""

    @property
    def waiting(self) -> int:
        return len(self.taken)

    def frames(self) -> bytes:
        whole = len(self.taken) // FRAME * FRAME
        codes, self.taken = self.taken[:whole], self.taken[whole:]
        return codes


class Talk:
    """A conversation, its call in one: what is heard are the first codes of its frames, in order."""

    def __init__(self, loop: Loop, *legs: Party, fails: tuple[str, ...] = ()) -> None:
        self.legs = legs or (Party(),)
        self.call: Any = self
        self.identity = SimpleNamespace(session_id="S1", call=SimpleNamespace(id="CA1"))
        self.worked_at_ms: list[float] = []
        self.heard: list[tuple[int, int]] = []
        self.in_the_end: list[Any] = []
        self.shares_s: list[float] = []
        self.is_broken = False
        self._loop = loop
        self._fails = fails

    def work(self, leg: Party, codes: bytes, measured: Frames, at: int) -> list[Any]:
        if "work" in self._fails:
            raise ArithmeticError("made to fail")
        own = Frames(codes)
        n = len(codes) // FRAME
        assert measured.energy[at : at + n] == own.energy
        assert measured.linear[320 * at : 320 * (at + n)] == own.linear
        found = [(self.legs.index(leg), codes[FRAME * i]) for i in range(n)]
        self.heard += found
        return found

    def worked(self, heard: list[Any], work_s: float) -> None:
        self.worked_at_ms.append(self._loop.now_ms)
        self.in_the_end += heard
        self.shares_s.append(work_s)
        if "worked" in self._fails:
            raise ArithmeticError("made to fail")

    def broke(self) -> None:
        self.is_broken = True


def frame(code: int, n: int = 1) -> bytes:
    return bytes([code]) * (FRAME * n)


def rounds() -> Rounds:
    return Rounds(lambda: 0.0)


def turns(loop: Loop, n: int) -> None:
    loop.advance(ROUND_MS * n)


@pytest.mark.parametrize("due_ms", [0.0, 1.0, 19.9, 20.0, 39.0, 40.0, 60.0, 79.9, 80.0, 99.0, 100.0, 5000.0, math.inf])
def test_a_call_waits_for_what_it_expects_and_never_longer_than_the_latest_round(loop: Loop, due_ms: float) -> None:
    one = Talk(loop, Party(due_ms))
    one.legs[0].taken = frame(1)
    rounds().add(one)
    turns(loop, 2 * LATEST)
    (at_ms,) = one.worked_at_ms
    assert at_ms >= min(due_ms, LATEST * ROUND_MS), "what it waits for has come, or it has waited long enough"
    assert at_ms <= min(due_ms + 2 * ROUND_MS, LATEST * ROUND_MS)


def test_of_several_parties_the_first_that_is_due_counts(loop: Loop) -> None:
    one = Talk(loop, Party(), Party(40.0), Party(400.0))
    rounds().add(one)
    turns(loop, 2 * LATEST)
    assert one.worked_at_ms == [50.0]


@pytest.mark.parametrize("held_ms", [0, 20, 100, 200])
def test_audio_that_is_held_is_not_waited_for(loop: Loop, held_ms: float) -> None:
    one = Talk(loop, Party(100.0))
    rounds().add(one, lambda: None, held_ms)
    turns(loop, 2 * LATEST)
    assert one.worked_at_ms == [{0: 110.0, 20: 90.0, 100: 10.0, 200: 10.0}[held_ms]]


@pytest.mark.parametrize("message_ms", [20, 40, 100, 200])
@pytest.mark.parametrize("missing_ms", [0, 20, 40, 60, 80])
def test_audio_that_holds_a_result_already_is_worked_on_in_the_next_round(
    loop: Loop, model: EmotionModel, message_ms: int, missing_ms: int
) -> None:
    real = Leg(Role.CUSTOMER, 0, encoding=Encoding.PCMU, rate_hz=8000, speech=SpeechSettings(), model=model)
    real.receive(Audio(0, (b"\x05\x85" * 80 + b"\x30\xb0\x05\x85" * 40) * 100))
    assert real.due_ms == 400, "it spoke until now"
    missing_ms = min(missing_ms, message_ms - 20)
    silence = b"\xff" * 160
    for _ in range((400 - message_ms + missing_ms) // 20):
        assert not real.receive(Audio(0, silence))
    one = Talk(loop)
    one.legs = (real,)  # type: ignore[assignment]
    one.work = lambda leg, codes, measured, at: leg.work(codes, measured, at)  # type: ignore[method-assign]
    real.take(Audio(0, silence * (message_ms // 20)))
    rounds().add(one)
    turns(loop, 2 * LATEST)
    assert one.worked_at_ms == [ROUND_MS]
    assert len(one.in_the_end) == 1


def test_what_comes_for_a_call_that_waits_already_is_worked_on_with_the_rest_in_its_order(loop: Loop) -> None:
    one, wheel = Talk(loop), rounds()
    for code in range(5):
        one.legs[0].taken += frame(code)
        wheel.add(one)
        loop.advance(20)
    turns(loop, 2 * LATEST)
    assert one.worked_at_ms == [LATEST * ROUND_MS]
    assert one.in_the_end == one.heard == [(0, code) for code in range(5)]


@pytest.mark.parametrize("late_ms", [3.0, 9.0, 14.0])
def test_the_wheel_keeps_time_though_every_turn_is_late(loop: Loop, late_ms: float) -> None:
    class Slow(Talk):
        def worked(self, heard: list[Any], work_s: float) -> None:
            super().worked(heard, work_s)
            loop.now_ms += late_ms  # others have to wait for it

    wheel = rounds()
    slow = [Slow(loop, Party(ROUND_MS * n)) for n in range(10)]
    one = Talk(loop, Party(100.0))
    for talk in (*slow, one):
        wheel.add(talk)
    turns(loop, 40)
    # Each of them delays what comes behind it by what it takes, and no turn is counted from a late one.
    assert one.worked_at_ms[0] <= max(110.0, 10 + 10 * late_ms) + 1e-6


def test_a_loop_that_stood_still_does_not_turn_for_ever_afterwards(loop: Loop) -> None:
    wheel, one, another = rounds(), Talk(loop), Talk(loop)
    wheel.add(one)
    loop.now_ms += 60_000.0
    loop.advance(0.0)
    wheel.add(another)
    loop.advance(0.0)
    assert wheel._turns <= 2 * LATEST + 2
    turns(loop, 2 * LATEST)
    assert one.worked_at_ms
    assert another.worked_at_ms
    assert loop.is_idle


def test_no_timer_runs_while_nothing_waits(loop: Loop) -> None:
    one, wheel = Talk(loop), rounds()
    assert loop.is_idle
    for _ in range(3):
        one.legs[0].taken += frame(1)
        wheel.add(one)
        turns(loop, LATEST + 1)
        assert loop.is_idle
        turns(loop, 7)
    assert len(one.worked_at_ms) == 3


def test_what_is_held_is_fetched_exactly_once_and_before_the_frames_are(loop: Loop) -> None:
    one, wheel = Talk(loop, Party(), Party()), rounds()
    fetched: list[int] = []

    def holder(n: int) -> Callable[[], None]:
        def hand_over() -> None:
            fetched.append(n)
            one.legs[n % 2].taken += frame(n)
            wheel.add(one)  # as whoever takes audio does

        return hand_over

    for n in range(6):
        wheel.add(one, holder(n))
        loop.advance(15)
    turns(loop, 2 * LATEST)
    assert fetched == list(range(6))
    assert sorted(one.in_the_end) == [(n % 2, n) for n in (0, 2, 4, 1, 3, 5)]
    assert len(one.worked_at_ms) == 1


def test_what_comes_for_another_round_while_work_goes_on_has_one(loop: Loop) -> None:
    one, wheel = Talk(loop), rounds()

    def again() -> None:
        one.legs[0].taken += frame(2)

    def hand_over() -> None:
        one.legs[0].taken += frame(1)
        wheel.add(one, again)  # its reader holds more at once

    wheel.add(one, hand_over)
    turns(loop, 2 * LATEST + 2)
    assert one.in_the_end == [(0, 1), (0, 2)]
    assert len(one.worked_at_ms) == 2
    assert loop.is_idle


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 1), st.sampled_from([0, 5, 20, 50, 100, 300]), st.booleans()),
        max_size=60,
    ),
    st.lists(st.sampled_from([0.0, 30.0, 75.0, 500.0, math.inf]), min_size=5, max_size=5),
)
def test_whatever_comes_when_everything_is_worked_on_once_in_order_and_in_time(comings: Any, due_ms: Any) -> None:
    loop = Loop()
    real = asyncio.get_running_loop
    asyncio.get_running_loop = lambda: loop  # type: ignore[assignment] - a fixture lives longer than an example
    try:
        talks = [Talk(loop, Party(due), Party()) for due in due_ms]
        wheel = rounds()
        put: list[list[list[int]]] = [[[], []] for _ in talks]
        waits_since: dict[int, float] = {}
        for n, (who, side, pause_ms, is_held) in enumerate(comings):
            one = talks[who]
            code = n + 1
            put[who][side].append(code)

            def hand_over(one: Talk = one, side: int = side, code: int = code) -> None:
                one.legs[side].taken += frame(code)
                wheel.add(one)

            if is_held:
                wheel.add(one, hand_over)
            else:
                place = wheel._places.get(one)
                for earlier in list(place.hand_overs) if place else ():  # a reader hands over what it holds first
                    place.hand_overs.remove(earlier)
                    earlier()
                hand_over()
            waits_since.setdefault(who, loop.now_ms)
            before = [len(talk.worked_at_ms) for talk in talks]
            loop.advance(pause_ms)
            for each, talk in enumerate(talks):
                if len(talk.worked_at_ms) > before[each]:
                    since_ms = waits_since.pop(each)
                    assert talk.worked_at_ms[before[each]] - since_ms <= LATEST * ROUND_MS
        turns(loop, LATEST + 2)
        assert loop.is_idle
        for who, one in enumerate(talks):
            for side in (0, 1):
                assert [code for leg, code in one.in_the_end if leg == side] == put[who][side]
    finally:
        asyncio.get_running_loop = real  # type: ignore[assignment]


def test_very_much_work_lets_others_have_the_loop(loop: Loop) -> None:
    wheel = rounds()
    talks = [Talk(loop) for _ in range(7)]
    for one in talks:
        one.legs[0].taken = frame(9, FRAMES_AT_ONCE // 2)
        wheel.add(one)
    turns(loop, LATEST)
    assert loop.between == 3, "two calls at a time fill it, so four goes for seven"
    assert all(len(one.in_the_end) == FRAMES_AT_ONCE // 2 for one in talks)
    turns(loop, 2)
    assert loop.is_idle


def test_what_comes_while_others_have_the_loop_is_taken_along(loop: Loop) -> None:
    wheel = rounds()
    first, second = Talk(loop), Talk(loop)
    for one in (first, second):
        one.legs[0].taken = frame(1, FRAMES_AT_ONCE)
        wheel.add(one)
    real = loop.call_soon

    def call_soon(callback: Callable[[], None]) -> Any:
        second.legs[0].taken += frame(2)
        wheel.add(second)
        return real(callback)

    loop.call_soon = call_soon  # type: ignore[method-assign]
    turns(loop, LATEST)
    assert second.in_the_end == [(0, 1)] * FRAMES_AT_ONCE + [(0, 2)]
    assert len(second.worked_at_ms) == 1


def test_a_defect_in_one_call_reaches_no_other_and_is_said(loop: Loop) -> None:
    wheel = rounds()
    talks = [Talk(loop), Talk(loop, fails=("work",)), Talk(loop)]
    for n, one in enumerate(talks):
        one.legs[0].taken = frame(n, 3)
        wheel.add(one)
    with capture_logs() as logs:
        turns(loop, LATEST)
    assert [one.is_broken for one in talks] == [False, True, False]
    assert [one.in_the_end for one in talks] == [[(0, 0)] * 3, [], [(0, 2)] * 3]
    assert [(line["log_level"], line["session"], line["call"]) for line in logs] == [("error", "S1", "CA1")]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_defect_while_fetching_what_is_held_reaches_no_other_call(loop: Loop, position: int) -> None:
    wheel = rounds()
    talks = [Talk(loop) for _ in range(3)]

    def broken() -> None:
        raise ArithmeticError("made to fail")

    for n, one in enumerate(talks):
        one.legs[0].taken = frame(n)
        wheel.add(one, broken if n == position else None)
    with capture_logs() as logs:
        turns(loop, LATEST)
    others = [one for n, one in enumerate(talks) if n != position]
    assert [one.in_the_end for one in others] == [[(0, n)] for n in range(3) if n != position]
    assert talks[position].is_broken
    assert len(logs) == 1
    for one in others:  # and they go on
        one.legs[0].taken = frame(7)
        wheel.add(one)
    turns(loop, LATEST + 1)
    assert all(one.in_the_end[-1] == (0, 7) for one in others)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_defect_in_taking_note_of_what_was_heard_reaches_no_other_call(loop: Loop, position: int) -> None:
    wheel = rounds()
    talks = [Talk(loop, fails=("worked",) if n == position else ()) for n in range(3)]
    for n, one in enumerate(talks):
        one.legs[0].taken = frame(n)
        wheel.add(one)
    with capture_logs() as logs:
        turns(loop, LATEST)
    assert [one.in_the_end for one in talks] == [[(0, n)] for n in range(3)]
    assert talks[position].is_broken
    assert len(logs) == 1


def test_the_time_that_a_round_took_is_shared_by_its_calls(loop: Loop) -> None:
    times = itertools.count(step=0.3)
    wheel = Rounds(lambda: next(times))
    talks = [Talk(loop) for _ in range(3)]
    for one in talks:
        one.legs[0].taken = frame(1)
        wheel.add(one)
    turns(loop, LATEST)
    assert [one.shares_s for one in talks] == [[pytest.approx(0.1)]] * 3
