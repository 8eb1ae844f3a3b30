"""Peer "egemaps": openSMILE's eGeMAPS functionals, once for each utterance, at its end.

LICENCE: openSMILE may be used for research and evaluation, and for no product (audEERING Research License Agreement).
It is here to be measured beside the product, in the benchmark's own environment, and must never be anything else: no
part of the product imports it, nothing that ships depends on it.

The shape of the field's research code: cut an utterance, give it to `opensmile.Smile`, take the 88 functionals of
eGeMAPSv02 (F. Eyben et al. (2016), "The Geneva Minimalistic Acoustic Parameter Set", IEEE Trans. Affective Computing
7(2)), classify.

Per frame of 20 ms: mu-law by table, the product's detector and segmentation. At the end of an utterance, in the model's
thread: openSMILE over its samples, which come as they are, at 8 kHz. What would follow is a small classifier; in its
place the product's network runs once on as many rows as the utterance has, so that all peers pay the same for it. Its
input are the first of the functionals, repeated: the verdict means nothing and is marked uncertain. This file must
never be read as a statement about eGeMAPS's quality: it measures time.
"""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
import opensmile
from numpy.typing import NDArray

from benchmarks.peers.legs import Features, FramedLeg, Kept, Leg, product_vad
from benchmarks.peers.shared import Shape, main
from streamer.emotion.model import EmotionModel
from streamer.speech.vad import RATE_HZ

HOP: Final = RATE_HZ // 100


class Functionals:
    """openSMILE, for whole utterances."""

    def __init__(self, n_features: int) -> None:
        self._n_features = n_features
        self._smile = opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02,
            feature_level=opensmile.FeatureLevel.Functionals,
            num_workers=1,
        )

    def rows(self, samples: NDArray[np.float32]) -> Features:
        """Return float32[samples / 80, n_features], each row the first functionals of the whole."""
        functionals = np.asarray(self._smile(samples, RATE_HZ), np.float32).ravel()
        row = np.nan_to_num(functionals[: self._n_features])
        return np.tile(row, (max(1, len(samples) // HOP), 1))


class KeptForSmile(Kept):
    """An utterance as its samples."""

    def __init__(self, functionals: Functionals) -> None:
        super().__init__()
        self._functionals = functionals

    def features(self, n_samples: int) -> Features:
        """Run openSMILE over it."""
        return self._functionals.rows(self.samples[:n_samples])


class Egemaps(Shape):
    """Functionals of whole utterances."""

    name: ClassVar[str] = "egemaps"
    is_comparable: ClassVar[bool] = False

    def __init__(self, model: EmotionModel) -> None:
        super().__init__(model)
        self._functionals = Functionals(model.card.features.n_features)

    def leg(self, channel: int, *, is_linear: bool, is_analysed: bool) -> Leg:
        """Return a fresh leg."""
        gather = (lambda: KeptForSmile(self._functionals)) if is_analysed else None
        return FramedLeg(channel, is_linear=is_linear, vad=product_vad(), gather=gather)

    def warm_up(self) -> Features:
        """Return the features of a second of silence."""
        return self._functionals.rows(np.zeros(RATE_HZ, np.float32))


if __name__ == "__main__":
    main(Egemaps)
