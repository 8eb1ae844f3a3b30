"""The voice activity detector, on sounds made here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.audio import g711
from streamer.speech.vad import FRAME_MS, FRAME_SAMPLES, RATE_HZ, Squelch, Vad, WebRtcVad, make_vad

LEVELS = st.lists(st.sampled_from([0, 3, 8, 16, 24, 40, 60, 80, 83, 200, 3000, 30_000]), min_size=1, max_size=120)
"""Frames of these magnitudes, around all the levels that matter to a squelch of -52 dBFS."""


def voice(seconds: float, level: float = 6000.0) -> NDArray[np.int16]:
    """Return something like a voice: harmonics of a gliding 120 Hz, loud and soft four times a second."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(120 + 15 * np.sin(2 * np.pi * 0.7 * t)) / RATE_HZ
    sound = sum(np.sin(k * phase) / k for k in range(1, 20))
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * t)
    return np.asarray(level * sound * swell / 2, dtype=np.int16)


def heard(vad: Vad, samples: NDArray[np.int16]) -> list[bool]:
    return [vad.is_speech(frame) for frame in samples.reshape(-1, FRAME_SAMPLES)]


def test_a_frame_is_20_ms_at_8_khz() -> None:
    assert FRAME_SAMPLES == RATE_HZ * FRAME_MS // 1000 == 160


@pytest.mark.parametrize("aggressiveness", [0, 1, 2, 3])
def test_a_voice_is_speech_and_digital_silence_is_not(aggressiveness: int) -> None:
    vad = make_vad("webrtc", aggressiveness)
    assert not any(heard(vad, np.zeros(8000, dtype=np.int16)))
    assert np.mean(heard(vad, voice(2.0))) > 0.6


def test_two_legs_do_not_hear_each_other() -> None:
    noise = np.random.default_rng(1).normal(0, 300, 80_000).astype(np.int16)
    alone, beside_noise, noisy = WebRtcVad(2), WebRtcVad(2), WebRtcVad(2)
    expected = heard(alone, voice(2.0))
    heard(noisy, noise)
    assert heard(beside_noise, voice(2.0)) == expected


def test_it_adapts_so_the_frames_before_matter() -> None:
    noise = np.random.default_rng(1).normal(0, 300, 80_000).astype(np.int16)
    answers = heard(WebRtcVad(0), noise)
    assert all(answers[:5])
    assert not any(answers[-25:])


@pytest.mark.parametrize(
    "frame",
    [np.zeros(159, np.int16), np.zeros(320, np.int16), np.zeros(0, np.int16), np.zeros(160, np.float32)],
)
def test_a_frame_of_another_shape_is_refused(frame: NDArray[np.int16]) -> None:
    with pytest.raises(ValueError, match=r"expected a frame of int16\[160\], got"):
        WebRtcVad().is_speech(frame)


@pytest.mark.parametrize("aggressiveness", [-1, 4])
def test_an_aggressiveness_out_of_range_is_refused(aggressiveness: int) -> None:
    with pytest.raises(ValueError, match="must be 0, 1, 2 or 3"):
        make_vad("webrtc", aggressiveness)


def test_an_unknown_detector_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'silero'"):
        make_vad("silero", 2)


@given(st.integers(0, 10_000), st.lists(st.integers(1, 40), max_size=12))
def test_frames_are_heard_alike_one_by_one_and_together(seed: int, pieces: list[int]) -> None:
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.choice([0, 8, 30, 300, 8000], 40), 8 * FRAME_SAMPLES)
    samples = (rng.uniform(-1, 1, len(loudness)) * loudness).astype(np.int16)
    frames = samples.reshape(-1, FRAME_SAMPLES)
    alone = make_vad("webrtc")
    expected = [alone.is_speech(frame) for frame in frames]
    together, found = make_vad("webrtc"), []
    for some in np.split(frames, np.minimum(np.cumsum(pieces, dtype=int), len(frames))):
        energies = np.square(some.astype(np.float64)).sum(axis=1).tolist()
        found += together.hear(some.tobytes(), energies)
    assert found == expected


