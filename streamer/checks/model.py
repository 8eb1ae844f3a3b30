"""Does the model load, is it the one that its card describes, and how long does it take on this machine.

This file must never judge anybody: what the model is given is noise.
"""

from __future__ import annotations

import statistics
import time
from typing import Final

import numpy as np

from streamer.checks.outcome import Level, Outcome
from streamer.config import Settings
from streamer.emotion.model import EmotionModel, load, locate
from streamer.leg import RATE_HZ, warm_up

UTTERANCE_S: Final = 3
SLOW_MS: Final = 300.0
"""A tenth of the utterance. All calls share one thread with the model, so few of them would wait for each other."""
_RUNS: Final = 5


def check(settings: Settings) -> list[Outcome]:
    """Return one outcome: which model, and how long an utterance takes.

    Raises
    ------
    ModelError
        It cannot be used, or its checksum is not the card's.
    """
    model = load(locate(settings.emotion.model))
    took_ms = utterance_ms(model)
    card = model.card
    found = (
        f"{card.name} {card.version}, {len(card.labels)} emotions, sha256 {card.sha256[:12]} as its card says; "
        f"{UTTERANCE_S} s of speech take {took_ms:.0f} ms"
    )
    if card.restriction:
        return [Outcome("model", Level.WARN, f"{found}; beware: {card.restriction}")]
    if took_ms > SLOW_MS:
        text = f"{found}, which is slow: is this machine busy? Verdicts wait for each other; choose a smaller model"
        return [Outcome("model", Level.WARN, text)]
    return [Outcome("model", Level.OK, found)]


def utterance_ms(model: EmotionModel) -> float:
    """Return what an utterance of 3 s takes here, features included: the median of five."""
    warm_up(model)
    noise = np.random.default_rng(0).normal(0, 0.05, UTTERANCE_S * RATE_HZ).astype(np.float32)
    took: list[float] = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        features = model.new_features()
        features.push(noise)
        model.judge(features.features(), model.new_normaliser())
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
