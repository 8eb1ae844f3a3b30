"""Calibration: from a network's raw scores to probabilities that mean what they say, and when not to name an emotion.

Pure functions on arrays. The server uses `softmax`; the laboratory fits the temperature and the threshold with the
others, always on speakers other than those whose figures it reports. This file must never load a model or data.
"""

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return probabilities.

    Parameters
    ----------
    logits
        float[..., labels].
    temperature
        Above 0; above 1 makes an overconfident network more modest. The order of the labels never changes.

    Returns
    -------
    float64[..., labels]
        Each row sums to 1.

    Raises
    ------
    ValueError
        When the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"the temperature is {temperature}, must be above 0")
    scaled = logits.astype(np.float64) / temperature
    exponent = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = exponent / exponent.sum(axis=-1, keepdims=True)
    return probabilities


def negative_log_likelihood(logits: NDArray[np.floating], truth: NDArray[np.integer], temperature: float) -> float:
    """Return the mean of -log p(truth) in nats, for float[clips, labels] logits and int[clips] truth."""
    probabilities = softmax(logits, temperature)[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(probabilities, 1e-12)).mean())


def fit_temperature(logits: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """Return the temperature under which held-out clips are likeliest.

    Parameters
    ----------
    logits
        float[clips, labels] of speakers the network has not been trained on.
    truth
        int[clips], index of the right label.

    Returns
    -------
    float
        Between 0.05 and 20.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Weinberger: On Calibration of Modern Neural Networks. ICML 2017.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - the server never fits

    found = minimize_scalar(
        lambda log_temperature: negative_log_likelihood(logits, truth, float(np.exp(log_temperature))),
        bounds=(np.log(0.05), np.log(20.0)),
        method="bounded",
    )
    return float(np.exp(found.x))


def expected_calibration_error(
    probabilities: NDArray[np.float64], truth: NDArray[np.integer], n_bins: int = 15
) -> float:
    """Return the mean gap between confidence and accuracy over bins of equal width, 0 (best) to 1.

    Parameters
    ----------
    probabilities
        float[clips, labels].
    truth
        int[clips].
    n_bins
        Bins of confidence between 0 and 1; each counts by its clips.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gap = np.abs(
        np.bincount(bins, weights=confidence, minlength=n_bins) - np.bincount(bins, weights=right, minlength=n_bins)
    )
    return float(gap.sum() / len(truth))


def accuracy_at_coverage(probabilities: NDArray[np.float64], truth: NDArray[np.integer], coverage: float) -> float:
    """Return the accuracy on the most confident `coverage` (above 0, at most 1) of the clips, at least one clip."""
    kept = np.argsort(-probabilities.max(axis=1), kind="stable")[: max(1, round(coverage * len(truth)))]
    return float((probabilities[kept].argmax(axis=1) == truth[kept]).mean())


def threshold_for_accuracy(probabilities: NDArray[np.float64], truth: NDArray[np.integer], accuracy: float) -> float:
    """Return the least confidence from which verdicts are as accurate as wished.

    Parameters
    ----------
    probabilities
        float[clips, labels], calibrated.
    truth
        int[clips].
    accuracy
        What the verdicts at or above the threshold, taken together, are to reach, 0 to 1.

    Returns
    -------
    float
        The threshold that keeps most verdicts among those that reach the accuracy; 1.0 when none does, so that every
        verdict is uncertain.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = (probabilities.argmax(axis=1) == truth)[order]
    reached = np.cumsum(right) / np.arange(1, len(right) + 1) >= accuracy
    # A threshold cannot part equal confidences: only the last of a run of equals is a possible cut.
    descending = confidence[order]
    cut = np.append(descending[1:] < descending[:-1], np.True_)
    possible = np.flatnonzero(reached & cut)
    return float(descending[possible[-1]]) if len(possible) else 1.0
