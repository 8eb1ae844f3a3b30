"""Segments out of C++: the same lines are heard; verdicts on Kaldi's MFCCs say that they are worth nothing."""

from __future__ import annotations

from benchmarks.peers.sherpa import mfcc, mfcc_options
from streamer.emotion.model import EmotionModel
from streamer.features import MfccParameters
from tests.benchmarks.peers.playing import DIALECTS, call, hear, judged, same_lines
from tests.conftest import Broker


async def test_it_hears_the_lines_of_the_customer(mosquitto: Broker, model: EmotionModel) -> None:
    events = await hear("sherpa", mosquitto, call())
    for dialect in DIALECTS:
        assert same_lines(events[dialect], model, call(), within_ms=400)
        assert all(event.data.emotion.uncertain for event in events[dialect])


def test_the_model_is_given_as_much_as_the_product_gives_it(model: EmotionModel) -> None:
    parameters = model.card.features.parameters
    assert isinstance(parameters, MfccParameters)
    heard, _ = judged(model, call())[0]
    samples = call()[heard.start_ms * 8 : heard.end_ms * 8, 0].astype("float32") / 32768
    assert mfcc(samples, mfcc_options(parameters)).shape == heard.features.shape
