"""The voice activity detector, on sounds made here."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.speech.vad import FRAME_MS, FRAME_SAMPLES, RATE_HZ, Squelch, Vad, WebRtcVad, make_vad


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


class Credulous:
    """Calls everything speech, and remembers how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def is_speech(self, frame: NDArray[np.int16]) -> bool:
        self.asked += len(frame) > 0
        return True


def level(magnitude: int) -> NDArray[np.int16]:
    return np.full(FRAME_SAMPLES, magnitude, np.int16)


def test_what_is_quieter_than_the_squelch_is_silence_and_nobody_is_asked() -> None:
    behind = Credulous()
    squelch = Squelch(behind, -20.0)  # a tenth of full scale: 3276.8
    assert not squelch.is_speech(level(3276))
    assert behind.asked == 0
    assert squelch.is_speech(level(3277))
    assert behind.asked == 1


def test_a_squelch_at_its_lowest_lets_all_but_nothing_through() -> None:
    assert Squelch(Credulous(), -200.0).is_speech(level(1))


def test_a_quiet_voice_under_the_squelch_is_not_heard_and_above_it_is() -> None:
    assert not any(heard(make_vad("webrtc", 2, squelch_dbfs=-40.0), voice(2.0, level=60)))
    assert np.mean(heard(make_vad("webrtc", 2, squelch_dbfs=-40.0), voice(2.0, level=6000))) > 0.5


@pytest.mark.parametrize("level_dbfs", [0.1, -201.0, float("nan")])
def test_a_squelch_out_of_range_is_refused(level_dbfs: float) -> None:
    with pytest.raises(ValueError, match="squelch_dbfs"):
        make_vad("webrtc", 2, squelch_dbfs=level_dbfs)
