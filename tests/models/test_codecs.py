"""Lossy codecs: what comes out is what went in, a little worse, at the same place. Needs PyAV."""

import importlib

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codecs import CODECS, through
from models.telephone import NAMED, RATE_HZ, Condition, draw, transmit

_TELEPHONE = scipy.signal.butter(4, (400, 3000), btype="bandpass", fs=RATE_HZ, output="sos")


def voice(seed: int, n_samples: int = 12000) -> np.ndarray:
    """Return something a speech codec understands: a gliding pitch's pulses through three resonances, by syllables."""
    rng = np.random.default_rng(seed)
    time = np.arange(n_samples) / RATE_HZ
    pitch_hz = rng.uniform(100, 220) * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.5, 2) * time))
    phase = np.cumsum(pitch_hz) / RATE_HZ
    sound = np.diff(np.floor(phase), prepend=0.0) + 0.02 * rng.standard_normal(n_samples)
    for formant_hz in (rng.uniform(400, 700), rng.uniform(1100, 1800), rng.uniform(2200, 2900)):
        radius, angle = 0.96, 2 * np.pi * formant_hz / RATE_HZ
        sound = scipy.signal.lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], sound)
    sound *= 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(2, 4) * time)
    return np.rint(9000 * sound / np.abs(sound).max()).astype(np.int16)


def in_band(linear: np.ndarray) -> np.ndarray:
    """Return the part every codec keeps, in phase: some turn the lowest frequencies, which is no delay."""
    filtered: np.ndarray = scipy.signal.sosfiltfilt(_TELEPHONE, linear.astype(np.float64))
    return filtered


@pytest.mark.parametrize("codec", CODECS)
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_coded_voice_is_neither_early_nor_late_and_still_the_same_voice(codec: str, seed: int) -> None:
    sent = voice(seed)
    before, after = in_band(sent), in_band(through(sent, codec))
    correlation = scipy.signal.correlate(after, before)
    lag = int(np.argmax(correlation)) - (len(before) - 1)
    assert abs(lag) <= 1
    assert np.corrcoef(before, after)[0, 1] > 0.6


@pytest.mark.parametrize("codec", CODECS)
@settings(deadline=None, max_examples=8)
@given(n_samples=st.integers(0, 1000))
def test_any_length_comes_back_whole_the_same_each_time_and_the_input_stays(codec: str, n_samples: int) -> None:
    sent = voice(3)[:n_samples]
    kept = sent.copy()
    received = through(sent, codec)
    assert (received.shape, received.dtype) == (sent.shape, np.int16)
    np.testing.assert_array_equal(received, through(sent, codec))
    np.testing.assert_array_equal(sent, kept)


@pytest.mark.parametrize("codec", CODECS)
def test_the_last_syllable_is_not_cut_off(codec: str) -> None:
    sent = voice(5)
    sent[:-800] = 0
    received = through(sent, codec)
    end = slice(len(sent) - 400, None)
    assert np.std(received[end].astype(float)) > 0.4 * np.std(sent[end].astype(float))


def test_each_codec_leaves_something_else() -> None:
    received = [through(voice(1), codec).tobytes() for codec in CODECS]
    assert len({voice(1).tobytes(), *received}) == len(CODECS) + 1


def test_the_lower_the_rate_the_more_is_lost() -> None:
    sent = voice(2)
    kept = [
        np.corrcoef(in_band(sent), in_band(through(sent, codec)))[0, 1]
        for codec in ("amr-nb-4.75", "amr-nb-7.4", "amr-nb-12.2")
    ]
    assert kept == sorted(kept)


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the codec is 'evs', must be one of gsm, amr-nb-4\.75"):
        through(voice(1), "evs")


def test_where_pyav_is_missing_it_is_named_and_what_needs_none_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match=r"needs PyAV .* uv sync --group lab"):
        through(voice(1), "amr-nb-7.4")
    assert len(through(voice(1), "gsm")) == len(voice(1))


@pytest.mark.parametrize("name", NAMED)
def test_every_named_line_delivers_a_voice(name: str) -> None:
    sent = (voice(4) / 32768).astype(np.float32)
    behind = {"music": np.ones(10, np.float32), "babble": np.ones(10, np.float32)}
    received = transmit(sent, NAMED[name], np.random.default_rng(0), behind)
    assert (received.shape, received.dtype) == (sent.shape, np.float32)
    assert np.corrcoef(in_band(sent), in_band(received))[0, 1] > 0.6


def test_a_tandem_loses_more_than_either_codec_and_ends_as_g711() -> None:
    sent = (voice(6) / 32768).astype(np.float32)
    both = Condition(codecs=("amr-nb-7.4", "gsm"))
    kept = [
        np.corrcoef(in_band(sent), in_band(transmit(sent, condition, np.random.default_rng(0))))[0, 1]
        for condition in (both, NAMED["amr-nb-7.4"], NAMED["gsm"])
    ]
    assert kept[0] < min(kept[1:])
    received = transmit(sent, both, np.random.default_rng(0))
    np.testing.assert_array_equal(received, transmit(received, NAMED["mulaw"], np.random.default_rng(0)))


@settings(deadline=None, max_examples=40)
@given(line=st.integers(0, 2**32 - 1), seed=st.integers(0, 2**32 - 1), n_samples=st.integers(1, 4000))
def test_any_drawn_line_gives_the_same_samples_again_within_full_scale(line: int, seed: int, n_samples: int) -> None:
    condition = draw(np.random.default_rng(line))
    samples = np.random.default_rng(seed).uniform(-1, 1, n_samples).astype(np.float32)
    heard = transmit(samples, condition, np.random.default_rng(seed))
    assert (heard.shape, heard.dtype) == (samples.shape, np.float32)
    assert np.abs(heard).max() <= 1.0
    np.testing.assert_array_equal(heard, transmit(samples, condition, np.random.default_rng(seed)))
