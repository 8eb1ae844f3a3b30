"""Counts of the day by quarter of an hour."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from streamer_client.dashboard.tally import QUARTER_S, Quarter, Tally, added

MIDNIGHT_S = 1_800_000_000.0
HAPPENED = st.lists(st.tuples(st.integers(0, 86_399), st.sampled_from(["angry", "sad"]), st.booleans()), max_size=30)


@given(HAPPENED, st.randoms())
def test_the_hours_hold_everything_once_in_any_order(happened: list[tuple[int, str, bool]], random: object) -> None:
    shuffled = happened[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    tally, other = Tally(), Tally()
    for counts, events in ((tally, happened), (other, shuffled)):
        for after_s, emotion, uncertain in events:
            counts.verdict(MIDNIGHT_S + after_s, emotion, uncertain=uncertain)
    hours = tally.hours(MIDNIGHT_S, MIDNIGHT_S + 86_399)
    assert hours == other.hours(MIDNIGHT_S, MIDNIGHT_S + 86_399)
    assert len(hours) == 24
    assert sum(hour.uncertain for hour in hours) == sum(uncertain for _, _, uncertain in happened)
    certain = added(hour.utterances for hour in hours)
    assert sum(certain.values()) == sum(not uncertain for _, _, uncertain in happened)


@given(HAPPENED)
def test_what_is_taken_back_leaves_nothing(happened: list[tuple[int, str, bool]]) -> None:
    tally = Tally()
    for by in (1, -1):
        for after_s, emotion, uncertain in happened:
            tally.call(MIDNIGHT_S + after_s, by)
            tally.alert(MIDNIGHT_S + after_s, "info", by)
            tally.verdict(MIDNIGHT_S + after_s, emotion, by, uncertain=uncertain)
    assert all(tally.quarter(number) is None for number in tally.changed)


def test_hours_begin_where_the_wall_says_also_half_past() -> None:
    tally = Tally()
    midnight_s = MIDNIGHT_S + 1800  # as in India, by UTC
    tally.call(midnight_s - 1)
    tally.call(midnight_s)
    assert [hour.calls for hour in tally.hours(midnight_s, midnight_s + 3600)] == [1, 0]


def test_a_clock_that_is_wrong_makes_no_endless_day() -> None:
    assert len(Tally().hours(MIDNIGHT_S, MIDNIGHT_S + 1e9)) == 25
    assert len(Tally().hours(MIDNIGHT_S, MIDNIGHT_S - 1e9)) == 1


def test_what_is_too_old_or_of_the_future_goes_and_is_said() -> None:
    tally = Tally()
    tally.load({0: Quarter(calls=1)})
    for at_s in (MIDNIGHT_S, MIDNIGHT_S + 10 * QUARTER_S):
        tally.call(at_s)
    tally.changed.clear()
    tally.forget(MIDNIGHT_S, MIDNIGHT_S + QUARTER_S)
    assert tally.changed == {0, int(MIDNIGHT_S // QUARTER_S) + 10}
    assert tally.quarter(int(MIDNIGHT_S // QUARTER_S)) == Quarter(calls=1)
