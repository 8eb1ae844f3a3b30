"""The command that judges: every figure of a model's card, from networks that have not heard the speaker.

    python -m models.evaluate --data ../shared/data --networks build/lab

Each clip of CREMA-D and EmoDB is judged by the network of `models.train` that left its speaker's fold out; other
corpora by the one trained on all speakers, who are none of theirs. Temperature and threshold that a figure depends on
are fitted on the other folds. This file must never choose a setting by what it measures.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from models import metrics
from models.callers import Callers
from models.dataset import Variant, compute
from models.experiment import PLAIN, TRAINED_ON, Table, Trained, gather, load
from models.telephone import Condition
from models.training import infer
from streamer.emotion.calibrate import (
    accuracy_at_coverage,
    expected_calibration_error,
    fit_temperature,
    softmax,
    threshold_for_accuracy,
)
from streamer.emotion.model import LABELS

EARLIER: Final = (0, 5, 10, 20, 40)
"""How many utterances a caller has said before; drawn at random among all of the same speaker."""
WISHED_ACCURACY: Final = 0.7
"""What verdicts that are not uncertain are to reach on held-out clips of CREMA-D and EmoDB."""
HARD: Final = (
    Variant("alaw-narrow", Condition(law="alaw", band_hz=(300.0, 3400.0)), seed=11),
    Variant("quiet", Condition(gain_db=-12.0), seed=12),
    Variant("noise-10db", Condition(snr_db=10.0, noise_slope=1.0), seed=13),
    Variant("lossy-3pc", Condition(loss=0.03), seed=14),
    Variant("untrimmed", trim=False, seed=15),
)
ANGRY: Final = (LABELS.index("angry"),)
NEGATIVE: Final = tuple(LABELS.index(label) for label in ("sad", "angry", "fear", "disgust"))
AROUSED: Final = tuple(LABELS.index(label) for label in ("happy", "angry", "fear"))


def logits_of(
    trained: dict[int, Trained], table: Table, callers: Callers, earlier: int, seed: int = 0
) -> NDArray[np.float32]:
    """Return the logits of all clips after so many earlier ones, each by the network that left its fold out.

    Parameters
    ----------
    trained
        By the fold that was left out; with only fold 0, that network judges all.
    table, callers
        The clips.
    earlier
        How many utterances of the same speaker come before.
    seed
        Of the draw.
    """
    rng = np.random.default_rng([seed, earlier])
    before = [callers.earlier(index, earlier, rng) for index in range(len(table.clips))]
    logits = np.empty((len(table.clips), len(LABELS)), dtype=np.float32)
    for fold, one in trained.items():
        chosen = np.flatnonzero(table.folds == fold) if fold else np.arange(len(table.clips))
        logits[chosen] = infer(one.net, [callers.frames(int(i), one.prior, before[i]) for i in chosen])
    return logits


def describe(
    probabilities: NDArray[np.float64], truth: NDArray[np.int64], speakers: NDArray[np.str_]
) -> dict[str, Any]:
    """Return the figures of one set of verdicts."""
    guess = probabilities.argmax(axis=1)
    matrix = metrics.confusion(truth, guess, len(LABELS))
    return {
        "clips": len(truth),
        "uar": metrics.unweighted_average_recall(matrix),
        "accuracy": metrics.accuracy(matrix),
        "recall": dict(zip(LABELS, metrics.recalls(matrix).tolist(), strict=True)),
        "confusion": matrix.tolist(),
        "angry_vs_rest": metrics.detector(probabilities, truth, ANGRY),
        "negative_vs_rest": metrics.detector(probabilities, truth, NEGATIVE),
        "aroused_vs_rest": metrics.detector(probabilities, truth, AROUSED),
        "accuracy_by_speaker": metrics.spread(guess == truth, speakers),
        "accuracy_at_coverage": {
            str(share): 100.0 * accuracy_at_coverage(probabilities, truth, share) for share in (1.0, 0.75, 0.5, 0.25)
        },
    }


def calibrated(logits: NDArray[np.float32], truth: NDArray[np.int64], folds: NDArray[np.int64]) -> dict[str, Any]:
    """Return calibration figures, each fold's by the temperature and threshold of the others.

    Parameters
    ----------
    logits
        float32[draws, clips, labels], several numbers of earlier utterances.
    truth, folds
        int[clips].
    """
    probabilities = np.empty(logits.shape, dtype=np.float64)
    certain = np.empty(logits.shape[:2], dtype=bool)
    for fold in np.unique(folds):
        others, own = folds != fold, folds == fold
        temperature = fit_temperature(logits[:, others].reshape(-1, len(LABELS)), _tile(truth[others], len(logits)))
        probabilities[:, own] = softmax(logits[:, own], temperature)
        seen = softmax(logits[:, others], temperature).reshape(-1, len(LABELS))
        threshold = threshold_for_accuracy(seen, _tile(truth[others], len(logits)), WISHED_ACCURACY)
        certain[:, own] = probabilities[:, own].max(axis=2) >= threshold
    flat, all_truth = probabilities.reshape(-1, len(LABELS)), _tile(truth, len(logits))
    right = flat.argmax(axis=1) == all_truth
    kept = certain.reshape(-1)
    everyone = logits.reshape(-1, len(LABELS))
    temperature = fit_temperature(everyone, all_truth)
    return {
        "temperature": temperature,
        "uncertain_below": threshold_for_accuracy(softmax(everyone, temperature), all_truth, WISHED_ACCURACY),
        "ece_before": expected_calibration_error(softmax(everyone), all_truth),
        "ece_after": expected_calibration_error(flat, all_truth),
        "certain_share": 100.0 * float(kept.mean()),
        "accuracy_when_certain": 100.0 * float(right[kept].mean()),
        "accuracy_when_uncertain": 100.0 * float(right[~kept].mean()),
    }


def _tile(values: NDArray[np.int64], times: int) -> NDArray[np.int64]:
    return np.tile(values, times)


def held_out(trained: dict[int, Trained], data: Path, cache: Path) -> dict[str, Any]:
    """Return the figures on the corpora that were trained on, by speakers who were not."""
    table = gather(data, TRAINED_ON)
    mfcc = next(iter(trained.values())).mfcc
    callers = Callers(compute(table.clips, PLAIN, mfcc, cache), table.speakers, table.labels)
    logits = np.stack([logits_of(trained, table, callers, earlier) for earlier in EARLIER])
    report: dict[str, Any] = {"read": table.summaries, "calibration": calibrated(logits, table.labels, table.folds)}
    temperature = report["calibration"]["temperature"]
    for corpus in TRAINED_ON:
        of_it = table.corpora == corpus
        report[corpus] = {
            str(earlier): describe(softmax(logits[n][of_it], temperature), table.labels[of_it], table.speakers[of_it])
            for n, earlier in enumerate(EARLIER)
        }
        print(f"{corpus}: " + _line(report[corpus]), flush=True)
    crema = table.corpora == TRAINED_ON[0]
    warm = logits[EARLIER.index(10)].argmax(axis=1) == table.labels
    report["accuracy_by_gender"] = {
        gender: 100.0 * float(warm[crema & (table.genders == gender)].mean()) for gender in ("f", "m")
    }
    report["uar_by_fold"] = {
        str(earlier): [
            metrics.unweighted_average_recall(
                metrics.confusion(table.labels[chosen], logits[n][chosen].argmax(axis=1), len(LABELS))
            )
            for fold in sorted(trained)
            for chosen in [crema & (table.folds == fold)]
        ]
        for n, earlier in enumerate(EARLIER)
    }
    report["hard"] = {}
    for variant in HARD:
        heard = Callers(compute(table.clips, variant, mfcc, cache), table.speakers, table.labels)
        report["hard"][variant.name] = {
            str(earlier): metrics.unweighted_average_recall(
                metrics.confusion(table.labels[crema], judged[crema].argmax(axis=1), len(LABELS))
            )
            for earlier in (0, 10)
            for judged in [logits_of(trained, table, heard, earlier)]
        }
        print(f"crema-d {variant.name}: {_rounded(report['hard'][variant.name])}", flush=True)
    return report


def across(final: Trained, data: Path, cache: Path, temperature: float) -> dict[str, Any]:
    """Return the figures on corpora that were never trained on."""
    report: dict[str, Any] = {}
    for corpus in ("ravdess", "savee", "tess"):
        table = gather(data, (corpus,))
        callers = Callers(compute(table.clips, PLAIN, final.mfcc, cache), table.speakers, table.labels)
        report[corpus] = {
            str(earlier): describe(
                softmax(logits_of({0: final}, table, callers, earlier), temperature), table.labels, table.speakers
            )
            for earlier in EARLIER
        }
        print(f"{corpus}, never trained on: " + _line(report[corpus]), flush=True)
    return report


def headline(report: dict[str, Any]) -> dict[str, float]:
    """Return the figures that stand in the card a program reads."""
    crema, emodb, ravdess = report["crema-d"], report["emodb"], report["across"]["ravdess"]
    return {
        "crema_d_uar_cold": crema["0"]["uar"],
        "crema_d_uar_after_10": crema["10"]["uar"],
        "crema_d_uar_after_40": crema["40"]["uar"],
        "emodb_uar_cold": emodb["0"]["uar"],
        "emodb_uar_after_10": emodb["10"]["uar"],
        "ravdess_uar_cold": ravdess["0"]["uar"],
        "ravdess_uar_after_10": ravdess["10"]["uar"],
        "crema_d_angry_auc_after_10": crema["10"]["angry_vs_rest"]["auc"],
        "crema_d_negative_auc_after_10": crema["10"]["negative_vs_rest"]["auc"],
        "ece": report["calibration"]["ece_after"],
    }


def _line(by_earlier: dict[str, Any]) -> str:
    return ", ".join(f"{figures['uar']:.1f} UAR after {earlier}" for earlier, figures in by_earlier.items())


def _rounded(values: dict[str, float]) -> str:
    return ", ".join(f"{value:.1f} UAR after {earlier}" for earlier, value in values.items())


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m models.evaluate",
        description="Judge the networks of models.train by speaker and write report.json.",
        epilog="example: python -m models.evaluate --data ../shared/data --networks build/lab",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the corpora and folds.csv")
    parser.add_argument("--networks", type=Path, required=True, help="folder with fold-0.pt to fold-5.pt")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trained = {fold: load(arguments.networks / f"fold-{fold}.pt") for fold in (1, 2, 3, 4, 5)}
    final = load(arguments.networks / "fold-0.pt")
    cache = arguments.networks / "features"
    report = held_out(trained, arguments.data, cache)
    report["across"] = across(final, arguments.data, cache, report["calibration"]["temperature"])
    report["mfcc"] = msgspec.to_builtins(final.mfcc)
    report["recipe"] = msgspec.to_builtins(final.recipe)
    report["shape"] = msgspec.to_builtins(final.net.shape)
    report["parameters"] = sum(one.numel() for one in final.net.parameters())
    report["headline"] = headline(report)
    path = arguments.networks / "report.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")
    for name, value in report["headline"].items():
        print(f"{name} = {value:.3f}")


if __name__ == "__main__":
    main()
