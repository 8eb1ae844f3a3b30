"""Recordings are cut as the product would cut them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.utterance import cut, find

RATE_HZ = 8000


def voice(seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    harmonics = sum(np.sin(2 * np.pi * 150 * n * time) / n for n in range(1, 12))
    return (0.15 * harmonics * (1.2 + np.sin(2 * np.pi * 4 * time)) / 2).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE_HZ), np.float32)


@settings(deadline=None, max_examples=20)
@given(before=st.floats(0.3, 2.0), spoken=st.floats(0.6, 2.0), after=st.floats(0.5, 2.0))
def test_silence_around_speech_goes_but_for_the_pre_roll(before: float, spoken: float, after: float) -> None:
    start, end = cut(np.concatenate([silence(before), voice(spoken), silence(after)]))
    assert (start, end) == find(np.concatenate([silence(before), voice(spoken), silence(after)]))
    assert before - 0.30 <= start / RATE_HZ <= before
    assert before + spoken - 0.1 <= end / RATE_HZ <= before + spoken + 0.3


def test_a_pause_between_two_utterances_stays_inside() -> None:
    start, end = cut(np.concatenate([silence(1), voice(1), silence(0.8), voice(1), silence(1)]))
    assert start / RATE_HZ <= 1.0
    assert end / RATE_HZ >= 3.7


@pytest.mark.parametrize("samples", [silence(1.0), np.zeros(0, np.float32), np.zeros(50, np.float32), voice(0.15)])
def test_where_the_product_hears_no_utterance_there_is_none_to_find_and_the_recording_stays_whole(
    samples: np.ndarray,
) -> None:
    assert find(samples) is None
    assert cut(samples) == (0, len(samples))
