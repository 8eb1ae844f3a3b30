"""The figures of one corpus: over the plain line, by number of earlier utterances, by fold, by line, by length.

Figures that depend on a temperature or threshold use those of the other folds. This file must never fit or choose
anything, or mix corpora.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models import fairness, metrics
from models.baselines_crowd import judge_crowd, read_votes
from models.calibration import Calibration
from streamer.emotion.calibrate import accuracy_at_coverage, expected_calibration_error
from streamer.emotion.model import LABELS

PLAIN: Final = "mulaw"
BASE: Final = "clean"
"""What the loss on a line is counted from."""
BEGINNINGS: Final = ("first-500ms", "first-1000ms")
COVERAGES: Final = (1.0, 0.75, 0.7, 0.5, 0.25)
CURVE: Final = tuple(number / 20 for number in range(1, 21))
"""Coverages of the risk-coverage curve."""
BINS: Final = 15
NEGATIVE: Final = ("sad", "angry", "fear", "disgust")
AROUSED: Final = ("happy", "angry", "fear", "surprise")
TUNED_FOLD: Final = 1
"""Recipes were compared on this fold: figures of the others alone stand beside those of all."""


class Part(msgspec.Struct, frozen=True, eq=False):
    """The verdicts on one corpus."""

    corpus: str
    known: bool
    """Whether the model was trained on other speakers of this corpus."""
    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    speakers: NDArray[np.str_]
    genders: NDArray[np.str_]
    folds: NDArray[np.int64]
    stems: tuple[str, ...]
    logits: dict[tuple[str, int], NDArray[np.float32]]
    """Of all clips over the plain line, of those that were sampled over the others."""
    sampled: NDArray[np.int64]
    speech_s: NDArray[np.float32]
    calibration: Calibration

    @property
    def earlier(self) -> list[int]:
        """Numbers of earlier utterances on the plain line."""
        return sorted(count for line, count in self.logits if line == PLAIN)

    def probabilities(self, line: str, earlier: int) -> NDArray[np.float64]:
        """Return calibrated probabilities, float64[clips, labels]."""
        by = self.calibrated_by if line == PLAIN else self.calibrated_by[self.sampled]
        return self.calibration.probabilities(self.logits[line, earlier], by)

    def certain(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which verdicts on the plain line are not uncertain, bool[clips]."""
        return self.calibration.certain(probabilities, self.calibrated_by)

    @property
    def fewer(self) -> "Part":
        """The sampled clips alone, over all lines: what can be compared line by line."""
        rows = self.sampled
        return Part(
            corpus=self.corpus,
            known=self.known,
            labels=self.labels,
            truth=self.truth[rows],
            speakers=self.speakers[rows],
            genders=self.genders[rows],
            folds=self.folds[rows],
            stems=tuple(self.stems[row] for row in rows),
            logits={line: found[rows] if line[0] == PLAIN else found for line, found in self.logits.items()},
            sampled=np.arange(len(rows)),
            speech_s=self.speech_s[rows],
            calibration=self.calibration,
        )

    @property
    def calibrated_by(self) -> NDArray[np.int64]:
        """Whose temperature and threshold count; 0 where all held-out speakers are others anyway."""
        return self.folds if self.known else np.zeros_like(self.folds)


def figures_of(part: Part) -> dict[str, Any]:
    """Return the figures of one corpus over the plain line, by number of earlier utterances."""
    return {
        "trained_on_others_of_it": part.known,
        "clips": len(part.truth),
        "speakers": len(np.unique(part.speakers)),
        "folds": np.unique(part.folds).tolist(),
        "after": {str(earlier): _describe(part, earlier) for earlier in part.earlier},
    }


def _describe(part: Part, earlier: int) -> dict[str, Any]:
    probabilities = part.probabilities(PLAIN, earlier)
    guess, truth = probabilities.argmax(axis=1), part.truth
    right, certain = guess == truth, part.certain(probabilities)
    matrix = metrics.confusion(truth, guess, len(part.labels))
    recalls = metrics.recalls(matrix).tolist()
    by_fold = {
        str(fold): {
            "speakers": len(np.unique(part.speakers[own])),
            "uar": metrics.unweighted_average_recall(metrics.confusion(truth[own], guess[own], len(part.labels))),
            "accuracy": float(100.0 * right[own].mean()),
            "angry_auc": _detector(part.labels, probabilities[own], truth[own], ("angry",)).get("auc"),
            "negative_auc": _detector(part.labels, probabilities[own], truth[own], NEGATIVE).get("auc"),
            "accuracy_most_certain_70": 100.0 * accuracy_at_coverage(probabilities[own], truth[own], 0.7),
        }
        for fold in np.unique(part.folds)
        for own in [part.folds == fold]
    }
    unseen = [one for fold, one in by_fold.items() if fold != str(TUNED_FOLD)]
    return {
        "clips": len(truth),
        "uar": metrics.unweighted_average_recall(matrix),
        "accuracy": metrics.accuracy(matrix),
        "recall": {
            label: None if np.isnan(recall) else recall for label, recall in zip(part.labels, recalls, strict=True)
        },
        "confusion": matrix.tolist(),
        "angry_vs_rest": _detector(part.labels, probabilities, truth, ("angry",)),
        "negative_vs_rest": _detector(part.labels, probabilities, truth, NEGATIVE),
        "aroused_vs_rest": _detector(part.labels, probabilities, truth, AROUSED),
        "accuracy_by_speaker": metrics.spread(right, part.speakers),
        "accuracy_at_coverage": {
            str(share): 100.0 * accuracy_at_coverage(probabilities, truth, share) for share in COVERAGES
        },
        "ece": expected_calibration_error(probabilities, truth, BINS),
        "certain_share": float(100.0 * certain.mean()),
        "accuracy_when_certain": share_of(right[certain]),
        "accuracy_when_uncertain": share_of(right[~certain]),
        "by_fold": by_fold,
        "mean_over_folds": _mean(list(by_fold.values())),
        "mean_over_folds_never_tuned_on": _mean(unseen) if part.known and 0 < len(unseen) < len(by_fold) else None,
    }


