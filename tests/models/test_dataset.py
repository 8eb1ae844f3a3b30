"""Clips become log-mels by the product's own code, once, and the same every time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from models import dataset
from models.corpora import Clip
from models.dataset import FRONT_END, Variant, compute, hear, load_audio, log_mels
from models.music import Split
from models.telephone import Condition
from streamer.features import RollingLogMel

LINE = Condition(snr_db=20.0)


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


def whispers(samples: np.ndarray) -> np.ndarray:
    """Whisper's input for samples at 8 kHz: its own formula, on powers four times those of half as many samples."""
    rolling = RollingLogMel(FRONT_END)
    rolling.push(samples)
    log10 = np.log10(4.0 * 10.0 ** (rolling.features() / 10.0))
    return (log10 + 4.0) / 4.0


def test_log_mels_are_the_rolling_ones_of_what_is_heard_in_whispers_units(clips: list[Clip]) -> None:
    variant = Variant("plain")
    computed = compute(clips, variant, None)
    assert len(computed) == 3
    for index, clip in enumerate(clips):
        frames = computed.frames(index)
        assert frames.dtype == np.float32
        # Kept in half precision: a thousandth of these units is 0.04 dB.
        np.testing.assert_allclose(frames, whispers(hear(clip, variant)), atol=1e-3)


def test_log_mels_lie_where_whispers_do(clips: list[Clip]) -> None:
    loudest = max(compute(clips, Variant("plain"), None).frames(index).max() for index in range(3))
    least = min(compute(clips, Variant("plain"), None).frames(index).min() for index in range(3))
    assert -1.0 <= loudest - 2.001 <= least <= loudest <= 3.0


def test_a_cache_gives_what_was_computed_without_opening_a_clip(clips: list[Clip], tmp_path: Path) -> None:
    variant = Variant("line", LINE, seed=3)
    first = compute(clips, variant, tmp_path / "cache")
    for clip in clips:
        clip.path.unlink()
    again = compute(clips, variant, tmp_path / "cache")
    np.testing.assert_array_equal(again.rows, first.rows)
    np.testing.assert_array_equal(again.offsets, first.offsets)


@pytest.mark.parametrize(
    "variant",
    [
        Variant("line", LINE, seed=4),
        Variant("line", Condition(law="alaw", gain_db=-9.0), seed=3),
        Variant("line", LINE, speeds=(1.1, 1.2), seed=3),
    ],
    ids=["another seed", "another line", "faster"],
)
def test_a_cache_is_not_taken_for_something_else(clips: list[Clip], tmp_path: Path, variant: Variant) -> None:
    first = compute(clips, Variant("line", LINE, seed=3), tmp_path / "cache")
    other = compute(clips, variant, tmp_path / "cache")
    assert other.rows.shape != first.rows.shape or (other.rows != first.rows).any()
    fewer = compute(clips[:2], Variant("line", LINE, seed=3), tmp_path / "cache")
    assert len(fewer) == 2


@given(lengths=st.lists(st.integers(0, 900), min_size=1, max_size=5), more=st.lists(st.integers(0, 900), max_size=4))
@settings(deadline=None, max_examples=20)
def test_utterances_behind_others_are_still_each_the_same(lengths: list[int], more: list[int]) -> None:
    samples = [np.random.default_rng(length).uniform(-0.1, 0.1, length).astype(np.float32) for length in lengths + more]
    together = log_mels(samples)
    joined = log_mels(samples[: len(lengths)])
    if more:
        joined = joined.followed_by(log_mels(samples[len(lengths) :]))
    assert len(joined) == len(together) == len(samples)
    for index, one in enumerate(samples):
        alone = log_mels([one]).frames(0)
        assert len(alone) == max(1, FRONT_END.frames(len(one)))
        np.testing.assert_array_equal(joined.frames(index), alone)
        np.testing.assert_array_equal(together.frames(index), alone)


def test_all_clips_of_a_speaker_come_over_one_line_and_other_speakers_over_others(
    clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without codecs, which need a package of the laboratory: the same tone over the same line has the same level.
    monkeypatch.setattr(dataset, "draw", lambda rng, _: Condition(gain_db=float(rng.uniform(-12.0, 0.0))))
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
    assert compute([clip], Variant("plain"), None).frames(0).shape == (1, 61)


@pytest.mark.parametrize("split", ["train", "test"])
def test_what_is_heard_behind_talkers_is_the_same_each_time_and_of_its_own_split(
    monkeypatch: pytest.MonkeyPatch, split: Split
) -> None:
    made = []

    def make(
        kind: str, seconds: float, rng: np.random.Generator, of: Split, talkers: Sequence[np.ndarray] = ()
    ) -> np.ndarray:
        made.append((kind, of, len(talkers)))
        return rng.uniform(-0.1, 0.1, round(8000 * seconds)).astype(np.float32)

    monkeypatch.setattr(dataset, "make", make)
    first, again = (dataset.background.__wrapped__("babble", 2, split) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert {of for _, of, _ in made} == {split}
    assert ("babble", split, 6) in made
    assert (
        dataset.background.__wrapped__("music", 2, split) != dataset.background.__wrapped__("music", 3, split)
    ).any()


def test_training_and_judging_hear_other_material_behind_talkers(
    clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = Condition(background="music", background_snr_db=10.0)
    asked = []

    def background(name: str, number: int, split: Split) -> np.ndarray:
        asked.append((name, split))
        return np.random.default_rng(number).uniform(-0.1, 0.1, 9000).astype(np.float32)

    monkeypatch.setattr(dataset, "background", background)
    monkeypatch.setattr(dataset, "draw", lambda *_: behind)
    hear(clips[0], Variant("drawn", None))
    hear(clips[0], Variant("named", behind))
    assert asked == [("music", "train"), ("music", "test")]
