"""What is shed and when: partials before calls, after a while and not at a glance, and back again."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.load.shedding import FALL_S, RISE_S, Level, Shedding

LOOK_S = 0.25
LAG_MS, QUEUE_MS = 500, 5000


def levels(loads: list[float], *, by_queue: bool = False) -> list[Level]:
    """Levels of a node whose load is this, look by look."""
    shedding = Shedding(LAG_MS, QUEUE_MS)
    return [
        shedding.look(
            n * LOOK_S,
            0 if by_queue else load * LAG_MS / 1000,
            load * QUEUE_MS / 1000 if by_queue else 0,
        )
        for n, load in enumerate(loads)
    ]


def steady(load: float, seconds: float) -> list[float]:
    return [load] * round(seconds / LOOK_S)


LOADS = st.lists(st.floats(0, 1000), max_size=200)


@given(LOADS)
def test_it_goes_up_and_down_step_by_step_and_never_faster_than_it_may(loads: list[float]) -> None:
    found = levels(loads)
    changes = [n for n, (one, other) in enumerate(itertools.pairwise(found)) if one is not other]
    for n in changes:
        assert abs(found[n + 1] - found[n]) == 1
        quiet = RISE_S if found[n + 1] > found[n] else FALL_S
        before = max((m for m in changes if m < n), default=-1)
        assert (n - before) * LOOK_S >= quiet


@given(LOADS)
def test_whatever_was_when_it_is_calm_for_long_everything_is_done_again(loads: list[float]) -> None:
    assert levels(loads + steady(0, 2 * FALL_S + 10))[-1] is Level.ALL


@given(st.lists(st.floats(0, 0.999), max_size=200))
def test_below_its_threshold_nothing_is_shed(loads: list[float]) -> None:
    assert set(levels(loads)) <= {Level.ALL}


@given(st.floats(0, 1e6), st.floats(0, 0.2))
def test_one_look_however_bad_sheds_nothing(worst: float, usual: float) -> None:
    found = levels([*steady(usual, 5), worst, *steady(usual, 30)])
    assert set(found) == {Level.ALL}


@given(st.floats(1.1, 1.9))
def test_too_much_stops_partials_and_no_more(load: float) -> None:
    assert levels(steady(load, 60))[-1] is Level.NO_PARTIALS


@given(load=st.floats(2.2, 1e6), by_queue=st.booleans())
def test_far_too_much_refuses_calls_as_well_but_only_after_partials(*, load: float, by_queue: bool) -> None:
    found = levels(steady(load, 60), by_queue=by_queue)
    assert list(dict.fromkeys(found)) == [Level.ALL, Level.NO_PARTIALS, Level.NO_CALLS]


@given(st.lists(st.floats(0.55, 0.95), min_size=1, max_size=300), st.sampled_from([1.5, 10.0]))
def test_between_calm_and_too_much_nothing_changes_so_that_it_does_not_swing(
    middling: list[float], load: float
) -> None:
    before = levels(steady(load, 30))
    settling = steady(0.7, 3)
    after = levels(steady(load, 30) + settling + middling)
    assert set(after[len(before) + len(settling) :]) == {before[-1]}


def test_a_threshold_of_zero_never_sheds() -> None:
    shedding = Shedding(0, 0)
    for n in range(1000):
        assert shedding.look(n, 100, 100) is Level.ALL
    assert (shedding.load, shedding.lag_s) == (0, 0)


def test_the_lag_that_is_told_is_smoothed() -> None:
    shedding = Shedding(LAG_MS, 0)
    shedding.look(0, 0.5, 0)
    assert 0 < shedding.lag_s < 0.5
    for n in range(100):
        shedding.look(n, 0.5, 0)
    assert shedding.lag_s == pytest.approx(0.5)
