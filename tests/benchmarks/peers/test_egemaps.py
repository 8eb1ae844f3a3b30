"""openSMILE at the end of each utterance: the product's utterances; the verdicts say that they are worth nothing."""

from __future__ import annotations

from streamer.emotion.model import EmotionModel
from tests.benchmarks.peers.playing import DIALECTS, call, hear, judged, place
from tests.conftest import Broker


async def test_it_hears_what_the_product_hears(mosquitto: Broker, model: EmotionModel) -> None:
    expected = [place(heard) for heard, _ in judged(model, call())]
    events = await hear("egemaps", mosquitto, call())
    for dialect in DIALECTS:
        assert [place(event.data.utterance) for event in events[dialect]] == expected
        assert all(event.data.emotion.uncertain for event in events[dialect])
        assert len({event.data.emotion.confidence for event in events[dialect]}) > 1, "openSMILE heard no difference"
