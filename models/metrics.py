"""Figures by which models are judged. Pure functions on arrays; this file must never load or choose anything."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def confusion(truth: NDArray[np.integer], guess: NDArray[np.integer], n_labels: int) -> NDArray[np.int64]:
    """Return how often each truth (row) was called each label (column), int64[n_labels, n_labels]."""
    cells = truth.astype(np.int64) * n_labels + guess
    return np.bincount(cells, minlength=n_labels * n_labels).reshape(n_labels, n_labels).astype(np.int64)


def recalls(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the recall of each label that occurs, in percent; NaN for one that does not."""
    total = matrix.sum(axis=1)
    share: NDArray[np.float64] = np.where(total > 0, 100.0 * matrix.diagonal() / np.maximum(total, 1), np.nan)
    return share


def unweighted_average_recall(matrix: NDArray[np.int64]) -> float:
    """Return UAR, the field's measure: the mean recall of the labels that occur, in percent."""
    return float(np.nanmean(recalls(matrix)))


def accuracy(matrix: NDArray[np.int64]) -> float:
    """Return the share of right guesses, in percent."""
    return float(100.0 * matrix.trace() / matrix.sum())


def area_under_curve(score: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Return how probably a positive has a higher score than a negative, 0 to 1; ties count half.

    Raises
    ------
    ValueError
        When all are positive or all are negative.
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        raise ValueError(f"an AUC needs both kinds, got {n_positive} positive and {n_negative} negative")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2.0
    return float((rank[inverse][positive].sum() - n_positive * (n_positive + 1) / 2.0) / (n_positive * n_negative))


def detector(probabilities: NDArray[np.float64], truth: NDArray[np.integer], wanted: Sequence[int]) -> dict[str, float]:
    """Return how well some labels are told from the rest: what an alert depends on.

    Parameters
    ----------
    probabilities
        float64[clips, labels].
    truth
        int[clips].
    wanted
        Indices of the labels to detect.

    Returns
    -------
    dict
        `auc` of the summed probability; `recall`, `false_alarms` (share of the rest that is called so) and `precision`
        in percent, of calling a clip so when the likeliest label is one of them.
    """
    positive = np.isin(truth, wanted)
    called = np.isin(probabilities.argmax(axis=1), wanted)
    return {
        "auc": area_under_curve(probabilities[:, list(wanted)].sum(axis=1), positive),
        "recall": float(100.0 * (called & positive).sum() / positive.sum()),
        "false_alarms": float(100.0 * (called & ~positive).sum() / (~positive).sum()),
        "precision": float(100.0 * (called & positive).sum() / max(1, int(called.sum()))),
    }


def spread(right: NDArray[np.bool_], groups: NDArray[np.str_]) -> dict[str, float]:
    """Return the accuracy of the worst, quartile, median and best group (such as speakers), in percent."""
    share = [100.0 * right[groups == group].mean() for group in np.unique(groups)]
    low, first, middle, third, high = np.percentile(share, [0, 25, 50, 75, 100])
    return {
        "worst": float(low),
        "lower_quartile": float(first),
        "median": float(middle),
        "upper_quartile": float(third),
        "best": float(high),
    }


def uar_over_draws(matrices: NDArray[np.integer], shares: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the UAR of mixtures of groups, in percent, float64[draws].

    Parameters
    ----------
    matrices
        int[groups, labels, labels], a confusion matrix of each group.
    shares
        int[draws, groups]: how often each group counts. A draw without a clip of any label has NaN.
    """
    mixed = np.tensordot(shares, matrices, axes=1)
    total = mixed.sum(axis=2)
    hits = np.diagonal(mixed, axis1=1, axis2=2)
    recall = np.where(total > 0, hits / np.maximum(total, 1), 0.0)
    labels = (total > 0).sum(axis=1)
    found: NDArray[np.float64] = np.where(labels > 0, 100.0 * recall.sum(axis=1) / np.maximum(labels, 1), np.nan)
    return found


def draw_groups(count: int, draws: int, seed: int) -> NDArray[np.int64]:
    """Return how often each of `count` groups is among `count` drawn with replacement, int64[draws, count].

    B. Efron, R. Tibshirani: An Introduction to the Bootstrap. Chapman and Hall, 1993.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1.0 / count), size=draws).astype(np.int64)


def reliability(
    probabilities: NDArray[np.float64], truth: NDArray[np.integer], n_bins: int = 15
) -> list[dict[str, float]]:
    """Return confidence and accuracy by bins of confidence of equal width: what a reliability diagram shows.

    Parameters
    ----------
    probabilities
        float64[clips, labels].
    truth
        int[clips].
    n_bins
        Bins between 0 and 1.

    Returns
    -------
    list of dict
        Of each bin with clips in it: `low` and `high` (its edges), `clips`, mean `confidence` and `accuracy`, 0 to 1.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    return [
        {
            "low": number / n_bins,
            "high": (number + 1) / n_bins,
            "clips": int((bins == number).sum()),
            "confidence": float(confidence[bins == number].mean()),
            "accuracy": float(right[bins == number].mean()),
        }
        for number in np.unique(bins).tolist()
    ]
