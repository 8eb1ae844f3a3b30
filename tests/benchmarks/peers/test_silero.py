"""Another detector: the same lines are heard, at nearly the same places, and judged on the product's features."""

from __future__ import annotations

import numpy as np

from benchmarks.peers.silero import WINDOW, SileroVad, session
from streamer.emotion.model import EmotionModel
from tests.benchmarks.peers.playing import DIALECTS, call, hear, same_lines
from tests.conftest import Broker


async def test_it_hears_the_lines_of_the_customer(mosquitto: Broker, model: EmotionModel) -> None:
    events = await hear("silero", mosquitto, call())
    for dialect in DIALECTS:
        assert same_lines(events[dialect], model, call(), within_ms=250)


def test_legs_share_a_network_and_nothing_else() -> None:
    windows = call()[: 8000 * 8, 0].reshape(-1, WINDOW)
    shared = session()
    alone, beside, other = SileroVad(session()), SileroVad(shared), SileroVad(shared)
    expected = [alone.is_speech(window) for window in windows]
    found = []
    for window in windows:
        found.append(beside.is_speech(window))
        other.is_speech(np.flip(window))
    assert found == expected
    assert 0 < sum(expected) < len(expected)
