"""What is measured of a clip is what was put into it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from models.corpora import Clip
from models.explore_measure import MFCC, Measured, against_speaker, mean_mfcc, measure, measure_all, pitch
from streamer.features import RollingMfcc


def voice(hz: float, seconds: float = 1.0, level: float = 0.3) -> np.ndarray:
    time = np.arange(round(seconds * 8000)) / 8000
    tone = sum(np.sin(2 * np.pi * n * hz * time) / n for n in range(1, 8) if n * hz < 3600)
    return (level * tone / np.abs(tone).max()).astype(np.float32)


def measured(speaker: str, value: float, label: str = "sad") -> Measured:
    clip = Clip(Path("x.wav"), "crema-d", speaker, "f", label, "s")
    return Measured(clip, 1.0, 0.0, 1.0, 0.0, value, 0, value, np.full(MFCC.n_mfcc, value, dtype=np.float32))


@given(st.floats(85.0, 400.0))
def test_the_pitch_of_a_voice_is_found(hz: float) -> None:
    # Lags are whole samples: at 400 Hz one sample is 5 %.
    assert np.median(pitch(voice(hz))) == pytest.approx(hz, rel=0.03)


def test_noise_silence_and_next_to_nothing_have_hardly_a_pitch() -> None:
    hiss = np.random.default_rng(1).normal(size=8000).astype(np.float32) * 0.1
    assert len(pitch(hiss)) < 3
    assert len(pitch(np.zeros(8000, dtype=np.float32))) == 0
    assert len(pitch(voice(120.0, seconds=0.01))) == 0


def test_mean_mfccs_are_those_of_the_code_that_serves() -> None:
    rolling = RollingMfcc(MFCC)
    rolling.push(voice(150.0))
    np.testing.assert_array_equal(mean_mfcc(voice(150.0)), rolling.mfcc().mean(axis=0))
    assert mean_mfcc(voice(150.0, seconds=0.01)).shape == (MFCC.n_mfcc,)


def test_a_clip_is_measured_with_its_silence_level_and_clipping(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    quiet = rng.normal(size=8000).astype(np.float32) * 1e-4
    loud = np.clip(voice(140.0, level=1.5) + rng.normal(size=8000).astype(np.float32) * 0.01, -1.0, 1.0)
    path = tmp_path / "1001_DFA_ANG_XX.wav"
    soundfile.write(path, np.concatenate([quiet, loud, quiet]), 8000)
    found = measure(Clip(path, "crema-d", "1001", "f", "angry", "DFA"))
    assert found.clip_s == 3.0
    assert found.lead_s + found.utterance_s + found.tail_s == pytest.approx(3.0)
    assert found.lead_s == pytest.approx(0.8, abs=0.1)
    assert found.tail_s == pytest.approx(1.0, abs=0.4)
    assert found.full_scale > 100
    assert -10.0 < found.level_db < 0.0
    assert found.pitch_hz == pytest.approx(140.0, rel=0.03)


def test_progress_says_how_many_were_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a.wav", voice(120.0), 8000)
    clip = Clip(tmp_path / "a.wav", "savee", "DC", "m", "sad", "sa01")
    assert len(measure_all([clip, clip], "savee")) == 2
    assert "savee: 2 clips measured" in capsys.readouterr().out


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-50.0, 50.0)), min_size=1, max_size=20))
def test_against_themselves_speakers_are_on_average_nothing(pairs: list[tuple[str, float]]) -> None:
    of = [measured(speaker, value) for speaker, value in pairs]
    rest = against_speaker(of, np.array([value for _, value in pairs]))
    for speaker in {speaker for speaker, _ in pairs}:
        own = [one for one, (who, _) in zip(rest, pairs, strict=True) if who == speaker]
        assert np.mean(own) == pytest.approx(0.0, abs=1e-9)


def test_what_is_not_known_of_a_clip_stays_so_and_spoils_no_other() -> None:
    of = [measured("a", 1.0), measured("a", 3.0), measured("a", 0.0), measured("b", 0.0)]
    rest = against_speaker(of, np.array([1.0, 3.0, np.nan, np.nan]))
    np.testing.assert_array_equal(rest, [-1.0, 1.0, np.nan, np.nan])
