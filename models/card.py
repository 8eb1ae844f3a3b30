"""Write the card a person reads, CARD.md, and its pictures, from the report of `models.evaluate`.

One writer for all models: what a card says follows from configuration and report. This file must never hold a figure of
a model, or leave out a warning because it looks bad.
"""

import textwrap
from pathlib import Path
from typing import Any, Final

from models import card_tables
from models.card_making import licence, making, size
from models.card_pictures import Picture, draw_all
from models.card_words import (
    ACTED,
    BEGINNINGS,
    CORPORA,
    LINES,
    MIXTURE,
    MUST_NOT,
    THRESHOLDS,
    listed,
    name_of,
    number_word,
)

_FIGURES: Final = "figures"
_FEWEST: Final = 5
"""Of a group of fewer speakers the warnings say nothing; the table does."""


def write_card(report: dict[str, Any], model: dict[str, Any], folder: Path) -> None:
    """Write CARD.md and `figures/*.svg`.

    Parameters
    ----------
    report
        Of `models.evaluate`.
    model
        `name`, `version`, `configuration` (as builtins), `parameters`, `size_bytes`, `ms_for_3_s` (measured, one core),
        `difference` (of a probability, from the network in single precision), `licence`, and `corpora`: what was read
        of each corpus it is trained on, in words.
    folder
        Of the model.
    """
    pictures = draw_all(report, folder / _FIGURES)
    (folder / "CARD.md").write_text(render(report, model, pictures), encoding="utf-8")


def render(report: dict[str, Any], model: dict[str, Any], pictures: dict[str, Picture]) -> str:
    """Return the card as Markdown."""
    sections = (
        introduction(report, model),
        warnings(report),
        MUST_NOT,
        figures(report, pictures),
        lines_and_lengths(report),
        doubt(report, pictures),
        fairness(report),
        making(report, model),
        size(model),
        licence(model),
    )
    return filled("\n\n".join(section.strip("\n") for section in sections if section))


def introduction(report: dict[str, Any], model: dict[str, Any]) -> str:
    """Return title and first words; for a model of restricted corpora that it is for research only comes first."""
    labels, configuration = report["labels"], model["configuration"]
    count = number_word(len(labels))
    text = [f"# {model['name']}: {count} emotions from telephone speech", ""]
    if not configuration["commercial_use"]:
        bound = ", ".join(
            f"{CORPORA[one].name} ({CORPORA[one].licence})" for one in configuration["corpora"] if one in CORPORA
        )
        text += [
            "**For research only; not for commercial use, not for use at work.** The licences of the speech it was",
            f"trained on allow no other: {bound}. The server says so in a warning whenever it loads this model.",
            "",
        ]
    trained_on = listed(name_of(one) for one in configuration["corpora"])
    text += [
        f"Names the emotion of an utterance on a telephone line: {', '.join(labels)}, each with a calibrated",
        "probability, and says when it had better not be believed (`uncertain`).",
        f"Version {model['version']}, trained on {trained_on}. This card is written by `python -m models.export`;",
        "every figure of the model is in `report.json`, printed by `python -m models.evaluate`.",
    ]
    return "\n".join(text)


def warnings(report: dict[str, Any]) -> str:
    """Return what must be read first."""
    known = [one for one, figures in report["corpora"].items() if figures["trained_on_others_of_it"]]
    strange = [one for one in report["corpora"] if one not in known]
    warm = {one: figures["after"]["10"] for one, figures in report["corpora"].items()}
    had = listed(f"{report['corpora'][one]['speakers']}{_whole(one)} speakers of {name_of(one)}" for one in known)
    languages = listed(dict.fromkeys(CORPORA[one].speech for one in known if one in CORPORA))
    spread = listed(
        f"{warm[one]['accuracy_by_speaker']['worst']:.0f} to {warm[one]['accuracy_by_speaker']['best']:.0f} % "
        f"({name_of(one)})"
        for one in known
    )
    text = [
        "## Read this before you use it",
        "",
        ACTED.strip("\n"),
        f"- **Only part of the speakers was used**, for training and for these figures: {had}. The others are kept for",
        "  an independent test. Do not compare with figures on the whole corpora.",
        MIXTURE.strip("\n"),
    ]
    if strange:
        least = min(strange, key=lambda one: warm[one]["mean_over_folds"]["uar"])
        text += [
            "- **Recordings unlike those it was trained on are another matter**: of the corpora it never heard,",
            f"  {name_of(least)} does worst, with {warm[least]['mean_over_folds']['uar']:.1f} % UAR after ten earlier",
            f"  utterances; {name_of(known[0])} has {warm[known[0]]['mean_over_folds']['uar']:.1f}.",
        ]
    else:
        text += [
            "- **How it does on recordings unlike those it was trained on was not measured**: every corpus at hand was",
            "  among them.",
        ]
    text += [
        f"- **{languages} only.** Other languages and accents were not measured.",
        "- **It hears how something is said, not what is meant**, and for many clips people do not agree on that",
        f"  either{_people(report)}.",
        "- **Accuracy differs much between speakers**: after ten earlier utterances, the worst to the best have",
        f"  {spread}.",
        *_gap(report),
    ]
    if report["lines"]:
        corpus = max(report["lines"], key=lambda one: report["corpora"][one]["clips"])
        losses = {line: one["10"]["loss"] for line, one in report["lines"][corpus].items()}
        worst = max(losses, key=lambda line: losses[line] or 0.0)
        if losses[worst] is not None:
            text += [
                f"- **A bad line costs verdicts**: the worst that was measured ({LINES.get(worst, worst)}) costs",
                f"  {losses[worst]:.1f} points of UAR on {name_of(corpus)}, after ten.",
            ]
    return "\n".join(text)