class Credulous:
    """Calls everything speech, and remembers how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def is_speech(self, frame: NDArray[np.int16]) -> bool:
        return self.hear(frame.tobytes(), (0.0,))[0]

    def hear(self, linear: bytes, energies: Sequence[float]) -> list[bool]:
        assert len(linear) == 320 * len(energies)
        self.asked += len(energies)
        return [True] * len(energies)


def level(magnitude: int) -> NDArray[np.int16]:
    return np.full(FRAME_SAMPLES, magnitude, np.int16)


def test_what_is_quieter_than_the_squelch_is_silence_though_the_detector_hears_it_too() -> None:
    behind = Credulous()
    squelch = Squelch(behind, -20.0)  # a tenth of full scale: 3276.8
    assert not squelch.is_speech(level(3276))
    assert squelch.is_speech(level(3277))
    assert behind.asked == 2


def test_a_squelch_at_its_lowest_lets_all_but_nothing_through() -> None:
    assert Squelch(Credulous(), -200.0).is_speech(level(1))


@given(LEVELS)
def test_off_means_off_whatever_was_heard_before(magnitudes: list[int]) -> None:
    squelch = Squelch(Credulous(), -200.0)
    assert [squelch.is_speech(level(m)) for m in magnitudes] == [m > 0 for m in magnitudes]


@given(LEVELS)
def test_the_squelch_lies_between_its_level_and_14_db_below(magnitudes: list[int]) -> None:
    squelch = Squelch(Credulous(), -52.0)
    for magnitude in magnitudes:
        is_open = squelch.is_speech(level(magnitude))
        if magnitude >= 83:  # -51.9 dBFS
            assert is_open
        if magnitude <= 16:  # -66.2 dBFS
            assert not is_open


@given(LEVELS, LEVELS)
def test_what_comes_later_changes_no_answer(before: list[int], after: list[int]) -> None:
    alone, longer = Squelch(Credulous(), -52.0), Squelch(Credulous(), -52.0)
    answers = [alone.is_speech(level(m)) for m in before]
    assert [longer.is_speech(level(m)) for m in before + after][: len(before)] == answers


def dbfs(samples: NDArray[np.int16]) -> float:
    return float(10 * np.log10(np.mean(np.square(samples / 32768.0))))


def on_a_line(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    return g711.decode_mulaw(g711.encode_mulaw(samples))


def line_noise(seconds: float, level_dbfs: float) -> NDArray[np.int16]:
    noise = np.random.default_rng(7).normal(0, 32768 * 10 ** (level_dbfs / 20), int(seconds * RATE_HZ))
    return on_a_line(np.rint(noise).astype(np.int16))


def test_a_quiet_voice_is_heard_after_a_pause_on_a_quiet_line() -> None:
    whisper = on_a_line(voice(3.0, level=200))
    assert -56 < dbfs(whisper) < -55
    call = np.concatenate([np.zeros(RATE_HZ, np.int16), whisper])
    assert np.mean(heard(make_vad("webrtc"), call)[50:]) > 0.4


def test_a_quiet_voice_is_heard_over_line_noise_and_the_noise_is_not() -> None:
    noise = line_noise(20.0, -72.0)
    whisper = on_a_line(voice(3.0, level=200))
    answers = heard(make_vad("webrtc"), np.concatenate([noise, whisper, noise]))
    assert np.mean(answers[1000:1150]) > 0.4
    assert not any(answers[:1000])
    assert not any(answers[1200:])


@pytest.mark.parametrize("level_dbfs", [-75.0, -70.0, -65.0, -62.0, -58.0, -54.0])
def test_steady_noise_under_the_squelch_is_silence_whatever_the_detector_says(level_dbfs: float) -> None:
    assert not any(heard(Squelch(Credulous(), -52.0), line_noise(30.0, level_dbfs)))


def test_noise_that_sets_in_is_taken_for_speech_for_some_seconds_only() -> None:
    sets_in = np.concatenate([np.zeros(RATE_HZ, np.int16), line_noise(20.0, -60.0)])
    answers = heard(Squelch(Credulous(), -52.0), sets_in)
    assert any(answers[50:100])  # it might be a voice
    assert not any(answers[550:])


def test_far_under_a_talker_of_usual_loudness_the_squelch_stays_at_its_level() -> None:
    squelch = Squelch(Credulous(), -52.0)
    talk, echo = [level(6000)] * 100, [level(0)] * 150 + [level(70)] * 25  # -15 dBFS; digital silence; -53 dBFS
    assert all(squelch.is_speech(frame) for frame in talk)
    assert not any(squelch.is_speech(frame) for _ in range(2) for frame in echo)


def test_a_talker_who_falls_silent_is_forgotten_half_a_decibel_a_second() -> None:
    squelch = Squelch(Credulous(), -52.0)
    for _ in range(100):
        squelch.is_speech(level(3000))  # -21 dBFS, so the squelch is -51 and no more than -52
    answers = heard(squelch, np.tile(np.concatenate([level(0)] * 49 + [level(70)]), 60))[49::50]  # -53.4 dBFS each 1 s
    assert answers.index(True) in (4, 5, 6)
    assert all(answers[answers.index(True) :])


def test_a_voice_under_the_reach_of_the_squelch_is_not_heard_and_above_it_is() -> None:
    assert not any(heard(make_vad("webrtc", 2, squelch_dbfs=-40.0), voice(2.0, level=60)))
    assert np.mean(heard(make_vad("webrtc", 2, squelch_dbfs=-40.0), voice(2.0, level=6000))) > 0.5


@pytest.mark.parametrize("level_dbfs", [0.1, -201.0, float("nan")])
def test_a_squelch_out_of_range_is_refused(level_dbfs: float) -> None:
    with pytest.raises(ValueError, match="squelch_dbfs"):
        make_vad("webrtc", 2, squelch_dbfs=level_dbfs)
