"""How long two parties spoke at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.speech.overlap import Overlap

legs = st.lists(st.booleans(), max_size=60)
"""Whether a leg speaks, frame by frame of 20 ms."""


def tell(overlap: Overlap, leg: int, n: int, is_speech: bool) -> None:
    if is_speech:
        overlap.speech(leg, 20.0 * n, 20.0 * (n + 1))
    else:
        overlap.passed(leg, 20.0 * (n + 1))


@given(legs, legs, st.randoms(use_true_random=False))
def test_whichever_leg_is_ahead_the_overlap_is_that_of_the_media_clock(
    first: list[bool], second: list[bool], chance: object
) -> None:
    overlap, told, spoken = Overlap(), [0, 0], (first, second)
    turns = [0] * len(first) + [1] * len(second)
    chance.shuffle(turns)  # type: ignore[attr-defined]
    for leg in turns:
        tell(overlap, leg, told[leg], spoken[leg][told[leg]])
        told[leg] += 1
    assert overlap.total_ms == 20 * sum(a and b for a, b in zip(first, second, strict=False))


def test_intervals_of_any_length_count_where_they_meet() -> None:
    overlap = Overlap()
    overlap.speech(0, 0, 1000)
    overlap.speech(1, 900, 950)
    overlap.speech(1, 990, 2000)
    overlap.speech(0, 1500, 1600)
    assert overlap.total_ms == 50 + 10 + 100


def test_a_leg_that_never_speaks_meets_nobody_and_nothing_waits_for_it() -> None:
    overlap = Overlap()
    for n in range(1000):
        tell(overlap, 0, n, is_speech=n % 2 == 0)
        tell(overlap, 1, n, is_speech=False)
    assert overlap.total_ms == 0
    assert all(len(waiting) <= 1 for waiting in overlap._waiting)


def test_unbroken_speech_waits_as_one_interval() -> None:
    overlap = Overlap()
    for n in range(1000):
        tell(overlap, 0, n, is_speech=True)
    assert list(overlap._waiting[0]) == [(0.0, 20_000.0)]


@pytest.mark.parametrize(("start_ms", "end_ms"), [(50, 40), (10, 30), (10, 10)])
def test_speech_out_of_order_is_refused(start_ms: float, end_ms: float) -> None:
    overlap = Overlap()
    overlap.speech(0, 0, 20)
    with pytest.raises(ValueError, match="leg 0 spoke from"):
        overlap.speech(0, start_ms, end_ms)
