"""From raw verdicts to the report of a model: every figure that stands in its cards, by speaker and by fold.

Headline figures are means over folds; what is fitted (temperature, threshold) is fitted on the other folds. This file
must never run a network, read audio, or choose anything by a figure it reports.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models import fairness, metrics
from models.calibration import WISHED_ACCURACY, WISHED_DOUBT, Calibration, calibrate, doubt_by_kind
from models.figures_corpus import (
    BINS,
    PLAIN,
    Part,
    crowd_of,
    figures_of,
    lengths_of,
    lines_of,
    risk_coverage_of,
    share_of,
)
from streamer.emotion.calibrate import expected_calibration_error, softmax

if TYPE_CHECKING:  # figures can be made where torch is not installed
    from models.experiment import Table

JUDGED_LINES: Final = ("gsm", "amr-nb-7.4", "opus-12", "loss-5")
"""The worst of these is a headline figure."""
CROWD: Final = "crema-d"
"""The corpus that votes and demographics belong to."""


class Judged(msgspec.Struct, frozen=True, eq=False):
    """Verdicts on the clips of a table."""

    table: "Table"
    logits: dict[tuple[str, int], NDArray[np.float32]]
    """(line, earlier utterances of the caller) -> float32[clips, labels]. `mulaw` is the plain line, over which all
    clips are heard; over the others those that were sampled."""
    speech_s: NDArray[np.float32]
    """Length of each utterance as the product cuts it."""
    sampled: NDArray[np.int64]
    """Indices of the clips that were heard over lines other than the plain one, ascending."""


class Doubted(msgspec.Struct, frozen=True, eq=False):
    """Verdicts on sounds that are nobody's emotion."""

    kinds: tuple[str, ...]
    logits: NDArray[np.float32]
    """float32[sounds, labels], each a caller's first."""


def report(  # noqa: PLR0917 - one caller, which names what it gives
    held_out: Judged,
    others: dict[str, Judged],
    doubted: Doubted | None,
    labels: Sequence[str],
    demographics: Path,
    votes: Path,
) -> dict[str, Any]:
    """Return every figure of a model, ready for JSON.

    Parameters
    ----------
    held_out
        Corpora the model is trained on, each clip judged by the network that left its fold out.
    others
        Corpora it is not trained on, by name, judged by the network trained on all of `held_out`.
    doubted
        Sounds that are nobody's emotion; None where none were judged.
    labels
        What the model may answer. A UAR is over those a corpus has.
    demographics
        CREMA-D's `VideoDemographics.csv`; without that file there are no figures by age and race.
    votes
        CREMA-D's `tabulatedVotes.csv`; without that file there is no comparison with the crowd.

    Returns
    -------
    dict
        UAR, accuracy, recall and shares in percent; AUC, ECE, confidence and `uncertain_below` 0 to 1. `headline` are
        the figures of the card a program reads.

    Raises
    ------
    ValueError
        When verdicts are missing, are no numbers, or are of another shape than clips and labels.
    """
    for name, judged in {"held_out": held_out, **others}.items():
        _check(name, judged, len(labels))
    after = sorted(count for line, count in held_out.logits if line == PLAIN)
    plain = np.stack([held_out.logits[PLAIN, count] for count in after])
    table = held_out.table
    calibration = calibrate(plain, table.labels, table.folds)
    known = list(_parts(held_out, labels, calibration, known=True))
    strange = [part for judged in others.values() for part in _parts(judged, labels, calibration, known=False)]
    crema = next((part for part in [*known, *strange] if part.corpus == CROWD), None)
    parts = [*known, *strange]
    found: dict[str, Any] = {
        "labels": list(labels),
        "corpora": {part.corpus: figures_of(part) for part in parts},
        "calibration": _calibration(plain, table, calibration),
        "doubt": {} if doubted is None else doubt_by_kind(doubted.kinds, doubted.logits, calibration),
        "risk_coverage": {part.corpus: risk_coverage_of(part) for part in parts},
        "lines": {part.corpus: lines for part in parts if (lines := lines_of(part))},
        "lengths": {part.corpus: lengths_of(part) for part in parts},
        "fairness": {
            part.corpus: {
                str(earlier): fairness.by_all_groups(
                    part.truth,
                    part.logits[PLAIN, earlier].argmax(axis=1),
                    part.speakers,
                    fairness.groupings(part.speakers, part.genders, demographics if part is crema else None),
                    part.labels,
                )
                for earlier in (0, 10)
            }
            for part in parts
        },
        "crowd": None if crema is None or not votes.is_file() else crowd_of(crema, votes),
    }
    found["headline"] = _headline(found)
    return found


