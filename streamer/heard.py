"""What a leg has heard, and the numbers it gives it.

A message on its way from the audio to the model: what is needed to judge it, and nothing that leads back to its leg.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray
from streamer_client.events import Cut, Quality

from streamer.features import RunningNormaliser
from streamer.wire.events import Role


class Heard(msgspec.Struct, frozen=True, eq=False):
    """An utterance, or the beginning of one that goes on, ready to be judged."""

    role: Role
    channel: int
    n: int
    """Counts from 1 per role of a call; an unfinished one has the number it will keep."""
    start_ms: int
    end_ms: int
    speech_ms: int
    cut: Cut | None
    """None while the utterance goes on."""
    features: NDArray[np.float32]
    """float32[frames, features] as the model's front end gives them."""
    caller: RunningNormaliser
    """The statistics of who speaks on this channel in this call; the batcher's from now on."""
    quality: Quality


class Numbers:
    """Counts the utterances of one role; legs that share a role share it, so that no two bear one number."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> int:
        """Return the number of an utterance that has ended."""
        self.last += 1
        return self.last
