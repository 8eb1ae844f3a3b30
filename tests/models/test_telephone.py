"""Corpus audio over a made-up telephone line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.telephone import PLAIN, RATE_HZ, Condition, draw, transmit
from streamer.audio.g711 import decode_mulaw, encode_mulaw


def tone(frequency_hz: float, seconds: float = 0.5, level: float = 0.3) -> np.ndarray:
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples.astype(np.float64))) + 1e-20))


def noise_free() -> np.random.Generator:
    return np.random.default_rng(0)


@settings(deadline=None, max_examples=60)
@given(line=st.integers(0, 2**32 - 1), seed=st.integers(0, 2**32 - 1), n_samples=st.integers(1, 4000))
def test_the_same_line_and_seed_give_the_same_samples_within_full_scale(line: int, seed: int, n_samples: int) -> None:
    condition = draw(np.random.default_rng(line))
    assert condition == draw(np.random.default_rng(line))
    samples = np.random.default_rng(seed).uniform(-1, 1, n_samples).astype(np.float32)
    before = samples.copy()
    heard = transmit(samples, condition, np.random.default_rng(seed))
    assert heard.dtype == np.float32
    assert heard.shape == samples.shape
    assert np.abs(heard).max() <= 1.0
    np.testing.assert_array_equal(heard, transmit(samples, condition, np.random.default_rng(seed)))
    np.testing.assert_array_equal(samples, before)


def test_the_plain_line_is_mulaw_and_back_and_nothing_else() -> None:
    linear = (np.sin(np.arange(2000) * 0.7) * 9000).astype(np.int16)
    heard = transmit((linear / 32768).astype(np.float32), PLAIN, noise_free())
    np.testing.assert_array_equal(heard * 32768, decode_mulaw(encode_mulaw(linear)))


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_both_laws_keep_a_tone_and_differ(law: str) -> None:
    original = tone(800)
    heard = transmit(original, Condition(law=law), noise_free())
    assert level_db(heard - original) < level_db(original) - 30
    other = Condition(law="alaw" if law == "mulaw" else "mulaw")
    assert (heard != transmit(original, other, noise_free())).any()


@pytest.mark.parametrize("gain_db", [-12.0, 0.0, 6.0])
def test_gain_moves_the_level_by_so_many_decibels(gain_db: float) -> None:
    heard = transmit(tone(800, level=0.1), Condition(gain_db=gain_db), noise_free())
    assert level_db(heard) - level_db(tone(800, level=0.1)) == pytest.approx(gain_db, abs=0.2)


def test_the_band_lets_speech_through_and_rumble_not() -> None:
    narrow = Condition(band_hz=(300.0, 3400.0))
    assert level_db(transmit(tone(1000), narrow, noise_free())) == pytest.approx(level_db(tone(1000)), abs=0.5)
    assert level_db(transmit(tone(60), narrow, noise_free())) < level_db(tone(60)) - 40


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("snr_db", [10.0, 30.0])
def test_noise_lies_so_many_decibels_below_the_speech(slope: float, snr_db: float) -> None:
    clean = transmit(tone(800), Condition(), noise_free())
    noisy = transmit(tone(800), Condition(snr_db=snr_db, noise_slope=slope), noise_free())
    assert level_db(clean) - level_db(noisy - clean) == pytest.approx(snr_db, abs=1.0)


def test_noise_on_silence_is_silence() -> None:
    silent = transmit(np.zeros(800, np.float32), Condition(snr_db=10.0), noise_free())
    np.testing.assert_array_equal(silent, 0.0)


def test_lost_packets_repeat_the_one_before_ever_more_quietly_and_the_others_stay() -> None:
    samples = transmit(tone(437, seconds=4.0), PLAIN, noise_free())
    heard = transmit(tone(437, seconds=4.0), Condition(loss=0.3), noise_free())
    packets, before = heard.reshape(-1, 160), samples.reshape(-1, 160)
    lost = [n for n in range(len(packets)) if (packets[n] != before[n]).any()]
    assert 30 <= len(lost) <= 90
    for n in lost:
        np.testing.assert_array_equal(packets[n], 0.5 * packets[n - 1] if n else 0.0)


def test_when_all_is_lost_nothing_is_heard() -> None:
    np.testing.assert_array_equal(transmit(tone(437), Condition(loss=1.0), noise_free()), 0.0)


def test_an_unknown_law_is_refused() -> None:
    with pytest.raises(ValueError, match="the law is 'opus', must be mulaw or alaw"):
        transmit(tone(437), Condition(law="opus"), noise_free())