def figures(report: dict[str, Any], pictures: dict[str, Picture]) -> str:
    """Return what it gets right."""
    known = [one for one, figures in report["corpora"].items() if figures["trained_on_others_of_it"]]
    text = [
        "## Figures",
        "",
        "Telephone band (8 kHz, G.711 mu-law and back), cut to the utterance by the product's own code, judged by the",
        "exported network through the server's own code, always by speakers the network has not heard. UAR is the mean",
        "recall of the emotions a corpus has, in percent, by how many utterances the caller has said before (drawn at",
        "random among the same speaker's, all emotions; 0 is a caller's first). Given is the mean over the folds of",
        "speakers and, in brackets, the figure over all clips together.",
        "",
        *card_tables.uar(report),
        "",
        "Settings of the training were compared on fold 1; the rows without it are of folds that nobody looked at",
        "before.",
        "",
        *_picture(pictures["earlier"]),
        "",
        "What alerts use. Negative is sad, angry, fear or disgust; aroused is happy, angry, fear or surprise. AUC is",
        "how probably one such clip scores higher than another; recall and precision are of the likeliest label.",
        "All over all clips together; means over folds are in `report.json`.",
        "",
        *card_tables.detectors(report),
        "",
        "By fold and by speaker, after 10:",
        "",
        *card_tables.folds(report),
        "",
    ]
    if report["crowd"] is not None:
        text += [*_crowd(report), ""]
    for corpus in known:
        text += [*_picture(pictures[f"confusion-{corpus}"]), ""]
    return "\n".join(text)


def lines_and_lengths(report: dict[str, Any]) -> str:
    """Return what the line and the length of an utterance do."""
    text = []
    if report["lines"]:
        # The largest: figures by line of a few hundred clips are chance.
        corpus = max(report["lines"], key=lambda one: report["corpora"][one]["clips"])
        clips = report["lines"][corpus]["mulaw"]["0"]["clips"]
        text += [
            "## Lines",
            "",
            f"{name_of(corpus)}, the same {clips} clips over each line, drawn by speaker. UAR in percent, mean over",
            "folds; the loss is in points against the clean line.",
            "",
            *card_tables.lines(report["lines"][corpus], LINES),
            "",
        ]
    text += [
        "## Length of the utterance",
        "",
        "UAR in percent over all clips together; where only the beginning was heard, mean over folds.",
        "",
        *card_tables.lengths(report, BEGINNINGS),
    ]
    return "\n".join(text)


def doubt(report: dict[str, Any], pictures: dict[str, Picture]) -> str:
    """Return calibration, the threshold, and what it does to sounds that are nobody's emotion."""
    fitted = report["calibration"]
    when_certain, when_not = fitted["accuracy_when_certain"], fitted["accuracy_when_uncertain"]
    right = "" if when_certain is None else f" and {when_certain:.1f} % of those right"
    wrong = "" if when_not is None else f"; of the uncertain ones {when_not:.1f} % are"
    text = [
        "## Calibration and doubt",
        "",
        f"Temperature {fitted['temperature']:.2f}, fitted on held-out speakers. Expected calibration error (15 bins)",
        f"{fitted['ece_before']:.3f} before and {fitted['ece_after']:.3f} after, each fold with the temperature of the",
        "others, first and later utterances together.",
        "",
        *_picture(pictures["reliability"]),
        "",
        f"A verdict with a confidence below {fitted['uncertain_below']:.2f} is marked uncertain: the higher of",
        *(
            f"- {fitted['candidates'][name]:.2f}, {words.format(accuracy=100 * fitted['wished_accuracy'])};"
            for name, words in THRESHOLDS.items()
        ),
        "",
        f"Measured crosswise like the temperature, {fitted['certain_share']:.0f} % of the utterances are",
        f"certain{right}{wrong}.",
        "",
        *_picture(pictures["risk-coverage"]),
    ]
    if report["doubt"]:
        everything, wished = report["doubt"]["all"], fitted["wished_doubt"]
        text += [
            "",
            "Sounds over drawn lines that are nobody's emotion, none of which training has heard. All that the product",
            "takes for an utterance are counted; of silence nothing is said. They have no say in the threshold:",
            f"for {100 * wished:.0f} % of them to be uncertain it would have to be {everything['needed']:.2f}; as it",
            f"is, {everything['uncertain']:.0f} % are.",
            "",
            *card_tables.sounds(report["doubt"], wished),
        ]
    return "\n".join(text)


