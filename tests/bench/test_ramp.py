"""The search for the largest load, and what carrying means."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streamer.bench.load import Measured
from streamer.bench.outcome import LATE_MS, Outcome, Spread
from streamer.bench.plan import Plan
from streamer.bench.ramp import FINE, Bounds, Held, Largest, broken, held, largest, void

WELL = Outcome(
    legs=4,
    frames=100,
    late=Spread(100, 0.1, 0.5, 1.0, 1.0),
    expected=5,
    lost=0,
    twice=0,
    unexpected=0,
    cut=0,
    stuck=0,
    latency=Spread(5, 10.0, 20.0, 20.0, 20.0),
    tail=Spread(),
    queue=Spread(),
    compute=Spread(),
)


def measured(*, cpu_s: float = 1.0, lag_ms: float | None = 1.0, missing: float = 0.0, **outcome: object) -> Measured:
    return Measured(
        variant="streamer",
        plan=Plan(port=1, mqtt_port=2, calls=2, seconds=10.0),
        outcome=msgspec.structs.replace(WELL, **outcome),
        cpu_s=cpu_s,
        wall_s=10.0,
        waited_s=0.5,
        memory_bytes=1,
        cores=1,
        lag_p99_ms=lag_ms,
        missing=missing,
        stages={},
    )


def test_a_load_is_carried_where_everything_was_kept() -> None:
    assert broken(measured()) == []
    assert held(measured()) is Held.YES


def test_each_bound_that_is_broken_is_said() -> None:
    for found, word in (
        (measured(cpu_s=9.9), "full"),
        (measured(cut=1), "1 calls cut"),
        (measured(stuck=1), "1 not read"),
        (measured(lost=2), "2 of 5 utterances lost"),
        (measured(twice=1), "1 twice"),
        (measured(latency=Spread(5, 10.0, 51.0, 51.0, 51.0)), "51 ms behind the hangover"),
        (measured(missing=1.0), "missing"),
        (measured(lag_ms=21.0), "lags 21 ms"),
    ):
        (said,) = broken(found)
        assert word in said
        assert held(found) is Held.NO


def test_a_sink_owes_no_events_and_who_does_not_say_its_lag_is_not_judged_by_it() -> None:
    assert held(measured(lost=5, lag_ms=None), publishes=False) is Held.YES


def test_other_bounds_can_be_asked_for() -> None:
    assert held(measured(), Bounds(lag_ms=0.5)) is Held.NO
    assert held(measured(), Bounds(event_ms=19.0)) is Held.NO


def test_where_the_generator_was_late_nothing_is_said_of_the_server() -> None:
    late = measured(lost=5, late=Spread(100, 1.0, 2 * LATE_MS, 20.0, 20.0))
    assert held(late) is Held.VOID
    assert "10.0 ms late" in void(late)


@given(st.integers(0, 3000), st.integers(1, 3000), st.integers(1, 3000))
def test_the_search_ends_near_the_bound_and_never_beyond_what_it_saw_carried(bound: int, guess: int, most: int) -> None:
    tried: list[int] = []

    def carries(calls: int) -> Held:
        tried.append(calls)
        return Held.YES if calls <= bound else Held.NO

    found = largest(carries, guess, most)
    assert len(tried) == len(set(tried))
    assert all(1 <= calls <= most for calls in tried)
    assert found.calls <= bound
    assert found.calls == max((calls for calls in tried if calls <= bound), default=0)
    assert found.is_bound == (bound < most)
    beyond = min((calls for calls in tried if calls > bound), default=most + 1)
    if found.is_bound:
        assert beyond - found.calls <= max(1, round(FINE * beyond))
    else:
        assert found.calls == most


@given(st.integers(1, 1000))
def test_a_search_from_a_good_guess_takes_few_tries(bound: int) -> None:
    tried: list[int] = []
    largest(lambda calls: (tried.append(calls), Held.YES if calls <= bound else Held.NO)[1], bound, 5000)
    assert len(tried) <= 6


def test_a_void_try_ends_the_search_with_what_was_carried_so_far() -> None:
    found = largest(lambda calls: Held.YES if calls <= 100 else Held.VOID, 90, 5000)
    assert found.calls == 90
    assert not found.is_bound
    assert largest(lambda _: Held.VOID, 90, 5000) == Largest(0, is_bound=False)
