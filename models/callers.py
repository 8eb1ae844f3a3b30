"""Callers for training and evaluation: what a speaker is taken to have said earlier in the call.

One network has to serve a caller's first words and their fortieth. Training draws how much was said before, evaluation
sets it; both normalise through `streamer.features.RunningNormaliser`. This file must never let an utterance count
among its own earlier ones, or mix two speakers.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.dataset import Utterances
from streamer.emotion.model import LABELS
from streamer.features import Moments, Prior, RunningNormaliser

MOST_EARLIER = 40
"""How many earlier utterances training draws at most."""


def prior_of(utterances: Sequence[Utterances], indices: NDArray[np.integer], weight_frames: float) -> Prior:
    """Return the prior that clips of some speakers teach: mean and deviation over all their frames.

    Parameters
    ----------
    utterances
        The clips as heard in one or more variants.
    indices
        Which clips count: those of the training speakers.
    weight_frames
        What the prior is to weigh.
    """
    n_mfcc = utterances[0].rows.shape[1]
    heard = Moments.of(np.empty((0, n_mfcc), dtype=np.float32))
    for variant in utterances:
        for index in indices:
            heard = heard + Moments.of(variant.frames(int(index)))
    mean = heard.total / heard.n_frames
    std = np.sqrt(heard.squares / heard.n_frames - np.square(mean))
    return Prior(tuple(mean.tolist()), tuple(std.tolist()), weight_frames)


class Callers:
    """The clips of one variant, by speaker.

    Parameters
    ----------
    utterances
        Features of all clips.
    speakers
        str[clips], corpus and speaker of each.
    labels
        int[clips], index in `LABELS`.
    """

    def __init__(self, utterances: Utterances, speakers: NDArray[np.str_], labels: NDArray[np.integer]) -> None:
        self._utterances = utterances
        self._labels = labels
        self._speakers = speakers
        moments = utterances.moments()
        self._counts = np.array([one.n_frames for one in moments])
        self._totals = np.stack([one.total for one in moments])
        self._squares = np.stack([one.squares for one in moments])
        self._clips_of = {speaker: np.flatnonzero(speakers == speaker) for speaker in np.unique(speakers)}

    def frames(self, index: int, prior: Prior, earlier: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return a clip's features as judged after the clips `earlier` of the same speaker."""
        normaliser = RunningNormaliser(prior)
        if len(earlier):
            normaliser.remember(
                Moments(int(self._counts[earlier].sum()), self._totals[earlier].sum(0), self._squares[earlier].sum(0))
            )
        return normaliser.apply(self._utterances.frames(index))

    def earlier(self, index: int, count: int, rng: np.random.Generator, *, skewed: bool = False) -> NDArray[np.int64]:
        """Draw `count` other clips of a clip's speaker, or all where there are fewer.

        Parameters
        ----------
        index
            The clip that is judged.
        count
            How many came before.
        rng
            What draws them.
        skewed
            Whether some emotions are drawn more often than others, another mixture each time, as calls have them;
            otherwise all clips are as likely.
        """
        others = self._clips_of[self._speakers[index]]
        others = others[others != index]
        count = min(count, len(others))
        if not count:
            return np.empty(0, dtype=np.int64)
        if not skewed:
            return rng.choice(others, count, replace=False)
        taste = rng.dirichlet(np.full(len(LABELS), 0.5)) + 0.01
        weight = taste[self._labels[others]]
        # Gumbel's trick: the largest of log weight + noise are a weighted draw without replacement.
        chosen: NDArray[np.int64] = others[np.argsort(-(np.log(weight) + rng.gumbel(size=len(others))))[:count]]
        return chosen
