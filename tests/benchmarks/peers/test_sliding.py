"""A window that slides: rows kept from a second each, put together, are those of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers.sliding import SlidingLeg
from streamer.audio.g711 import encode_mulaw
from streamer.emotion.model import EmotionModel
from streamer.features import MfccParameters
from tests.benchmarks.peers.playing import DIALECTS, call, hear, judged, place
from tests.conftest import Broker


async def test_it_hears_what_the_product_hears(mosquitto: Broker, model: EmotionModel) -> None:
    expected = judged(model, call())
    events = await hear("sliding", mosquitto, call())
    for dialect in DIALECTS:
        assert [place(event.data.utterance) for event in events[dialect]] == [place(heard) for heard, _ in expected]
        assert [event.data.emotion.top for event in events[dialect]] == [one.verdict.top for _, one in expected]


@pytest.mark.parametrize("size", [160, 161, 800, 20_000])
def test_where_nothing_is_clipped_its_features_are_the_product_s_however_the_samples_come(
    model: EmotionModel, size: int
) -> None:
    # Noise 50 dB below full scale everywhere: no row is 80 dB below another, so it does not matter of what it is part.
    hiss = np.random.default_rng(1).normal(0, 100, call().shape)
    samples = np.clip(call() + hiss, -32768, 32767).astype(np.int16)
    parameters = model.card.features.parameters
    assert isinstance(parameters, MfccParameters)
    leg = SlidingLeg(0, parameters, is_linear=False)
    codes = encode_mulaw(np.ascontiguousarray(samples[:, 0]))
    found = [one for begin in range(0, len(codes), size) for one in leg.receive(codes[begin : begin + size])]
    found += leg.finish()
    expected = [heard for heard, _ in judged(model, samples)]
    assert len(found) == len(expected) > 2
    for one, other in zip(found, expected, strict=True):
        assert (one.start_ms, one.end_ms) == (other.start_ms, other.end_ms)
        assert one.features() == pytest.approx(other.features, abs=1e-3)
