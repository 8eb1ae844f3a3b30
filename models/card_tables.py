"""The tables of a model's card, from its report, as lines of Markdown. This file must never compute a figure."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from models.card_words import name_of

_WAYS: Final = ("sex", "age", "race", "ethnicity")
_ORDER: Final = ("women", "men", "under 30", "30 to 44", "45 to 59", "60 and over")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table."""
    return [_row(head), "|" + " --- |" * len(head), *(_row(row) for row in rows)]


def uar(report: dict[str, Any]) -> list[str]:
    """UAR by corpus and number of earlier utterances."""
    after = sorted({int(one) for figures in report["corpora"].values() for one in figures["after"]})
    rows = []
    for corpus, figures in report["corpora"].items():
        known, folds = figures["trained_on_others_of_it"], figures["folds"]
        heard = f"{len(folds)} fold{'s' * (len(folds) != 1)} by speaker" if known else "never trained on"
        by = figures["after"]
        cells = [
            f"{by[str(n)]['mean_over_folds']['uar']:.1f} ({by[str(n)]['uar']:.1f})" if str(n) in by else ""
            for n in after
        ]
        rows.append((f"{name_of(corpus)}, {heard}", *cells))
        fresh = {n: by[str(n)]["mean_over_folds_never_tuned_on"] for n in after if str(n) in by}
        if all(fresh.values()):
            cells = [f"{fresh[n]['uar']:.1f}" if n in fresh else "" for n in after]
            rows.append((f"{name_of(corpus)}, without fold 1", *cells))
    return table(("UAR", *(f"after {n}" for n in after)), rows)


def detectors(report: dict[str, Any]) -> list[str]:
    """Angry, negative and aroused against the rest, and accuracy of the most certain."""
    head = ("", "after", "angry: AUC", "recall", "precision", "negative: AUC", "recall", "precision", "aroused: AUC")
    rows = []
    for corpus, figures in report["corpora"].items():
        for earlier in ("0", "10", "40") if figures["trained_on_others_of_it"] else ("10",):
            if earlier not in figures["after"]:
                continue
            one = figures["after"][earlier]
            angry, negative, aroused = (one[f"{name}_vs_rest"] for name in ("angry", "negative", "aroused"))
            rows.append(
                (
                    *(
                        name_of(corpus),
                        earlier,
                        _at(angry, "auc", 3),
                        _at(angry, "recall", 1),
                        _at(angry, "precision", 1),
                    ),
                    *(_at(negative, "auc", 3), _at(negative, "recall", 1), _at(negative, "precision", 1)),
                    *(_at(aroused, "auc", 3), f"{one['accuracy']:.1f}", f"{one['accuracy_at_coverage']['0.7']:.1f}"),
                    f"{one['ece']:.3f}",
                )
            )
    return table((*head, "accuracy", "of the most certain 70 %", "ECE"), rows)


def folds(report: dict[str, Any]) -> list[str]:
    """UAR by fold and accuracy by speaker, after 10."""
    head = (
        "after 10",
        "UAR by fold",
        "accuracy by speaker: worst",
        "lower quartile",
        "median",
        "upper quartile",
        "best",
    )
    rows = []
    for corpus, figures in report["corpora"].items():
        warm = figures["after"]["10"]
        spread = warm["accuracy_by_speaker"]
        rows.append(
            (
                name_of(corpus),
                ", ".join(f"{one['uar']:.1f}" for one in warm["by_fold"].values()),
                *(f"{spread[name]:.0f}" for name in ("worst", "lower_quartile", "median", "upper_quartile", "best")),
            )
        )
    return table(head, rows)


def lines(found: dict[str, dict[str, Any]], words: dict[str, str]) -> list[str]:
    """UAR and loss by line."""
    rows = [
        (
            words.get(line, line),
            *(f"{by['0']['uar']:.1f}", _signed(by["0"]["loss"]), f"{by['10']['uar']:.1f}", _signed(by["10"]["loss"])),
            f"{by['10']['certain_share']:.0f}",
        )
        for line, by in found.items()
    ]
    return table(("line", "first utterance", "loss", "after 10", "loss", "certain, %"), rows)


def lengths(report: dict[str, Any], words: dict[str, str]) -> list[str]:
    """UAR by length of the utterance, of the corpora trained on."""
    rows = []
    for corpus, found in report["lengths"].items():
        if not report["corpora"][corpus]["trained_on_others_of_it"]:
            continue
        first, warm = found["utterances"]["0"], found["utterances"]["10"]
        rows += [
            (name_of(corpus), name, f"{one['clips']:,}", f"{one['uar']:.1f}", f"{warm[name]['uar']:.1f}")
            for name, one in first.items()
        ]
        first, warm = found["beginnings"]["0"], found["beginnings"]["10"]
        rows += [(name_of(corpus), words[name], "", f"{one:.1f}", f"{warm[name]:.1f}") for name, one in first.items()]
    return table(("", "utterance", "clips", "first utterance", "after 10"), rows)


def sounds(found: dict[str, dict[str, float]], wished: float) -> list[str]:
    """Share of sounds that come out uncertain, by kind, and the threshold that the wished share lies below."""
    rows = [
        (
            kind,
            f"{one['sounds']:.0f}",
            f"{one['uncertain']:.0f}",
            f"{one['confidence']:.2f}",
            f"{one['needed']:.2f}",
        )
        for kind, one in found.items()
    ]
    return table(("sound", "how many", "uncertain, %", "mean confidence", f"{100 * wished:.0f} % below"), rows)


def fairness(report: dict[str, Any]) -> list[str]:
    """Figures by group."""
    rows = []
    for corpus, by_earlier in report["fairness"].items():
        for way in _WAYS:
            first, warm = by_earlier["0"].get(way, {}), by_earlier["10"].get(way, {})
            for group in sorted(warm, key=lambda one: (_ORDER.index(one) if one in _ORDER else len(_ORDER), one)):
                one = warm[group]
                interval = "" if one["uar_interval"] is None else " ({:.1f} to {:.1f})".format(*one["uar_interval"])
                rows.append(
                    (
                        *(name_of(corpus), f"{way}: {group}", f"{one['speakers']}", f"{first[group]['uar']:.1f}"),
                        *(f"{one['uar']:.1f}{interval}", f"{one['accuracy']:.1f}", _at(one, "angry_recall", 1)),
                        _at(one, "angry_false_alarms", 1),
                    )
                )
    head = ("", "group", "speakers", "UAR, first", "UAR", "accuracy", "angry: recall", "false alarms")
    return table(head, rows)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _at(found: dict[str, Any], name: str, digits: int) -> str:
    value = found.get(name)
    return "" if value is None else f"{value:.{digits}f}"


def _signed(loss: float | None) -> str:
    # A loss that rounds to nothing has no sign.
    return "" if loss is None else f"{round(loss, 1) + 0.0:.1f}"