def _check(name: str, judged: Judged, n_labels: int) -> None:
    missing = [(PLAIN, count) for count in (0, 10) if (PLAIN, count) not in judged.logits]
    if missing:
        raise ValueError(f"{name} has no verdicts for {missing}, only {sorted(judged.logits)}; judge the plain line")
    for line, logits in judged.logits.items():
        wanted = (len(judged.table.labels) if line[0] == PLAIN else len(judged.sampled), n_labels)
        if logits.shape != wanted or not np.isfinite(logits).all():
            raise ValueError(
                f"{name} {line}: verdicts are {logits.shape}, must be {wanted} finite numbers; did each fold's network "
                "judge its clips?"
            )


def _parts(judged: Judged, labels: Sequence[str], calibration: Calibration, *, known: bool) -> Iterator[Part]:
    table = judged.table
    for corpus in dict.fromkeys(table.corpora.tolist()):
        of_it = np.flatnonzero(table.corpora == corpus)
        among_sampled = np.isin(judged.sampled, of_it)
        yield Part(
            corpus=corpus,
            known=known,
            labels=tuple(labels),
            truth=table.labels[of_it],
            speakers=table.speakers[of_it],
            genders=table.genders[of_it],
            folds=table.folds[of_it],
            stems=tuple(table.clips[index].path.stem for index in of_it),
            logits={
                line: logits[of_it if line[0] == PLAIN else among_sampled] for line, logits in judged.logits.items()
            },
            sampled=np.flatnonzero(np.isin(of_it, judged.sampled)),
            speech_s=judged.speech_s[of_it],
            calibration=calibration,
        )


def _calibration(plain: NDArray[np.float32], table: "Table", calibration: Calibration) -> dict[str, Any]:
    """Return how calibration went on held-out verdicts, all numbers of earlier utterances together."""
    truth, folds = np.tile(table.labels, len(plain)), np.tile(table.folds, len(plain))
    flat = plain.reshape(-1, plain.shape[2])
    probabilities = calibration.probabilities(flat, folds)
    certain = calibration.certain(probabilities, folds)
    right = probabilities.argmax(axis=1) == truth
    threshold = calibration.threshold
    return {
        "temperature": calibration.temperature,
        "uncertain_below": threshold.value,
        "decided_by": threshold.decided_by,
        "candidates": {"accuracy": threshold.accuracy, "even": threshold.even},
        "wished_accuracy": WISHED_ACCURACY,
        "wished_doubt": WISHED_DOUBT,
        "temperature_by_fold": {str(fold): value for fold, value in calibration.temperatures.items()},
        "uncertain_below_by_fold": {str(fold): value for fold, value in calibration.thresholds.items()},
        "ece_before": expected_calibration_error(softmax(flat), truth, BINS),
        "ece_after": expected_calibration_error(probabilities, truth, BINS),
        "bins": metrics.reliability(probabilities, truth, BINS),
        "bins_before": metrics.reliability(softmax(flat), truth, BINS),
        "certain_share": float(100.0 * certain.mean()),
        "accuracy_when_certain": share_of(right[certain]),
        "accuracy_when_uncertain": share_of(right[~certain]),
    }


def _headline(found: dict[str, Any]) -> dict[str, float]:
    """Return the figures that stand in the card a program reads: means over folds, UAR and accuracy in percent."""
    headline: dict[str, float | None] = {}
    for corpus, figures in found["corpora"].items():
        name = corpus.replace("-", "_")
        for earlier, when in (("0", "cold"), ("10", "after_10"), ("40", "after_40")):
            if earlier in figures["after"]:
                headline[f"{name}_uar_{when}"] = figures["after"][earlier]["mean_over_folds"]["uar"]
    if CROWD in found["corpora"]:
        warm = found["corpora"][CROWD]["after"]["10"]
        headline["crema_d_angry_auc_after_10"] = warm["mean_over_folds"]["angry_auc"]
        headline["crema_d_negative_auc_after_10"] = warm["mean_over_folds"]["negative_auc"]
        headline["crema_d_accuracy_most_certain_70"] = warm["mean_over_folds"]["accuracy_most_certain_70"]
    headline["ece"] = found["calibration"]["ece_after"]
    lines = found["lines"].get(CROWD, {})
    losses = [lines[name]["10"]["loss"] for name in JUDGED_LINES if name in lines]
    headline["worst_line_loss"] = max((loss for loss in losses if loss is not None), default=None)
    if found["doubt"]:
        headline["sounds_uncertain"] = found["doubt"]["all"]["uncertain"]
    return {name: float(value) for name, value in headline.items() if value is not None}
