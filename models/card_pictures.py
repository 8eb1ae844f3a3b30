"""The pictures of a model's card, from its report: confusion, reliability, risk and coverage, a caller's history.

Every picture comes with what it shows in a sentence, for whoever cannot see it. This file must never compute a figure
that is not in the report.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from models.pictures import FIRST, HEAT, SECOND, drawing, save

NAMES: Final = {"crema-d": "CREMA-D", "emodb": "EmoDB", "ravdess": "RAVDESS", "savee": "SAVEE", "tess": "TESS"}
_HUES: Final = {"crema-d": FIRST, "emodb": SECOND, "ravdess": "#009e73", "savee": "#cc79a7", "tess": "#4d4d4d"}
_MARKERS: Final = {"crema-d": "o", "emodb": "s", "ravdess": "D", "savee": "^", "tess": "v"}
_WHEN: Final = (("0", "first utterance"), ("10", "after 10"))


class Picture(msgspec.Struct, frozen=True):
    """A picture that was drawn."""

    path: Path
    text: str
    """What it shows, in words."""


def draw_all(report: dict[str, Any], folder: Path) -> dict[str, Picture]:
    """Draw every picture of a card.

    Parameters
    ----------
    report
        Of `models.figures`.
    folder
        Where to.

    Returns
    -------
    dict
        `reliability`, `risk-coverage`, `earlier`, and `confusion-CORPUS` of each corpus the model was trained on.
    """
    confusion = {
        f"confusion-{corpus}": draw_confusion(report, corpus, folder / f"confusion-{corpus}.svg")
        for corpus, figures in report["corpora"].items()
        if figures["trained_on_others_of_it"]
    }
    return confusion | {
        "reliability": draw_reliability(report, folder / "reliability.svg"),
        "risk-coverage": draw_risk_coverage(report, folder / "risk-coverage.svg"),
        "earlier": draw_earlier(report, folder / "earlier.svg"),
    }


def draw_confusion(report: dict[str, Any], corpus: str, path: Path) -> Picture:
    """Draw what each emotion of a corpus is called, at a caller's first utterance and after ten."""
    labels, after = report["labels"], report["corpora"][corpus]["after"]
    said = []
    with drawing(8.0, 3.9, f"{NAMES.get(corpus, corpus)}: what is called what, in percent of a row") as figure:
        for axes, (earlier, name) in zip(figure.subplots(1, 2, sharey=True), _WHEN, strict=True):
            cells = np.array(after[earlier]["confusion"], dtype=np.float64)
            met = [row for row in range(len(labels)) if cells[row].sum() > 0]
            share = 100.0 * cells[met] / cells[met].sum(axis=1, keepdims=True)
            axes.imshow(share, cmap=HEAT, vmin=0.0, vmax=100.0, aspect="auto")
            for row in range(len(met)):
                for column in range(len(labels)):
                    shown = axes.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center")
                    # Cividis is dark below its middle.
                    shown.set_color("white" if share[row, column] < 55.0 else "black")
            axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right")
            axes.set_yticks(range(len(met)), [labels[row] for row in met])
            axes.set_title(name)
            axes.set_xlabel("called")
            rights = ", ".join(f"{labels[row]} {share[n, row]:.0f} %" for n, row in enumerate(met))
            said.append(f"{name}: {rights}")
        figure.axes[0].set_ylabel("meant")
        return Picture(save(figure, path), f"Confusion on {NAMES.get(corpus, corpus)}; called right, {'; '.join(said)}")


def draw_reliability(report: dict[str, Any], path: Path) -> Picture:
    """Draw how often verdicts of each confidence are right, before and after the temperature."""
    calibration = report["calibration"]
    with drawing(4.6, 3.9, "Confidence and how often it is right") as figure:
        axes, counts = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
        axes.plot([0, 1], [0, 1], color="#8c8c8c", lw=0.8, ls=":", label="as it should be")
        _bins(axes, calibration["bins_before"], SECOND, "s", f"before, ECE {calibration['ece_before']:.3f}")
        _bins(axes, calibration["bins"], FIRST, "o", f"after, ECE {calibration['ece_after']:.3f}")
        axes.axvline(calibration["uncertain_below"], color="black", lw=0.8, ls="--")
        axes.text(calibration["uncertain_below"] - 0.01, 0.97, "uncertain", ha="right", va="top")
        axes.set_ylabel("share right")
        axes.legend(loc="lower right")
        edges = [one["low"] for one in calibration["bins"]]
        widths = [one["high"] - one["low"] for one in calibration["bins"]]
        counts.bar(edges, [one["clips"] for one in calibration["bins"]], widths, align="edge", color=FIRST, lw=0)
        counts.set_ylabel("verdicts")
        counts.set_xlabel("confidence")
        counts.set_xlim(0.0, 1.0)
        text = (
            f"Reliability over {len(calibration['bins'])} bins of confidence: expected calibration error "
            f"{calibration['ece_before']:.3f} before and {calibration['ece_after']:.3f} after temperature scaling; "
            f"verdicts below {calibration['uncertain_below']:.2f} are uncertain"
        )
        return Picture(save(figure, path), text)


