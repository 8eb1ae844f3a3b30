"""A thread pool in the way of each message changes nothing of what is heard: utterances and verdicts are ours."""

from __future__ import annotations

from streamer.emotion.model import EmotionModel
from tests.benchmarks.peers.playing import DIALECTS, call, hear, judged, place
from tests.conftest import Broker


async def test_it_hears_what_the_product_hears_and_says_what_the_product_says(
    mosquitto: Broker, model: EmotionModel
) -> None:
    expected = judged(model, call())
    events = await hear("executor_hop", mosquitto, call())
    assert len(expected) == 4
    for dialect in DIALECTS:
        assert [place(event.data.utterance) for event in events[dialect]] == [place(heard) for heard, _ in expected]
        assert [event.data.emotion.scores for event in events[dialect]] == [one.verdict.scores for _, one in expected]
        assert all(
            event.data.emotion.uncertain == one.verdict.uncertain
            for event, (_, one) in zip(events[dialect], expected, strict=True)
        )
