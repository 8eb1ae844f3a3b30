"""What may be known of every party, on sounds made here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.speech.activity import Activity, SyllableCounter, UtteranceLevels

FRAME = 160
SILENCE = np.zeros(FRAME, np.int16)


def square(level: int) -> NDArray[np.int16]:
    """Return a frame whose every sample has this magnitude, so its level is exact."""
    return np.asarray(np.tile([level, -level], FRAME // 2), dtype=np.int16)


def fed(*frames: tuple[NDArray[np.int16], bool]) -> Activity:
    activity = Activity()
    for n, (frame, is_speech) in enumerate(frames):
        activity.process(frame, is_speech, 20.0 * n)
    return activity


def syllables(per_s: float, seconds: float, depth_db: float = 12.0) -> list[float]:
    """Return frame powers that swell so many times a second, between 60 dB and `depth_db` below."""
    t = np.arange(int(seconds * 50)) / 50
    level_db = 60 - depth_db * (0.5 + 0.5 * np.cos(2 * np.pi * per_s * t))
    return [float(power) for power in 10 ** (level_db / 10)]


@given(st.lists(st.tuples(st.sampled_from([0, 1, 30, 3000, 32767]), st.booleans()), max_size=60))
def test_talk_and_silence_make_up_all_that_was_heard(frames: list[tuple[int, bool]]) -> None:
    summary = fed(*((square(level), is_speech) for level, is_speech in frames)).summary
    assert summary.talk_ms == 20 * sum(is_speech for _, is_speech in frames)
    assert summary.talk_ms + summary.silence_ms == 20 * len(frames)
    assert 0 <= summary.clipped <= 1
    for level_dbfs in (summary.loudness_dbfs, summary.noise_dbfs):
        assert level_dbfs is None or -90.4 < level_dbfs <= 0


def test_of_a_party_that_was_never_heard_nothing_is_known() -> None:
    summary = Activity().summary
    assert (summary.talk_ms, summary.silence_ms, summary.clipped) == (0, 0, 0)
    assert (summary.loudness_dbfs, summary.noise_dbfs, summary.syllables_per_s) == (None, None, None)


def test_loudness_is_the_mean_level_of_the_speech_alone() -> None:
    summary = fed((square(3277), True), (square(3277), True), (square(33), False)).summary
    assert summary.loudness_dbfs == pytest.approx(-20, abs=0.01)
    assert summary.noise_dbfs == pytest.approx(-59.9, abs=0.1)


def test_digital_silence_has_a_level_too() -> None:
    assert fed((SILENCE, False)).summary.noise_dbfs == pytest.approx(-90.3, abs=0.1)


@pytest.mark.parametrize(("largest", "clips"), [(32_767, True), (32_256, True), (32_124, True), (31_100, False)])
def test_samples_at_the_largest_level_of_each_law_are_clipped(largest: int, clips: bool) -> None:
    summary = fed((square(largest), True), (square(100), True)).summary
    assert summary.clipped == (0.5 if clips else 0.0)


def test_the_most_negative_sample_is_clipped() -> None:
    assert fed((np.full(FRAME, -32_768, np.int16), True)).summary.clipped == 1


def test_an_utterances_snr_is_over_the_noise_around_it() -> None:
    loud_noise, noise, speech = (square(1000), False), (square(10), False), (square(1000), True)
    activity = fed(*[loud_noise] * 100, *[noise] * 60, *[speech] * 50, *[noise] * 20)
    assert activity.utterance(3200, 4200).snr_db == pytest.approx(40, abs=0.01)


def test_pauses_within_an_utterance_tell_its_noise_too() -> None:
    activity = fed(*[(square(1000), True), (square(100), False)] * 10)
    assert activity.utterance(0, 400).snr_db == pytest.approx(20, abs=0.01)


def test_without_noise_nearby_that_of_the_call_is_taken() -> None:
    activity = fed(*[(square(10), False)] * 100, *[(square(1000), True)] * 200)
    assert activity.utterance(4000, 6000).snr_db == pytest.approx(40, abs=0.01)


def test_where_all_was_speech_its_quietest_tenth_is_taken() -> None:
    activity = fed(*[(square(1000), True)] * 9, (square(100), True))
    assert activity.utterance(0, 200).snr_db == pytest.approx(10 * math.log10(0.901 / 0.01), abs=0.01)


def test_an_utterance_of_which_nothing_was_heard_has_no_snr() -> None:
    assert Activity().utterance(0, 1000) == UtteranceLevels(0.0, 0.0)


def test_an_utterances_clipped_share_is_its_own() -> None:
    activity = fed(*[(square(32_767), True)] * 10, *[(square(100), True)] * 10)
    assert activity.utterance(200, 400).clipped == 0
    assert activity.utterance(100, 300).clipped == 0.5


def test_what_lies_long_back_is_forgotten() -> None:
    activity = fed(*[(square(100), True)] * 2000)
    assert len(activity._frames) == 1000


@pytest.mark.parametrize("per_s", [2.0, 4.0, 6.0])
def test_each_swell_of_speech_is_a_syllable(per_s: float) -> None:
    counter = SyllableCounter()
    for power in syllables(per_s, 10):
        counter.process(power, is_speech=True)
    assert counter.count == pytest.approx(per_s * 10, abs=1)


def test_swells_of_less_than_2_db_are_none() -> None:
    counter = SyllableCounter()
    for power in syllables(4.0, 10, depth_db=1.9):
        counter.process(power, is_speech=True)
    assert counter.count == 0


def test_swells_outside_speech_are_none() -> None:
    counter = SyllableCounter()
    for power in syllables(4.0, 10):
        counter.process(power, is_speech=False)
    assert counter.count == 0


def test_a_peak_far_below_the_loudest_is_none() -> None:
    counter = SyllableCounter()
    for power in [*syllables(4.0, 1), *(power / 1000 for power in syllables(4.0, 10))]:
        counter.process(power, is_speech=True)
    assert counter.count <= 5


@given(st.lists(st.floats(1, 1e9), max_size=100), st.floats(0.1, 10))
def test_the_count_does_not_depend_on_the_volume(powers: list[float], volume: float) -> None:
    counters = SyllableCounter(), SyllableCounter()
    for power in powers:
        counters[0].process(power, is_speech=True)
        counters[1].process(power * volume, is_speech=True)
    assert abs(counters[0].count - counters[1].count) <= 1


def test_no_syllable_spans_missing_media() -> None:
    counter = SyllableCounter()
    for power in [1e3, 1e4, 1e5, 1e5]:
        counter.process(power, is_speech=True)
    counter.interrupt()
    for power in [1e2, 1e2, 1e2, 1e2]:
        counter.process(power, is_speech=True)
    assert counter.count == 0


def test_the_rate_of_speech_is_per_second_of_speech() -> None:
    activity = Activity()
    for n, power in enumerate(syllables(4.0, 10)):
        activity.process(square(round(math.sqrt(power))), is_speech=True, start_ms=20.0 * n)
    for n in range(500):
        activity.process(SILENCE, is_speech=False, start_ms=10_000 + 20.0 * n)
    assert activity.summary.syllables_per_s == pytest.approx(4.0, abs=0.2)


def test_under_a_second_of_speech_no_rate_is_given() -> None:
    assert fed(*[(square(1000), True)] * 49).summary.syllables_per_s is None
    assert fed(*[(square(1000), True)] * 50).summary.syllables_per_s == 0


def test_after_missing_media_the_activity_goes_on() -> None:
    activity = fed((square(1000), True))
    activity.interrupt()
    activity.process(square(1000), is_speech=True, start_ms=500.0)
    assert activity.summary.talk_ms == 40
