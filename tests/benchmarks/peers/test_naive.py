"""A window that grows: librosa again and again comes to the features that the product rolls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.peers.naive import GrowingWindow
from streamer.emotion.model import EmotionModel
from streamer.features import MfccParameters, RollingMfcc
from tests.benchmarks.peers.playing import DIALECTS, call, hear, judged, place
from tests.conftest import Broker

PARAMETERS = MfccParameters()


async def test_it_hears_what_the_product_hears_and_says_what_the_product_says(
    mosquitto: Broker, model: EmotionModel
) -> None:
    expected = judged(model, call())
    events = await hear("naive", mosquitto, call())
    for dialect in DIALECTS:
        assert [place(event.data.utterance) for event in events[dialect]] == [place(heard) for heard, _ in expected]
        for event, (_, one) in zip(events[dialect], expected, strict=True):
            assert event.data.emotion.scores == pytest.approx(one.verdict.scores, abs=0.001)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 900), min_size=3, max_size=12), st.floats(0.3, 1.0), st.integers(0, 1 << 32))
def test_whatever_has_been_computed_meanwhile_its_features_are_those_of_the_utterance(
    sizes: list[int], share: float, seed: int
) -> None:
    samples = np.random.default_rng(seed).normal(0, 3000, sum(sizes)).astype(np.int16)
    window, rolling = GrowingWindow(PARAMETERS), RollingMfcc(PARAMETERS)
    for end, size in zip(np.cumsum(sizes), sizes, strict=True):
        window.add(samples[end - size : end])
    rolling.push(samples.astype(np.float32) / 32768)
    n_samples = int(share * len(samples))
    assert window.features(n_samples) == pytest.approx(rolling.features(n_samples), abs=1e-3)
