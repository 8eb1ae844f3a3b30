"""Made-up voices: the product takes them for speech, vowels sound apart, a seed gives one voice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import vowels
from models.utterance import find
from models.vowels import FORMANTS_HZ, RATE_HZ, babbling


@settings(deadline=None, max_examples=30)
@given(n_samples=st.integers(0, 24_000), seed=st.integers(0, 2**32 - 1))
def test_any_voice_has_its_length_stays_in_half_of_full_scale_and_is_the_same_for_the_same_seed(
    n_samples: int, seed: int
) -> None:
    voice = babbling(n_samples / RATE_HZ, np.random.default_rng(seed))
    assert (voice.shape, voice.dtype) == ((n_samples,), np.float32)
    assert np.abs(voice).max(initial=0.0) <= 0.5 + 1e-6
    np.testing.assert_array_equal(voice, babbling(n_samples / RATE_HZ, np.random.default_rng(seed)))


def test_the_product_takes_it_for_speech_and_another_seed_is_another_voice() -> None:
    voices = [babbling(1.0, np.random.default_rng(seed)) for seed in range(20)]
    assert all(find(voice) is not None for voice in voices)
    assert len({voice.tobytes() for voice in voices}) == 20


def bright_share(monkeypatch: pytest.MonkeyPatch, vowel: int, seed: int) -> float:
    """How much of a voice's power lies above 1.6 kHz when it says one vowel only."""
    with monkeypatch.context() as patch:
        patch.setattr(vowels, "FORMANTS_HZ", (FORMANTS_HZ[vowel],))
        power = np.square(np.abs(np.fft.rfft(babbling(4.0, np.random.default_rng(seed)))))
    return float(power[round(4.0 * 1600) :].sum() / power.sum())


def test_the_vowel_of_heed_is_brighter_than_that_of_whod_in_every_throat(monkeypatch: pytest.MonkeyPatch) -> None:
    heed, whod = 0, 5
    for seed in range(10):
        assert bright_share(monkeypatch, heed, seed) > 3.0 * bright_share(monkeypatch, whod, seed)
