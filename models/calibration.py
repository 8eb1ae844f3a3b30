"""How far verdicts can be believed: the temperature, and the confidence below which a verdict is uncertain.

Both are fitted by fold on the speakers of the other folds; what ships is fitted on all. Pure functions on arrays; this
file must never fit anything on the fold it is used for, or on the sounds that doubt is scored with.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.emotion.calibrate import fit_temperature, softmax, threshold_for_accuracy

WISHED_ACCURACY: Final = 0.7
"""What verdicts that are not uncertain are to reach, taken together."""
WISHED_DOUBT: Final = 0.9
"""Share of sounds that are nobody's emotion for which a report says where the threshold would have to lie. It decides
nothing: a few sounds that a network is sure of would silence it on speech as well."""


class Threshold(msgspec.Struct, frozen=True):
    """From which confidence on a verdict is certain, and what it was chosen for."""

    accuracy: float
    """From here on verdicts, taken together, are as often right as wished."""
    even: float
    """Below here a verdict is likelier wrong than right."""

    @property
    def value(self) -> float:
        """The least confidence that meets both."""
        return max(self.accuracy, self.even)

    @property
    def decided_by(self) -> str:
        """Which of the two it is: `accuracy` or `even`."""
        return "accuracy" if self.accuracy >= self.even else "even"


class Calibration(msgspec.Struct, frozen=True, eq=False):
    """Temperatures and thresholds."""

    temperature: float
    """What ships, fitted on all."""
    threshold: Threshold
    """What ships."""
    temperatures: dict[int, float]
    """By fold, fitted on the others."""
    thresholds: dict[int, float]
    """By fold, fitted on the others."""

    def probabilities(self, logits: NDArray[np.float32], folds: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return float64[clips, labels] for logits of that shape; fold 0 is nobody's and gets what ships."""
        temperature = np.array([self.temperatures.get(int(fold), self.temperature) for fold in folds])
        return softmax(logits / temperature[:, None])

    def certain(self, probabilities: NDArray[np.float64], folds: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return which verdicts are not uncertain, bool[clips]."""
        least = np.array([self.thresholds.get(int(fold), self.threshold.value) for fold in folds])
        certain: NDArray[np.bool_] = probabilities.max(axis=1) >= least
        return certain


def calibrate(logits: NDArray[np.float32], truth: NDArray[np.integer], folds: NDArray[np.integer]) -> Calibration:
    """Fit temperature and threshold, on all and for each fold without it.

    Parameters
    ----------
    logits
        float32[draws, clips, labels] of held-out verdicts, after several numbers of earlier utterances.
    truth, folds
        int[clips].
    """

    def fitted(chosen: NDArray[np.bool_]) -> tuple[float, Threshold]:
        flat, of_flat = logits[:, chosen].reshape(-1, logits.shape[2]), np.tile(truth[chosen], len(logits))
        temperature = fit_temperature(flat, of_flat)
        return temperature, threshold_of(softmax(flat, temperature), of_flat)

    temperature, threshold = fitted(np.ones(len(truth), dtype=bool))
    by_fold = {int(fold): fitted(folds != fold) for fold in np.unique(folds)} if len(np.unique(folds)) > 1 else {}
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        temperatures={fold: found for fold, (found, _) in by_fold.items()},
        thresholds={fold: found.value for fold, (_, found) in by_fold.items()},
    )


def threshold_of(probabilities: NDArray[np.float64], truth: NDArray[np.integer]) -> Threshold:
    """Choose a threshold on the risk-coverage curve of speech.

    Accuracy among certain verdicts alone is no guide for a good network: where all verdicts together reach what is
    wished, none would be uncertain, however doubtful. So no verdict is certain that is likelier wrong than right
    (Chow's rule for a rejection that costs half an error).

    Parameters
    ----------
    probabilities
        float64[clips, labels], calibrated.
    truth
        int[clips].

    References
    ----------
    C. K. Chow: On optimum recognition error and reject tradeoff. IEEE Transactions on Information Theory 16(1), 1970.
    """
    return Threshold(
        accuracy=threshold_for_accuracy(probabilities, truth, WISHED_ACCURACY),
        even=break_even(probabilities, truth),
    )


def break_even(probabilities: NDArray[np.float64], truth: NDArray[np.integer]) -> float:
    """Return the confidence from which on certain verdicts are right most often beyond how often they are wrong.

    The top of right minus wrong over all cuts of the risk-coverage curve: verdicts just below it are likelier wrong
    than right. 1.0 when no cut has more right than wrong.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    descending = confidence[order]
    gain = np.cumsum(np.where(probabilities.argmax(axis=1) == truth, 1, -1)[order])
    # A threshold cannot part equal confidences: only the last of a run of equals is a possible cut.
    gain[np.append(descending[1:] == descending[:-1], np.False_)] = 0
    best = len(gain) - 1 - int(np.argmax(gain[::-1]))
    return float(descending[best]) if gain[best] > 0 else 1.0


def doubt_by_kind(
    kinds: Sequence[str], logits: NDArray[np.float32], calibration: Calibration
) -> dict[str, dict[str, float]]:
    """Return how many sounds of each kind, and of `all`, come out uncertain with what ships.

    Parameters
    ----------
    kinds, logits
        Of each sound; float32[sounds, labels].
    calibration
        Fitted on speech; no sound had a say in it.

    Returns
    -------
    dict
        Of each kind: `sounds`; `uncertain` in percent; `confidence` (mean, 0 to 1); `needed`, the threshold below which
        the wished share of them lies.
    """
    confidence = softmax(logits, calibration.temperature).max(axis=1)
    names, uncertain = np.array(kinds), confidence < calibration.threshold.value
    return {
        kind: {
            "sounds": int(chosen.sum()),
            "uncertain": float(100.0 * uncertain[chosen].mean()),
            "confidence": float(confidence[chosen].mean()),
            "needed": _above(confidence[chosen], WISHED_DOUBT),
        }
        for kind in ("all", *sorted(set(kinds)))
        for chosen in [np.ones(len(names), dtype=bool) if kind == "all" else names == kind]
    }


def _above(confidence: NDArray[np.float64], share: float) -> float:
    """Return the least number that `share` of the values lie below."""
    last = np.sort(confidence)[int(np.ceil(share * len(confidence))) - 1]
    return float(np.nextafter(last, np.inf))
