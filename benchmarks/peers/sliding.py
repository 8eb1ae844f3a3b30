"""Peer "sliding": librosa's MFCCs of the last second, computed again with every message, whether anybody speaks or not.

The other shape of the tutorials, and the older one: the callback of a microphone calls `librosa.feature.mfcc` on what
it has each time it is called, some tens of times a second ("python librosa with microphone input", Stack Overflow
59056786, and the many programs that were made from it), and what is new of it is kept. It needs no idea of an
utterance, so it never rests; and of each second that it computes, all but the last rows were computed before.

Per message and leg: mu-law by table, the product's detector and segmentation, inline on the event loop; of the customer
also one call of librosa over the last second. At the end of an utterance: one run of the model on the rows that were
computed while it went on. librosa clips at 80 dB below the loudest of what it is given, here a second and not the
utterance, so features and verdict may differ a little from the product's. This file must never compute more than once a
message.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import partial
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.legs import FULL_SCALE, SPEECH, Features, FramedLeg, Kept, Leg, Spoken, decode, product_vad
from benchmarks.peers.naive import mfcc
from benchmarks.peers.shared import Shape, main
from streamer.features import MfccParameters
from streamer.speech.vad import RATE_HZ

WINDOW: Final = RATE_HZ
"""Samples: one second."""
MEMORY_S: Final = SPEECH.max_utterance_ms / 1000 + 1
"""How far back rows are kept: the longest utterance, and the hangover behind it."""


class SlidingLeg:
    """A leg of which MFCCs are computed all the time."""

    def __init__(self, channel: int, parameters: MfccParameters, *, is_linear: bool) -> None:
        self._parameters = parameters
        self._is_linear = is_linear
        self._leg = FramedLeg(channel, is_linear=is_linear, vad=product_vad(), gather=Kept)
        self._window: NDArray[np.float32] = np.empty(0, np.float32)
        self._n_samples = 0
        """Heard so far; the window ends there."""
        self._rows: deque[Features] = deque(maxlen=round(MEMORY_S * parameters.rate_hz / parameters.hop_length))
        self._n_rows = 0

    def receive(self, payload: bytes) -> list[Spoken]:
        """Take encoded samples; return the utterances that they end."""
        self._slide(decode(payload, is_linear=self._is_linear).astype(np.float32) / FULL_SCALE)
        return list(map(self._with_rows, self._leg.receive(payload)))

    def finish(self) -> list[Spoken]:
        """End the call; return the utterance that ends with it."""
        return list(map(self._with_rows, self._leg.finish()))

    def _slide(self, samples: NDArray[np.float32]) -> None:
        hop = self._parameters.hop_length
        self._n_samples += len(samples)
        window = np.concatenate((self._window, samples))
        begin = self._n_samples - len(window)
        # Frames stay on one grid, and a message longer than the window loses none.
        wanted = max(begin, min((self._n_samples - WINDOW) // hop, self._n_rows) * hop)
        self._window = window[wanted - begin :]
        new = self._parameters.frames(self._n_samples) - self._n_rows
        if new:
            self._rows.extend(mfcc(self._window, self._parameters)[-new:].copy())  # else each row kept its window alive
            self._n_rows += new

    def _with_rows(self, spoken: Spoken) -> Spoken:
        """Give an utterance the rows that were computed while it went on."""
        first = spoken.start_ms * RATE_HZ // 1000 // self._parameters.hop_length
        n_rows = self._parameters.frames((spoken.end_ms - spoken.start_ms) * RATE_HZ // 1000)
        oldest = self._n_rows - len(self._rows)
        rows = [self._rows[n - oldest] for n in range(first, min(first + n_rows, self._n_rows))]
        return replace(spoken, features=partial(np.stack, rows))


class Sliding(Shape):
    """A window that slides."""

    name: ClassVar[str] = "sliding"

    def leg(self, channel: int, *, is_linear: bool, is_analysed: bool) -> Leg:
        """Return a fresh leg."""
        if is_analysed:
            return SlidingLeg(channel, self._parameters, is_linear=is_linear)
        return FramedLeg(channel, is_linear=is_linear, vad=product_vad(), gather=None)

    def warm_up(self) -> Features:
        """Return the features of a second of silence."""
        return mfcc(np.zeros(RATE_HZ, np.float32), self._parameters)

    @property
    def _parameters(self) -> MfccParameters:
        parameters = self.model.card.features.parameters
        assert isinstance(parameters, MfccParameters), "this shape computes MFCCs; give it a model of kind mfcc/1"
        return parameters


if __name__ == "__main__":
    main(Sliding)
