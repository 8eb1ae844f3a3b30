"""The report of `models.baselines` for people, from the figures for programs.

This file must never compute a figure: it writes down what `models.baselines.measure` returned, differences included
only where both sides stand in the table.
"""

from typing import Any, Final

_HEAD: Final = """
# Baselines

Written by `python -m models.baselines`; every figure is in `report.json`. Percent, in the telephone band (8 kHz, G.711
mu-law and back). UAR is the unweighted average recall.

**Only part of each corpus was here** ({crema} clips of CREMA-D, {series} of the series' four corpora); other speakers
are kept for independent tests. Figures by speaker are means over folds of `folds.csv`.

## The series' own systems

Eu Jin Lok, *Audio Emotion Recognition* (kaggle.com/ejlok1, 2019), parts 3, 5 and 6: SAVEE, RAVDESS, TESS and CREMA-D,
14 classes = gender x 7 emotions. *Random* is its split: a quarter of the clips, the same people on both sides. *By
speaker* is the same network, features and epochs, judged on people it has not heard.

| system | split | clips trained on | epochs | 14 classes | published | 7 emotions | CREMA-D UAR, 6 classes |
|---|---|---|---|---|---|---|---|
"""

_DIFFERENCES: Final = """
What differs from the series, and why:

- the band: it used the recordings at 44.1 kHz; here mel bands are 64 (at 8 kHz half of 128 would be empty) and frames
  of the nearest length, 46 ms every 11.6 ms, 216 of them;
- the clips: only part of the speakers;
- the training: it took 100, 150 and 20 epochs of batches of 16, the first two with RMSprop at 1e-5. Here: {used}.
  The longer steps of the first two go about as far in fewer epochs; together this is what one core does in half an
  hour. For the same reason only {folds} folds were judged by speaker. Products are in half precision (bfloat16);
- {augmented}

## CREMA-D, six classes

| method | normalised by | split | accuracy | UAR |
|---|---|---|---|---|
"""

_AUGMENTED: Final = """the augmented system differs in nothing else: it stacks each clip with a noisy and a faster copy
  *before* its random split, as part 5 does, so that copies of most judged clips were trained on. By speaker, no copy of
  a judged clip is."""
_NOT_AUGMENTED: Final = "the augmented system was left out of this run."

_TAIL: Final = """
Logistic regression uses statistics of 48 MFCCs over the utterance as the product cuts it, balanced class weights,
scikit-learn's defaults otherwise, all five folds. *After n* is causal: the caller's running statistics after n
other utterances drawn at random, blended with the corpus prior, by the code that serves; one classifier that has seen
all these n is judged at each. The oracle normalises by all of a speaker's clips, the judged one included, which no call
offers. People judged {judged} clips by voice alone against the emotion the actor was asked for; a tie among k emotions
counts as 1/k.
"""


def render(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    series, six = report["series"], report["six"]
    runs = [row for row in series if row.get("runs")]
    folds = max((len(row["runs"]) for row in runs if row["split"] == "by speaker"), default=0)
    used = "; ".join(
        "{method}, {epochs} epochs, {optimiser} at {rate:g}".format(method=row["method"], **row["settings"])
        for row in runs
        if row["split"] == "random"
    )
    augmented = any("copies" in row["method"] for row in runs)
    judged = max((row["clips"] for row in six if "recall" in row), default=0)
    parts = [
        _HEAD.format(crema=report["clips"]["crema-d"], series=report["clips"]["series"]).lstrip(),
        *(_series_line(row) + "\n" for row in series),
        "\n" + "".join(line + "\n" for line in _lost(series)),
        "\n" + _by_corpus(runs),
        _DIFFERENCES.format(used=used, folds=folds, augmented=_AUGMENTED if augmented else _NOT_AUGMENTED),
        *(_six_line(row) + "\n" for row in six),
        _TAIL.format(judged=judged),
    ]
    return "".join(parts)


def _series_line(row: dict[str, Any]) -> str:
    runs = row.get("runs", [])
    cells = [
        row["method"],
        row["split"] + (f" ({len(runs)} folds)" if row["split"] == "by speaker" else ""),
        ", ".join(str(run["trained_on"]) for run in runs),
        str(row["settings"]["epochs"]) if runs else "",
        f"{row['accuracy_14']:.1f}",
        f"{row['published']:.1f}" if row.get("published") else "",
        f"{row['accuracy_7']:.1f}" if runs else "",
        f"{row['crema_d_uar']:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _six_line(row: dict[str, Any]) -> str:
    cells = [row["method"], row.get("normalised by", ""), row["split"]]
    cells += [f"{row['accuracy_6']:.1f}", f"{row['crema_d_uar']:.1f}"]
    return "| " + " | ".join(cells) + " |"


def _by_corpus(runs: list[dict[str, Any]]) -> str:
    """Return where the split matters: accuracy over 7 emotions by corpus."""
    corpora = sorted({corpus for row in runs for run in row["runs"] for corpus in run["accuracy_7_by_corpus"]})
    head = ["7 emotions, by corpus", "split", *corpora]
    lines = [head, ["---"] * len(head)]
    for row in runs:
        cells = [row["method"], row["split"]]
        for corpus in corpora:
            of_it = [found[corpus] for run in row["runs"] if corpus in (found := run["accuracy_7_by_corpus"])]
            cells.append(f"{sum(of_it) / len(of_it):.1f}" if of_it else "")
        lines.append(cells)
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def _lost(series: list[dict[str, Any]]) -> list[str]:
    """Say what each system loses between the random split and new speakers."""
    honest = {row["method"]: row for row in series if row["split"] == "by speaker"}
    lines = []
    for row in series:
        other = honest.get(row["method"])
        if row["split"] == "random" and other is not None:
            lost = row["accuracy_14"] - other["accuracy_14"]
            uar = row["crema_d_uar"] - other["crema_d_uar"]
            lines.append(
                f"- {row['method']}: {lost:.1f} points of accuracy over 14 classes and {uar:.1f} points of CREMA-D UAR "
                "go with the split."
            )
    return lines
