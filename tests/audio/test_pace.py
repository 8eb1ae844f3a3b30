"""The declared rate against what arrives; time is made here."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.audio.pace import RATES_HZ, RateCheck

Arrival = tuple[float, int]


def steady(rate_hz: float, seconds: float = 30.0, chunk_ms: float = 20.0) -> list[Arrival]:
    chunk_s = chunk_ms / 1000
    return [(n * chunk_s, round(rate_hz * chunk_s)) for n in range(int(seconds / chunk_s))]


def refusals(declared_hz: int, arrivals: Iterable[Arrival]) -> list[tuple[float, str]]:
    check = RateCheck(declared_hz)
    found = [(now_s, check.feed(now_s, samples)) for now_s, samples in arrivals]
    return [(now_s, refusal) for now_s, refusal in found if refusal]


@given(st.sampled_from(RATES_HZ), st.sampled_from(RATES_HZ), st.sampled_from([20.0, 100.0, 200.0, 500.0]))
def test_a_stream_of_another_rate_is_refused_after_ten_seconds_and_not_before(
    declared_hz: int, sent_hz: int, chunk_ms: float
) -> None:
    found = refusals(declared_hz, steady(sent_hz, chunk_ms=chunk_ms))
    if 0.75 < sent_hz / declared_hz < 1.3:
        assert found == []
        return
    now_s, refusal = found[0]
    assert 10 <= now_s <= 13
    assert f"sample_rate is {declared_hz}" in refusal
    assert f"likely {sent_hz}" in refusal
    assert "\n" not in refusal


@given(
    st.sampled_from(RATES_HZ),
    st.floats(0.76, 1.29),
    st.floats(5, 500),
)
def test_near_the_declared_rate_nothing_is_refused(rate_hz: int, ratio: float, chunk_ms: float) -> None:
    assert refusals(rate_hz, steady(rate_hz * ratio, chunk_ms=chunk_ms)) == []


@given(st.integers(0, 2**32 - 1))
def test_jitter_of_the_network_hides_nothing(seed: int) -> None:
    late_s = random.Random(seed)
    arrivals = [(now_s + late_s.uniform(0, 0.019), samples) for now_s, samples in steady(16_000)]
    assert refusals(8000, arrivals)


def test_the_measured_rate_is_named() -> None:
    ((_, refusal), *_) = refusals(8000, steady(16_000))
    assert "16000 samples a second arrive" in refusal


def test_a_recording_sent_as_fast_as_it_goes_is_let_pass() -> None:
    assert refusals(8000, steady(8_000_000, seconds=9)) == []


@pytest.mark.parametrize("times", [2, 3, 4, 6])
def test_a_recording_played_a_few_times_too_fast_is_no_wrong_rate(times: int) -> None:
    assert refusals(8000, steady(8000 * times, chunk_ms=20 / times)) == []


def test_too_slow_is_refused_in_steps_of_any_length() -> None:
    for chunk_ms in (5.0, 10.0, 20.0):
        assert refusals(16_000, steady(8000, chunk_ms=chunk_ms))


@pytest.mark.parametrize("rate_hz", [20_000, 60_000, 5_000])
def test_a_rate_that_nobody_can_have_meant_is_let_pass(rate_hz: int) -> None:
    assert refusals(8000, steady(rate_hz)) == []


def test_bursts_are_let_pass() -> None:
    assert refusals(8000, [(5.0 * n, 80_000) for n in range(20)]) == []


def test_a_hole_with_what_was_missing_sent_at_once_is_let_pass() -> None:
    arrivals = [(now_s, samples) for now_s, samples in steady(8000, 60) if not 3 < now_s % 6 < 5.5]
    caught_up = [(now_s, samples * (126 if 5.49 < now_s % 6 < 5.51 else 1)) for now_s, samples in arrivals]
    assert refusals(8000, caught_up) == []


def test_silence_left_out_is_let_pass() -> None:
    spoken = [(now_s, samples) for now_s, samples in steady(16_000, 60) if now_s % 3 < 1.7 + (now_s // 3) % 2]
    assert refusals(24_000, spoken) == []


def test_after_a_pause_it_begins_anew() -> None:
    check = RateCheck(8000)
    for now_s, samples in steady(16_000, 9):
        assert check.feed(now_s, samples) is None
    check.pause()
    for now_s, samples in steady(16_000, 9):
        assert check.feed(20 + now_s, samples) is None


def test_a_declared_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 Hz"):
        RateCheck(0)
