"""A caller's own running statistics: what features are normalised by, learnt in this call and forgotten with it.

Voices, handsets and rooms differ more than emotions do. Each coefficient of one layer of a network, its input or a
hidden one, is therefore shifted and scaled by the mean and the standard deviation of this caller, as far as they are
known: a prior from the corpora counts as `weight_frames` frames of speech, and what the caller has said in this call is
blended in. The network normalises and says what an utterance adds; here it is only kept. Causal: a verdict depends on
the call so far and on nothing else. This file must never store statistics beyond the object's life or compare two
callers: they are no voiceprint and must not become one.
"""

import math
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray


class Prior(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is believed of a caller who has not spoken yet: the statistics of the corpora a model was trained on."""

    mean: tuple[float, ...]
    """Mean of each coefficient."""
    std: tuple[float, ...]
    """Standard deviation of each coefficient, above 0."""
    weight_frames: float
    """How many frames of the caller's own speech weigh as much as the prior, above 0."""

    def __post_init__(self) -> None:
        """Refuse a prior that cannot normalise.

        Raises
        ------
        ValueError
            Says which of the three is wrong and what it must be.
        """
        if len(self.mean) != len(self.std) or not self.mean:
            raise ValueError(f"the prior has {len(self.mean)} means and {len(self.std)} standard deviations")
        if not all(math.isfinite(value) for value in self.mean):
            raise ValueError("a mean of the prior is no finite number")
        if not all(math.isfinite(value) and value > 0 for value in self.std):
            raise ValueError("a standard deviation of the prior is not above 0")
        if not (math.isfinite(self.weight_frames) and self.weight_frames > 0):
            raise ValueError(f"the prior weighs {self.weight_frames} frames, must be above 0")


class Moments(msgspec.Struct, frozen=True, eq=False):
    """Count, sum and sum of squares of some frames; adding two gives those of both together."""

    n_frames: float
    """How many frames these count as; a network may leave some out, or count them in part."""
    total: NDArray[np.float64]
    """float64[coefficients], the sum over frames."""
    squares: NDArray[np.float64]
    """float64[coefficients], the sum of the squares over frames."""

    @classmethod
    def of(cls, frames: NDArray[np.float32]) -> "Moments":
        """Return the moments of `frames`, float32[frames, coefficients]; also of none."""
        exact = frames.astype(np.float64)
        return cls(len(frames), exact.sum(axis=0), np.square(exact).sum(axis=0))

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.n_frames + other.n_frames, self.total + other.total, self.squares + other.squares)


@lru_cache(maxsize=16)
def _sums(prior: Prior) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a prior counts as: sum and sum of squares. All callers share them; they are as long as a call's."""
    mean, std = np.asarray(prior.mean), np.asarray(prior.std)
    total, squares = prior.weight_frames * mean, prior.weight_frames * (np.square(std) + np.square(mean))
    for sums in (total, squares):
        sums.flags.writeable = False
    return total, squares


@lru_cache(maxsize=16)
def _nothing(coefficients: int) -> Moments:
    """Return the moments of a caller who has not spoken; all share them."""
    nothing = Moments.of(np.empty((0, coefficients), dtype=np.float32))
    for sums in (nothing.total, nothing.squares):
        sums.flags.writeable = False
    return nothing


class RunningNormaliser:
    """The statistics of one caller in one call.

    For each utterance: `statistics` for the network, then `remember` what it made of it, so that it counts for the
    next. It does not count for itself: on speakers of the training folds that changed the mean recall by less than one
    point either way, and so a verdict inside an utterance and the one at its end stand on the same statistics.

    Parameters
    ----------
    prior
        What holds before the caller has spoken; the model's card carries it.
    """

    def __init__(self, prior: Prior) -> None:
        self._weight = prior.weight_frames
        self._prior_total, self._prior_squares = _sums(prior)
        self._heard = _nothing(len(self._prior_total))

    @property
    def n_frames(self) -> float:
        """Frames of this caller that count so far."""
        return self._heard.n_frames

    def statistics(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and standard deviation of this caller so far, the prior blended in.

        Returns
        -------
        mean, std
            float32[coefficients] each; std is at least 0.001.
        """
        mean, std = self._exact()
        return mean.astype(np.float32), std.astype(np.float32)

    def remember(self, moments: Moments) -> None:
        """Let frames of this caller count from now on.

        Parameters
        ----------
        moments
            Of an utterance, or of several together.

        Raises
        ------
        ValueError
            When the number of coefficients is not the prior's. Nothing was remembered.
        """
        for sums in (moments.total, moments.squares):
            if sums.shape != self._prior_total.shape:
                raise ValueError(f"expected moments of {len(self._prior_total)} coefficients, got shape {sums.shape}")
        self._heard = self._heard + moments

    def update(self, frames: NDArray[np.float32]) -> None:
        """Let frames count from now on, where the input is the layer that is normalised.

        Parameters
        ----------
        frames
            float32[frames, coefficients] as they come from the front end, not normalised.

        Raises
        ------
        ValueError
            When the number of coefficients is not the prior's.
        """
        self.remember(Moments.of(self._checked(frames)))

    def apply(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return frames in units of this caller's spread around this caller's mean.

        Changes nothing: the same frames may be asked for again while an utterance grows.

        Parameters
        ----------
        frames
            float32[frames, coefficients] as they come from the front end.

        Returns
        -------
        float32[frames, coefficients]

        Raises
        ------
        ValueError
            When the number of coefficients is not the prior's.
        """
        mean, std = self._exact()
        normalised: NDArray[np.float32] = ((self._checked(frames) - mean) * (1.0 / std)).astype(np.float32)
        return normalised

    def _exact(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weight = self._weight + self._heard.n_frames
        mean = (self._prior_total + self._heard.total) / weight
        # At least the prior's share of the prior's variance remains, so this is above 0 but for rounding.
        variance = (self._prior_squares + self._heard.squares) / weight - np.square(mean)
        return mean, np.sqrt(np.maximum(variance, 1e-6))

    def _checked(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        if frames.ndim != 2 or frames.shape[1] != len(self._prior_total):
            raise ValueError(f"expected frames of {len(self._prior_total)} coefficients, got shape {frames.shape}")
        return frames
