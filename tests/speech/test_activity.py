"""What may be known of every party, on sounds made here."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.audio import g711
from streamer.audio.frames import FRAME, Frames
from streamer.speech.activity import Activity, SyllableCounter, UtteranceLevels

SILENCE = np.zeros(FRAME, np.int16)


def square(level: int) -> NDArray[np.int16]:
    """Return a frame whose every sample has this magnitude, so its level is exact."""
    return np.asarray(np.tile([level, -level], FRAME // 2), dtype=np.int16)


def put(activity: Activity, frame: NDArray[np.int16], is_speech: bool, start_ms: float) -> None:
    exact = frame.astype(np.int64)
    clipped = int(np.count_nonzero(np.abs(exact) >= 32_124))
    activity.process(float(exact @ exact), clipped, is_speech, round(start_ms * 8))


def fed(*frames: tuple[NDArray[np.int16], bool]) -> Activity:
    activity = Activity()
    for n, (frame, is_speech) in enumerate(frames):
        put(activity, frame, is_speech, 20.0 * n)
    return activity


def on_a_line(*frames: NDArray[np.int16]) -> Activity:
    """What a leg makes of frames of speech: they have passed mu-law."""
    activity = Activity()
    measured = Frames(b"".join(map(g711.encode_mulaw, frames)))
    for n, (energy, clipped) in enumerate(zip(measured.energy, measured.clipped, strict=True)):
        activity.process(energy, clipped, is_speech=True, start=FRAME * n)
    return activity


def syllables(per_s: float, seconds: float, depth_db: float = 12.0) -> list[float]:
    """Return frame powers that swell so many times a second, between 60 dB and `depth_db` below."""
    t = np.arange(int(seconds * 50)) / 50
    level_db = 60 - depth_db * (0.5 + 0.5 * np.cos(2 * np.pi * per_s * t))
    return [float(power) for power in 10 ** (level_db / 10)]


@given(
    st.lists(st.tuples(st.integers(1, 700), st.integers(0, 3)), min_size=1, max_size=6),
    st.floats(-100, 22_000),
    st.floats(0, 16_000),
)
def test_an_utterance_is_found_among_the_frames_whatever_is_missing_before_it(
    stretches: list[tuple[int, int]], back_ms: float, length_ms: float
) -> None:
    activity, starts = Activity(), []
    at = 0
    for frames, missing in stretches:
        at += missing * FRAME
        for n in range(frames):
            starts.append(at + n * FRAME)
            activity.process(float(len(starts)), 0, is_speech=True, start=starts[-1])
        at += frames * FRAME
    begin_ms = max(0.0, at / 8 - back_ms)
    activity._settle()
    remembered = starts[len(starts) - len(activity._marks) :]
    found = activity._between(begin_ms, begin_ms + length_ms)
    middles = [start + FRAME / 2 for start in remembered]
    expected = [n for n, middle in enumerate(middles) if begin_ms * 8 <= middle < (begin_ms + length_ms) * 8]
    assert list(range(len(remembered)))[found] == expected


def all_speech(powers: Sequence[float]) -> tuple[Sequence[float], list[int]]:
    return powers, [1] * len(powers)


def all_silence(powers: Sequence[float]) -> tuple[Sequence[float], list[int]]:
    return powers, [0] * len(powers)


@given(st.lists(st.tuples(st.integers(1, 90), st.floats(0, 1e9), st.integers(0, 160), st.booleans()), max_size=12))
def test_frames_that_are_alike_may_come_together(runs: list[tuple[int, float, int, bool]]) -> None:
    together, alone, start = Activity(), Activity(), 0
    for frames, energy, clipped, is_speech in runs:
        energies, clips = [energy * n / frames for n in range(frames)], [clipped * n // frames for n in range(frames)]
        together.extend(energies, clips, is_speech, start)
        for n in range(frames):
            alone.process(energies[n], clips[n], is_speech, start + FRAME * n)
        start += FRAME * frames
    assert together.summary == alone.summary
    assert together.utterance(200, start / 8 - 100) == alone.utterance(200, start / 8 - 100)


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
    summary = on_a_line(square(largest), square(100)).summary
    assert summary.clipped == (0.5 if clips else 0.0)


def test_the_most_negative_sample_is_clipped() -> None:
    assert on_a_line(np.full(FRAME, -32_768, np.int16)).summary.clipped == 1


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
    activity = Activity()
    for n in range(5000):
        is_pause = 4000 <= n < 4010
        put(activity, square(10 if is_pause else 1000), not is_pause, 20.0 * n)
        kept = [len(column) for column in (activity._energies, activity._marks)]
        assert len(set(kept)) == 1
        assert kept[0] <= 1000 + 2 * 64, "20 s, and what is counted and let go of together"
    assert activity.utterance(80_000, 100_000).snr_db == pytest.approx(40, abs=0.01), "20 s back is still known"


def test_of_who_is_not_judged_no_frame_is_remembered() -> None:
    activity = Activity()
    activity.remembers = False
    for n in range(5000):
        put(activity, square(100), is_speech=True, start_ms=20.0 * n)
        assert len(activity._marks) <= 2 * 64
    assert activity.summary.talk_ms == 100_000


@pytest.mark.parametrize("per_s", [2.0, 4.0, 6.0])
def test_each_swell_of_speech_is_a_syllable(per_s: float) -> None:
    counter = SyllableCounter()
    counter.process(*all_speech(syllables(per_s, 10)))
    assert counter.count == pytest.approx(per_s * 10, abs=1)


def test_swells_of_less_than_2_db_are_none() -> None:
    counter = SyllableCounter()
    counter.process(*all_speech(syllables(4.0, 10, depth_db=1.9)))
    assert counter.count == 0


def test_swells_outside_speech_are_none() -> None:
    counter = SyllableCounter()
    counter.process(*all_silence(syllables(4.0, 10)))
    assert counter.count == 0


def test_a_peak_far_below_the_loudest_is_none() -> None:
    counter = SyllableCounter()
    counter.process(*all_speech([*syllables(4.0, 1), *(power / 1000 for power in syllables(4.0, 10))]))
    assert counter.count <= 5


@given(st.lists(st.floats(1, 1e9), max_size=100), st.floats(0.1, 10))
def test_the_count_does_not_depend_on_the_volume(powers: list[float], volume: float) -> None:
    counters = SyllableCounter(), SyllableCounter()
    counters[0].process(*all_speech(powers))
    counters[1].process(*all_speech([power * volume for power in powers]))
    assert abs(counters[0].count - counters[1].count) <= 1


def test_no_syllable_spans_missing_media() -> None:
    counter = SyllableCounter()
    counter.process(*all_speech([1e3, 1e4, 1e5, 1e5]))
    counter.interrupt()
    counter.process(*all_speech([1e2, 1e2, 1e2, 1e2]))
    assert counter.count == 0


def test_the_rate_of_speech_is_per_second_of_speech() -> None:
    activity = Activity()
    for n, power in enumerate(syllables(4.0, 10)):
        put(activity, square(round(math.sqrt(power))), is_speech=True, start_ms=20.0 * n)
    for n in range(500):
        put(activity, SILENCE, is_speech=False, start_ms=10_000 + 20.0 * n)
    assert activity.summary.syllables_per_s == pytest.approx(4.0, abs=0.2)


def test_under_a_second_of_speech_no_rate_is_given() -> None:
    assert fed(*[(square(1000), True)] * 49).summary.syllables_per_s is None
    assert fed(*[(square(1000), True)] * 50).summary.syllables_per_s == 0


def test_after_missing_media_the_activity_goes_on() -> None:
    activity = fed((square(1000), True))
    activity.interrupt()
    put(activity, square(1000), is_speech=True, start_ms=500.0)
    assert activity.summary.talk_ms == 40


frames = st.lists(
    st.one_of(st.tuples(st.sampled_from([1, 30, 300, 3000, 32_767]), st.booleans()), st.none()), max_size=300
)
"""Frames: how loud, and whether they are speech; None: media is missing."""


@given(frames, st.sets(st.integers(0, 300)), st.booleans())
def test_when_it_is_asked_changes_nothing(frames: list[tuple[int, bool] | None], asked: set[int], remembers) -> None:
    unasked, often = Activity(), Activity()
    unasked.remembers, often.remembers = remembers, True
    for n, frame in enumerate(frames):
        for activity in (unasked, often):
            if frame is None:
                activity.interrupt()
            else:
                put(activity, square(frame[0]), frame[1], 20.0 * n)
        if n in asked:
            assert often.summary.talk_ms == 20 * sum(one is not None and one[1] for one in frames[: n + 1])
            often.utterance(0, 20.0 * n)
    assert often.summary == unasked.summary


@given(frames, st.integers(0, 6000), st.integers(0, 3000))
def test_an_utterances_levels_are_those_of_its_own_frames(frames, start_ms: int, length_ms: int) -> None:
    activity, inside, noise = Activity(), [], []
    for n, frame in enumerate(frames):
        if frame is None:
            continue
        put(activity, square(frame[0]), frame[1], 20.0 * n)
        middle_ms = 20 * n + 10
        if start_ms <= middle_ms < start_ms + length_ms:
            inside.append(frame)
        if not frame[1] and start_ms - 1000 <= middle_ms < start_ms + length_ms + 1000:
            noise.append(frame[0] ** 2)
    levels = activity.utterance(start_ms, start_ms + length_ms)
    assert levels.clipped == pytest.approx(np.mean([loud == 32_767 for loud, _ in inside]) if inside else 0)
    speech = [loud**2 for loud, is_speech in inside if is_speech]
    if not speech:
        assert levels.snr_db == 0
    elif len(noise) >= 5:
        assert levels.snr_db == pytest.approx(10 * math.log10(np.mean(speech) / np.mean(noise)))
