"""Peer "naive": librosa's MFCCs of the whole utterance so far, computed again every 100 ms while somebody speaks.

The shape of the usual tutorial of speech emotion recognition, by somebody who has a voice activity detector: a buffer
of what is being said, and `librosa.feature.mfcc` over all of it at a fixed step, so that features of the utterance are
at hand at any moment. Streaming recognisers built on a model that wants whole utterances have the same shape: the
buffer grows, and all of it is worked through anew with every chunk. Most of the work of each step was done before.

Per frame of 20 ms: mu-law by table, the product's detector and segmentation, inline on the event loop. Per 100 ms of an
utterance: one call of librosa over all of it. At its end: one run of the model on the last window's rows, without those
of the hangover. The features are the product's, so the verdict must be the product's. This file must never compute
while nobody speaks: that is the peer `sliding`.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final

import librosa
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.legs import FULL_SCALE, Features, FramedLeg, Leg, product_vad
from benchmarks.peers.shared import Shape, main
from streamer.features import MfccParameters
from streamer.speech.vad import RATE_HZ

EVERY: Final = RATE_HZ // 10
"""Samples between two windows: 100 ms."""


class GrowingWindow:
    """An utterance as its samples so far and the MFCCs of all of them."""

    def __init__(self, parameters: MfccParameters) -> None:
        self._parameters = parameters
        self._frames: list[NDArray[np.int16]] = []
        self._n_samples = 0
        self._computed = 0
        """Samples in the last window."""
        self._rows: Features = np.empty((0, parameters.n_mfcc), np.float32)

    def add(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples; every 100 ms compute the window anew."""
        self._frames.append(samples)
        self._n_samples += len(samples)
        if self._n_samples - self._computed >= EVERY:
            self._compute()

    def features(self, n_samples: int) -> Features:
        """Return the rows of the first `n_samples` samples out of the last window that holds them."""
        if self._computed < n_samples:
            self._compute()
        return self._rows[: self._parameters.frames(n_samples)]

    def _compute(self) -> None:
        window = np.concatenate(self._frames).astype(np.float32) / FULL_SCALE
        self._rows = mfcc(window, self._parameters)
        self._computed = self._n_samples


def mfcc(window: NDArray[np.float32], parameters: MfccParameters) -> Features:
    """Return librosa's MFCCs of a window, float32[frames, n_mfcc]."""
    if len(window) < parameters.n_fft:
        return np.empty((0, parameters.n_mfcc), np.float32)
    return np.ascontiguousarray(librosa.feature.mfcc(y=window, **parameters.for_librosa()).T)


class Naive(Shape):
    """A window that grows."""

    name: ClassVar[str] = "naive"

    def leg(self, channel: int, *, is_linear: bool, is_analysed: bool) -> Leg:
        """Return a fresh leg."""
        gather = partial(GrowingWindow, self._parameters) if is_analysed else None
        return FramedLeg(channel, is_linear=is_linear, vad=product_vad(), gather=gather)

    def warm_up(self) -> Features:
        """Return the features of a second of silence."""
        return mfcc(np.zeros(RATE_HZ, np.float32), self._parameters)

    @property
    def _parameters(self) -> MfccParameters:
        parameters = self.model.card.features.parameters
        assert isinstance(parameters, MfccParameters), "this shape computes MFCCs; give it a model of kind mfcc/1"
        return parameters


if __name__ == "__main__":
    main(Naive)
