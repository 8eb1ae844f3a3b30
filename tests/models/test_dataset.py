"""Clips become features by the product's own code, once, and the same every time."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.corpora import Clip
from models.dataset import Utterances, Variant, compute, hear, load_audio
from models.telephone import Condition
from streamer.features import MfccParameters, RollingMfcc

MFCC = MfccParameters(n_mels=20, n_mfcc=6)


def spoken(seed: int, seconds: float = 0.6, rate_hz: int = 8000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    tone = sum(np.sin(2 * np.pi * f * time) / f for f in (140, 280, 420, 560)) * 30
    return (
        np.clip(tone * (1 + np.sin(2 * np.pi * 4 * time)) / 2, -0.9, 0.9) + rng.normal(size=len(time)) * 0.005
    ).astype(np.float32)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    made = []
    for n, speaker in enumerate(("1001", "1001", "1002")):
        path = tmp_path / f"{speaker}_{n}.wav"
        soundfile.write(path, spoken(n), 8000)
        made.append(Clip(path, "crema-d", speaker, "", "sad", str(n)))
    return made


def test_features_are_the_rolling_mfcc_of_what_is_heard(clips: list[Clip]) -> None:
    variant = Variant("plain")
    computed = compute(clips, variant, MFCC, None)
    assert len(computed) == 3
    for index, clip in enumerate(clips):
        rolling = RollingMfcc(MFCC)
        rolling.push(hear(clip, variant))
        np.testing.assert_array_equal(computed.frames(index), rolling.mfcc())


def test_a_cache_gives_what_was_computed_without_opening_a_clip(clips: list[Clip], tmp_path: Path) -> None:
    variant = Variant("line", None, seed=3)
    first = compute(clips, variant, MFCC, tmp_path / "cache")
    for clip in clips:
        clip.path.unlink()
    again = compute(clips, variant, MFCC, tmp_path / "cache")
    np.testing.assert_array_equal(again.rows, first.rows)
    np.testing.assert_array_equal(again.offsets, first.offsets)


@pytest.mark.parametrize(
    ("variant", "mfcc"),
    [(Variant("line", None, seed=4), MFCC), (Variant("line", None, seed=3), MfccParameters(n_mels=20, n_mfcc=7))],
    ids=["another seed", "other parameters"],
)
def test_a_cache_is_not_taken_for_something_else(
    clips: list[Clip], tmp_path: Path, variant: Variant, mfcc: MfccParameters
) -> None:
    first = compute(clips, Variant("line", None, seed=3), MFCC, tmp_path / "cache")
    other = compute(clips, variant, mfcc, tmp_path / "cache")
    assert other.rows.shape != first.rows.shape or (other.rows != first.rows).any()


def test_all_clips_of_a_speaker_come_over_one_line_and_other_speakers_over_others(clips: list[Clip]) -> None:
    # A gain is heard in the first cepstral coefficient: the same tone through the same line has the same level.
    same = [Clip(clips[0].path, "crema-d", speaker, "", "sad", "0") for speaker in ("1001", "1001", "1002")]
    level = [np.abs(hear(clip, Variant("line", None, trim=False, seed=5))).mean() for clip in same]
    assert level[0] == level[1]
    assert level[0] != pytest.approx(level[2], rel=1e-3)


def test_untrimmed_is_the_whole_recording(clips: list[Clip]) -> None:
    assert len(hear(clips[0], Variant("whole", trim=False))) == 4800


def test_a_faster_voice_is_a_shorter_and_higher_one(clips: list[Clip]) -> None:
    fast = hear(clips[0], Variant("fast", Condition(), trim=False, speeds=(1.1, 1.2)))
    assert 4800 / 1.2 - 2 <= len(fast) <= 4800 / 1.1 + 2
    spectrum = np.abs(np.fft.rfft(fast))
    assert 140 * 1.05 < np.argmax(spectrum) * 8000 / len(fast) < 140 * 1.25


def test_channels_are_averaged_and_other_rates_resampled(tmp_path: Path) -> None:
    samples = spoken(1, rate_hz=16000)
    soundfile.write(tmp_path / "stereo.wav", np.stack([samples, np.zeros_like(samples)], axis=1), 16000)
    loaded = load_audio(tmp_path / "stereo.wav")
    assert loaded.dtype == np.float32
    assert len(loaded) == 4800
    assert np.abs(loaded).max() == pytest.approx(np.abs(samples).max() / 2, rel=0.1)


def test_a_clip_shorter_than_a_frame_still_has_one(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", spoken(1)[:100], 8000)
    clip = Clip(tmp_path / "short.wav", "crema-d", "1001", "", "sad", "0")
    assert compute([clip], Variant("plain"), MFCC, None).frames(0).shape == (1, 6)


def test_moments_are_those_of_each_clip() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    utterances = Utterances(rows, np.array([0, 2, 6]))
    assert [one.n_frames for one in utterances.moments()] == [2, 4]
    np.testing.assert_array_equal(utterances.moments()[1].total, rows[2:].sum(0))