def _mean(folds: list[dict[str, Any]]) -> dict[str, float | None]:
    """Return the mean of each figure over the folds that have it."""
    names = [name for name in folds[0] if name != "speakers"]
    known = {name: [one[name] for one in folds if one[name] is not None] for name in names}
    return {name: float(np.mean(values)) if values else None for name, values in known.items()}


def share_of(right: NDArray[np.bool_]) -> float | None:
    """Return the share that is right, in percent; None of nothing."""
    return float(100.0 * right.mean()) if len(right) else None


def _detector(
    labels: Sequence[str], probabilities: NDArray[np.float64], truth: NDArray[np.int64], wanted: Sequence[str]
) -> dict[str, float]:
    """Return `metrics.detector`; nothing where a corpus or fold has none of the labels, or only those."""
    indices = [index for index, label in enumerate(labels) if label in wanted]
    positive = np.isin(truth, indices)
    if positive.all() or not positive.any():
        return {}
    return metrics.detector(probabilities, truth, indices)


def risk_coverage_of(part: Part) -> dict[str, list[list[float]]]:
    """Return [coverage, risk] in percent along the curve, for a caller's first utterance and the eleventh."""
    return {
        str(earlier): [
            [100.0 * share, 100.0 - 100.0 * accuracy_at_coverage(probabilities, part.truth, share)] for share in CURVE
        ]
        for earlier in (0, 10)
        for probabilities in [part.probabilities(PLAIN, earlier)]
    }


def lines_of(part: Part) -> dict[str, dict[str, Any]]:
    """Return figures by line, with what is lost against the clean one, in points of UAR; nothing with one line only.

    All on the sampled clips, the plain line too: what is lost is lost by the line.
    """
    part = part.fewer
    names = [line for line in dict.fromkeys(line for line, _ in part.logits) if line not in BEGINNINGS]
    if len(names) < 2:
        return {}
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for earlier in (0, 10):
        base = _uar_over_folds(part, BASE, earlier) if (BASE, earlier) in part.logits else None
        for name in names:
            uar = _uar_over_folds(part, name, earlier)
            probabilities = part.probabilities(name, earlier)
            found[name][str(earlier)] = {
                "clips": len(part.truth),
                "uar": uar,
                "loss": None if base is None else base - uar,
                "certain_share": float(100.0 * part.certain(probabilities).mean()),
                "ece": expected_calibration_error(probabilities, part.truth, BINS),
            }
    return found


def lengths_of(part: Part) -> dict[str, Any]:
    """Return figures by length of the utterance, and of utterances of which only the beginning was heard."""
    found: dict[str, Any] = {"utterances": {}, "beginnings": {}}
    fewer = part.fewer
    for earlier in (0, 10):
        guess = part.logits[PLAIN, earlier].argmax(axis=1)
        found["utterances"][str(earlier)] = fairness.by_length(part.truth, guess, part.speech_s, part.labels)
        found["beginnings"][str(earlier)] = {
            name: _uar_over_folds(fewer, name, earlier) for name in BEGINNINGS if (name, earlier) in part.logits
        }
    return found


def _uar_over_folds(part: Part, line: str, earlier: int) -> float:
    guess = part.logits[line, earlier].argmax(axis=1)
    return float(
        np.mean(
            [
                metrics.unweighted_average_recall(metrics.confusion(part.truth[own], guess[own], len(part.labels)))
                for fold in np.unique(part.folds)
                for own in [part.folds == fold]
            ]
        )
    )


def crowd_of(part: Part, path: Path) -> dict[str, Any]:
    """Return how often the model hears what most people hear, and how often people hear what was meant."""
    votes = read_votes(path)
    heard = [votes.get(stem) for stem in part.stems]
    clear = np.array([one is not None and int((one == one.max()).sum()) == 1 for one in heard])
    # Votes are in the order of an event's labels, a model may have others too, in between.
    place = [part.labels.index(label) for label in LABELS]
    majority = np.array([-1 if one is None else place[int(one.argmax())] for one in heard])[clear]
    single, most = judge_crowd(part.stems, np.array([place.index(label) for label in part.truth.tolist()]), votes)
    agreement = {}
    for earlier in part.earlier:
        matrix = metrics.confusion(majority, part.logits[PLAIN, earlier].argmax(axis=1)[clear], len(part.labels))
        agreement[str(earlier)] = {
            "uar": metrics.unweighted_average_recall(matrix),
            "accuracy": metrics.accuracy(matrix),
        }
    return {
        "listeners": float(np.mean([one.sum() for one in heard if one is not None])),
        "clips": int(clear.sum()),
        "clips_without_majority": int((~clear).sum()),
        "model_against_majority": agreement,
        "people_against_intention": {
            name: {"uar": one["crema_d_uar"], "accuracy": one["accuracy_6"], "recall": one["recall"]}
            for name, one in (("one", single), ("majority", most))
        },
    }
