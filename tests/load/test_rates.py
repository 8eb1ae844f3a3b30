"""Token buckets: never more than the rate and the burst, and never a wait for who stays below."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.load.rates import CONTROL_AT_ONCE, CONTROL_PER_S, Bucket, Chatter, Pace

SENT = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 500)), min_size=1, max_size=60)
"""Pauses of the sender, and how much came then."""


def taken(bucket: Bucket, sent: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """When each amount was taken by a reader that waits as it is told."""
    now_s, times = 100.0, []
    for pause_s, amount in sent:
        now_s += pause_s
        times.append((now_s, amount))
        now_s += bucket.take(amount, now_s)
    return times


@given(SENT, st.floats(0.5, 200), st.floats(1, 300))
def test_between_any_two_moments_no_more_passes_than_rate_burst_and_one_message(
    sent: list[tuple[float, int]], per_s: float, holds: float
) -> None:
    times = taken(Bucket(per_s, holds), sent)
    largest = max(amount for _, amount in times)
    for first, last in itertools.combinations_with_replacement(range(len(times)), 2):
        passed = sum(amount for _, amount in times[first : last + 1])
        length_s = times[last][0] - times[first][0]
        assert passed <= per_s * length_s + holds + largest + 1e-6


@given(st.lists(st.floats(0.02, 60), min_size=1, max_size=50), st.floats(1, 100))
def test_who_sends_at_the_rate_or_slower_never_waits_however_long_the_pauses(
    pauses_s: list[float], per_s: float
) -> None:
    bucket = Bucket(per_s, per_s * 60.001)
    now_s = 0.0
    for pause_s in pauses_s:
        now_s += pause_s
        # Everything that was spoken meanwhile comes at once, as after a network that stood still.
        assert bucket.take(pause_s * per_s, now_s) == 0


@given(SENT)
def test_a_clock_that_stands_still_or_jumps_back_gives_nothing_away(sent: list[tuple[float, int]]) -> None:
    bucket = Bucket(10, 100)
    waits_s = [bucket.take(amount, -pause_s) for pause_s, amount in sent]
    total = sum(amount for _, amount in sent)
    assert waits_s[-1] >= (total - 100) / 10 - sum(pause_s for pause_s, _ in sent) - 1e-9


def test_a_bucket_that_can_hold_nothing_or_gets_nothing_is_refused() -> None:
    for per_s, holds in ((0, 1), (1, 0), (-1, 1)):
        with pytest.raises(ValueError, match="above 0"):
            Bucket(per_s, holds)


def test_bytes_and_messages_are_counted_apart_and_the_longer_wait_counts() -> None:
    pace = Pace(bytes_per_s=1000, messages_per_s=10)
    assert pace.read(1000, 10, 0) == 0
    assert pace.read(500, 0, 0) == pytest.approx(0.5)
    assert pace.read(0, 20, 0) == pytest.approx(2)


def test_zero_is_no_limit() -> None:
    pace = Pace(bytes_per_s=0, messages_per_s=0)
    assert max(pace.read(10**9, 10**6, 0) for _ in range(100)) == 0
    assert Pace(bytes_per_s=0, messages_per_s=1).read(10**9, 3, 0) == 2


def test_words_without_audio_are_too_many_behind_a_burst_and_beyond_the_rate() -> None:
    chatter = Chatter()
    assert not any(chatter.is_too_much(0, 0) for _ in range(int(CONTROL_AT_ONCE)))
    assert chatter.is_too_much(0, 0)
    chatter = Chatter()
    assert not any(chatter.is_too_much(0, n / CONTROL_PER_S) for n in range(10 * int(CONTROL_AT_ONCE)))


@given(st.integers(0, 20))
def test_audio_is_never_too_much_nor_is_a_dialect_that_holds_some_of_it_back(held: int) -> None:
    chatter = Chatter()
    for _ in range(500):
        assert not any(chatter.is_too_much(0, 0) for _ in range(held))
        assert not chatter.is_too_much(held + 1, 0)
