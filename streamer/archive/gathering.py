"""The model's features, computed a second at a time instead of a frame at a time: the same numbers, fewer calls.

A live call rolls its features while the utterance goes on, so that a verdict is there at its end. Nobody waits for a
recording, and one large piece costs less than fifty small ones. Front ends give the same rows bit for bit whatever the
pieces, which their tests hold; this file must never rely on more than that.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.emotion.model import EmotionModel
from streamer.features import FrontEnd

PIECE_SAMPLES: Final = 8000


class Gathering:
    """A front end that hands samples on in large pieces.

    Parameters
    ----------
    front_end
        Who computes; empty.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self._front_end = front_end
        self._pieces: list[NDArray[np.float32]] = []
        self._gathered = 0

    @property
    def n_samples(self) -> int:
        """Samples pushed since the last reset."""
        return self._front_end.n_samples + self._gathered

    @property
    def n_frames(self) -> int:
        """Complete frames in those samples."""
        self._hand_on()
        return self._front_end.n_frames

    def push(self, samples: NDArray[np.float32]) -> int:
        """Take the next samples; return how many frames are known to be complete by now that were not before."""
        self._pieces.append(samples)
        self._gathered += len(samples)
        return self._hand_on() if self._gathered >= PIECE_SAMPLES else 0

    def features(self, n_samples: int | None = None) -> NDArray[np.float32]:
        """Return the rows of the first samples, or of all."""
        self._hand_on()
        return self._front_end.features(n_samples)

    def reset(self) -> None:
        """Forget the utterance."""
        self._pieces.clear()
        self._gathered = 0
        self._front_end.reset()

    def _hand_on(self) -> int:
        if not self._pieces:
            return 0
        gathered = np.concatenate(self._pieces)
        self._pieces.clear()
        self._gathered = 0
        return self._front_end.push(gathered)


class PatientModel(EmotionModel):
    """A model whose features are gathered; it judges as the one that it is made of.

    Parameters
    ----------
    model
        Shares its card and its network.
    """

    def __init__(self, model: EmotionModel) -> None:
        vars(self).update(vars(model))

    def new_features(self) -> FrontEnd:
        """Return an empty front end for one utterance."""
        return Gathering(super().new_features())