def fairness(report: dict[str, Any]) -> str:
    """Return figures by group."""
    return "\n".join(
        [
            "## Fairness",
            "",
            "By what the corpora's makers wrote down of their actors; the model is told none of it. UAR, recall and",
            "false alarms (share of other clips called angry) in percent, over all clips together. In brackets the",
            "interval that holds 95 % of draws of as many speakers; groups of few speakers prove little, one speaker",
            "proves nothing about others. Unless it says first, figures are after 10 earlier utterances.",
            "",
            *card_tables.fairness(report),
        ]
    )


def _people(report: dict[str, Any]) -> str:
    if report["crowd"] is None:
        return ""
    one = report["crowd"]["people_against_intention"]["one"]
    return f": a listener who only hears CREMA-D names the intended emotion {one['accuracy']:.1f} % of the time"


def _gap(report: dict[str, Any]) -> list[str]:
    """Return a warning of the widest gap between groups of a corpus it was trained on."""
    gaps = []
    for corpus, by_earlier in report["fairness"].items():
        for how, groups in by_earlier["10"].items():
            large = {name: one["uar"] for name, one in groups.items() if one["speakers"] >= _FEWEST}
            if len(large) > 1 and report["corpora"][corpus]["trained_on_others_of_it"]:
                low, high = min(large, key=large.__getitem__), max(large, key=large.__getitem__)
                gaps.append((large[high] - large[low], how, corpus, low, high, large))
    if not gaps:
        return []
    gap, how, corpus, low, high, large = max(gaps, key=lambda one: one[0])
    return [
        f"- **Groups of people are not served alike**: by {how}, {name_of(corpus)}, UAR goes from {large[low]:.1f} %",
        f"  ({low}) to {large[high]:.1f} % ({high}), {gap:.1f} points; see Fairness for how sure that is.",
    ]


def _crowd(report: dict[str, Any]) -> list[str]:
    crowd = report["crowd"]
    people, model = crowd["people_against_intention"], crowd["model_against_majority"]
    return [
        f"Against people, on CREMA-D: about {crowd['listeners']:.0f} listeners heard each clip by voice alone. On the",
        f"{crowd['clips']:,} clips with one most frequent answer the model gives that answer",
        f"{model['0']['accuracy']:.1f} % of the time at the first utterance and {model['10']['accuracy']:.1f} % after",
        f"ten (UAR {model['0']['uar']:.1f} and {model['10']['uar']:.1f}). The emotion the actor was asked for is named",
        f"by one listener with a UAR of {people['one']['uar']:.1f} and by the majority with",
        f"{people['majority']['uar']:.1f}.",
    ]


def _whole(corpus: str) -> str:
    return f" of the {CORPORA[corpus].speakers}" if corpus in CORPORA else ""


def _picture(picture: Picture) -> list[str]:
    return [f"![{picture.text}]({_FIGURES}/{picture.path.name})"]


def filled(text: str) -> str:
    """Return Markdown whose paragraphs and list items fill lines of 120 characters; headings, tables, pictures stay."""
    blocks: list[str] = []
    for line in text.splitlines():
        goes_on = bool(line) and not line.startswith(("#", "|", "- ", "!["))
        if goes_on and blocks and blocks[-1] and not blocks[-1].startswith(("#", "|", "![")):
            blocks[-1] += " " + line.strip()
        else:
            blocks.append(line)
    return "".join(
        (
            block
            if block.startswith(("#", "|", "!["))
            else textwrap.fill(
                block,
                120,
                subsequent_indent="  " * block.startswith("- "),
                break_on_hyphens=False,
                break_long_words=False,
            )
        )
        + "\n"
        for block in blocks
    )