def draw_risk_coverage(report: dict[str, Any], path: Path) -> Picture:
    """Draw how many verdicts are wrong among the most confident, by how many of all these are."""
    said = []
    with drawing(6.8, 3.3) as figure:
        axes = figure.subplots()
        axes.set_title("Risk and coverage, after 10 earlier utterances")
        for corpus, curves in report["risk_coverage"].items():
            known = report["corpora"][corpus]["trained_on_others_of_it"]
            coverage, risk = np.array(curves["10"]).T
            axes.plot(coverage, risk, **_look(corpus, known=known), markevery=5, label=_name(corpus, known=known))
            said.append(
                f"{_name(corpus, known=known)} {risk[-1]:.0f} % at 100 and {np.interp(50, coverage, risk):.0f} % at 50"
            )
            if known:
                figures = report["corpora"][corpus]["after"]["10"]
                if figures["accuracy_when_certain"] is not None:
                    at = (figures["certain_share"], 100.0 - figures["accuracy_when_certain"])
                    axes.plot(*at, marker="*", markersize=11, color=_hue(corpus), markeredgecolor="black", ls="")
        axes.plot([], [], marker="*", markersize=9, color="white", markeredgecolor="black", ls="", label="as shipped")
        axes.set_xlabel("coverage: most confident verdicts, percent of all")
        axes.set_ylabel("risk: of these wrong, percent")
        axes.set_xlim(0.0, 102.0)
        axes.set_ylim(bottom=0.0)
        axes.grid(visible=True)
        figure.legend(loc="outside right center")
        return Picture(save(figure, path), f"Risk-coverage curves; wrong among the most certain, {'; '.join(said)}")


def draw_earlier(report: dict[str, Any], path: Path) -> Picture:
    """Draw UAR against the number of utterances the caller has said before."""
    said = []
    with drawing(6.8, 3.2) as figure:
        axes = figure.subplots()
        axes.set_title("What knowing the caller gives")
        for corpus, figures in report["corpora"].items():
            known = figures["trained_on_others_of_it"]
            counts = [int(earlier) for earlier in figures["after"]]
            uar = [one["mean_over_folds"]["uar"] for one in figures["after"].values()]
            # Places by order: half of what there is to gain comes with the first few.
            axes.plot(range(len(counts)), uar, **_look(corpus, known=known), label=_name(corpus, known=known))
            axes.set_xticks(range(len(counts)), [str(count) for count in counts])
            said.append(
                f"{_name(corpus, known=known)} from {uar[0]:.1f} at the first to {uar[-1]:.1f} after {counts[-1]}"
            )
        axes.set_xlabel("earlier utterances of the caller")
        axes.set_ylabel("UAR, percent, mean over folds")
        axes.grid(visible=True)
        figure.legend(loc="outside right center")
        return Picture(save(figure, path), f"UAR by number of earlier utterances: {'; '.join(said)}")


def _bins(axes: Any, bins: Sequence[dict[str, float]], colour: str, marker: str, name: str) -> None:  # noqa: ANN401 - matplotlib has no types
    confidence, accuracy = [one["confidence"] for one in bins], [one["accuracy"] for one in bins]
    axes.plot(confidence, accuracy, color=colour, marker=marker, markersize=3.5, lw=1.0, label=name)


def _name(corpus: str, *, known: bool) -> str:
    return NAMES.get(corpus, corpus) + ("" if known else " (never trained on)")


def _hue(corpus: str) -> str:
    return _HUES.get(corpus, "#000000")


def _look(corpus: str, *, known: bool) -> dict[str, Any]:
    return {
        "color": _hue(corpus),
        "marker": _MARKERS.get(corpus, "x"),
        "markersize": 4,
        "lw": 1.4 if known else 1.0,
        "ls": "-" if known else "--",
    }
