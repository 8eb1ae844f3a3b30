"""The series' features are librosa's, over a telephone, and its augmentations do what it says."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from models.baselines_features import (
    CHANGES,
    CLASSES,
    FRAMES,
    LENGTH_SAMPLES,
    MEAN_MFCC,
    MFCC,
    OFFSET_SAMPLES,
    compute,
    excerpt,
    hurried,
    means,
    mfccs,
    noisy,
    picture,
    seven_classes,
)
from models.corpora import Clip
from models.dataset import load_audio
from streamer.audio.g711 import decode_mulaw, encode_mulaw


def made(folder: Path, seconds: float, name: str = "1001_DFA_ANG_XX") -> Clip:
    time = np.arange(round(8000 * seconds))
    noise = np.random.default_rng(len(time)).normal(size=len(time)) * 0.02
    path = folder / f"{name}.wav"
    soundfile.write(path, 0.3 * np.sin(time / 6) + noise, 8000)
    return Clip(path, "crema-d", "1001", "f", "angry", "DFA")


def test_classes_are_gender_and_emotion_with_calm_and_pleasant_surprise_merged() -> None:
    labels = [("f", "calm"), ("m", "pleasant surprise"), ("f", "boredom"), ("", "sad"), ("m", "sad")]
    clips = [Clip(Path("x"), "made up", "a", gender, label, "s") for gender, label in labels]
    assert [CLASSES[one] for _, one in seven_classes(clips)] == ["f neutral", "m surprise", "m sad"]


def test_an_excerpt_starts_half_a_second_in_and_has_passed_a_telephone(tmp_path: Path) -> None:
    clip = made(tmp_path, 4.0)
    wanted = load_audio(clip.path)[OFFSET_SAMPLES : OFFSET_SAMPLES + LENGTH_SAMPLES]
    linear = np.rint(wanted * 32768).astype(np.int16)
    np.testing.assert_allclose(excerpt(clip, "plain", 0), decode_mulaw(encode_mulaw(linear)) / 32768, atol=1e-6)


def test_mfccs_are_those_librosa_computes_by_default() -> None:
    samples = np.random.default_rng(3).normal(size=LENGTH_SAMPLES).astype(np.float32) * 0.1
    arguments = {**MFCC.for_librosa(), "center": True, "pad_mode": "constant"}
    np.testing.assert_allclose(mfccs(samples), librosa.feature.mfcc(y=samples, **arguments).T, atol=1e-3)
    assert len(mfccs(samples)) == FRAMES


def test_a_short_clip_ends_in_zeros_for_one_network_and_lies_in_silence_for_the_other(tmp_path: Path) -> None:
    clip = made(tmp_path, 1.5)
    short = means(clip, "plain", 0)
    spoken = mfccs(excerpt(clip, "plain", 0))[:, :MEAN_MFCC].mean(axis=1)
    np.testing.assert_allclose(short[: len(spoken)], spoken, rtol=1e-2)
    assert not short[len(spoken) :].any()
    assert picture(clip, "plain", 0).shape == (MFCC.n_mfcc, FRAMES)


@pytest.mark.parametrize("seconds", [0.3, 0.5])
def test_a_clip_that_ends_before_the_excerpt_starts_is_silence(tmp_path: Path, seconds: float) -> None:
    clip = made(tmp_path, seconds)
    for change in CHANGES:
        assert np.isfinite(means(clip, change, 0)).all()
        assert np.isfinite(picture(clip, change, 0)).all()


@given(st.integers(0, 3000), st.integers(0, 100))
def test_noise_and_haste_keep_the_length(n_samples: int, seed: int) -> None:
    samples = (0.5 * np.sin(np.arange(n_samples) / 5)).astype(np.float32)
    for change in (noisy, hurried):
        changed = change(samples, np.random.default_rng(seed))
        assert changed.shape == samples.shape
        assert changed.dtype == np.float32


@given(st.integers(0, 100))
def test_haste_raises_the_pitch_and_leaves_the_end_silent(seed: int) -> None:
    samples = np.sin(2 * np.pi * 200 * np.arange(8000) / 8000).astype(np.float32)
    changed = hurried(samples, np.random.default_rng(seed))
    assert not changed[7300:].any()
    peak = np.abs(np.fft.rfft(changed[:5600])).argmax() * 8000 / 5600
    assert 215 < peak < 280


@given(st.integers(0, 100))
def test_noise_is_at_most_a_twentieth_of_the_peak(seed: int) -> None:
    samples = np.full(4000, 0.5, dtype=np.float32)
    assert (noisy(samples, np.random.default_rng(seed)) - samples).std() <= 0.05 * 0.5 * 1.1


def test_copies_differ_and_come_out_the_same_each_time(tmp_path: Path) -> None:
    clip = made(tmp_path, 2.0)
    found = {change: means(clip, change, 0) for change in CHANGES}
    assert all(np.array_equal(values, means(clip, change, 0)) for change, values in found.items())
    assert not np.array_equal(found["plain"], found["noise"])
    assert not np.array_equal(found["plain"], found["speed"])
    assert not np.array_equal(found["noise"], means(clip, "noise", 1))


def test_a_cache_gives_what_was_computed_without_opening_a_clip(tmp_path: Path) -> None:
    clips = [made(tmp_path, 1.0, "1001_DFA_ANG_XX"), made(tmp_path, 1.2, "1001_DFA_SAD_XX")]
    first = {change: compute(clips, means, change, tmp_path / "cache") for change in ("plain", "noise")}
    for clip in clips:
        clip.path.unlink()
    for change, rows in first.items():
        np.testing.assert_array_equal(compute(clips, means, change, tmp_path / "cache"), rows)
    assert first["plain"].shape == (2, FRAMES)
