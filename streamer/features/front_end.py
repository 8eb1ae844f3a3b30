"""What every front end of a model has in common: samples in, in any chunks; rows of features out, at any moment.

This file must never compute anything.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class FrontEnd(Protocol):
    """The features of one utterance while its samples arrive. Not for two threads at once."""

    @property
    def n_samples(self) -> int:
        """Samples pushed since the last reset."""
        ...

    @property
    def n_frames(self) -> int:
        """Complete frames in those samples."""
        ...

    def push(self, samples: NDArray[np.float32]) -> int:
        """Take the next samples, float32[n] in -1 to 1, any n; return how many frames they completed."""
        ...

    def push_int16(self, samples: NDArray[np.int16]) -> int:
        """Take the next samples, int16[n] of full scale 32768; all else, and each bit of each row, as by `push`."""
        ...

    def features(self, n_samples: int | None = None) -> NDArray[np.float32]:
        """Return float32[frames, features] of the first `n_samples` samples, of all when None; the caller's own."""
        ...

    def reset(self) -> None:
        """Forget the utterance, so that the next pushed sample is the first of a new one."""
        ...
