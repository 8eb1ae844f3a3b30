"""Write the card a person reads, CARD.md, from the report of `models.evaluate`.

Every figure in it comes from the report or from the export's own measurement. This file must never hold a figure of the
model; what others published and how many speakers the corpora have stands in the text.
"""

import textwrap
from pathlib import Path
from typing import Any, Final

from streamer.emotion.model import LABELS

_EARLIER: Final = ("0", "5", "10", "20", "40")
_HARD: Final = {
    "alaw-narrow": "A-law, 300 to 3400 Hz",
    "quiet": "12 dB quieter",
    "noise-10db": "pink noise at 10 dB SNR",
    "lossy-3pc": "3 % of packets lost",
    "untrimmed": "silence around the clip left in",
}

_INTRODUCTION: Final = """# telephone: six emotions from telephone speech

Names the emotion of an utterance on a telephone line: neutral, happy, sad, angry, fear, disgust, each with a calibrated
probability, and says when it had better not be believed (`uncertain`). This is the default model of Emotion Streamer.
This card is written by `python -m models.export`; every figure is printed by `python -m models.evaluate`.

## Read this before you use it

- **The speech is acted.** Actors speaking set sentences show emotions more clearly than people on the telephone do.
  Expect less on real calls; on emergency calls, for example, published systems reach about 46 % over four classes.
- **Only part of the speakers was used**, for training and for these figures: 77 of the 91 actors of CREMA-D and 8 of
  the 10 of EmoDB. The others are kept for an independent test. Do not compare with figures on the whole corpora.
- **The six emotions are equally frequent in the corpora; on calls most utterances are neutral.** Scores are calibrated
  for the corpora's mixture, so on calls expect too many emotions and more false alarms than precision below suggests,
  and let several verdicts agree before anything follows from them, as the shipped alert rules do.
- **Recordings unlike CREMA-D's are judged much worse**: see EmoDB, of which there is little, and the corpora that were
  never trained on. Very clean recordings, whose pauses are digital silence, are among them.
- **English (North America) and, weaker, German only.** Other languages and accents were not measured.
- **It hears how something is said, not what is meant**, and for many clips people do not agree on that either: human
  listeners who only hear CREMA-D name the intended emotion 40.9 % of the time.
- **Accuracy differs much between speakers**, see the spread below.

It must not be used
- to infer emotions of workers or students: in the European Union that is prohibited (AI Act, article 5(1)(f)), which
  is why the server analyses the customer's channel only;
- to decide about a person, or to their disadvantage, without a human who hears the call;
- without telling the person (AI Act, article 50(3); GDPR);
- to detect lies, health, age, sex or identity: it was not made for that and keeps nothing that could serve it.
"""

_TRAINING: Final = """## Training

Data, both at 8 kHz:
- **CREMA-D** (H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma: CREMA-D: Crowd-sourced Emotional
  Multimodal Actors Dataset, IEEE Transactions on Affective Computing 5(4), 2014), made available under the Open
  Database License 1.0, its contents under the Database Contents License 1.0. Here: {crema}.
- **EmoDB** (F. Burkhardt, A. Paeschke, M. Rolfes, W. Sendlmeier, B. Weiss: A Database of German Emotional Speech,
  Interspeech 2005), CC0 1.0. Here: {emodb}; boredom has no class and is not used.

Each clip was heard nine ways: over plain G.711 mu-law; twice more so, as another voice (played up to about two
semitones lower or higher); and as other voices over six drawn lines (mu-law or A-law, level -12 to +6 dB, band edges,
noise, lost packets). In eight of the nine it was cut to its utterance by the product's own detector and segmenter, in
one the silence around it was left. Features come
from `streamer.features`, the code that serves: {n_mfcc} MFCCs over {n_mels} mel bands, {win_ms:g} ms windows every
{hop_ms:g} ms, normalised by the caller's own running statistics, which start from the corpus prior. Training draws 0 to
40 earlier utterances of the same speaker, so that one network serves a caller's first words and their fortieth.

{architecture} {parameters:,} parameters, {size_mb:.2f} MB, {ms:.2f} ms for 3 s of speech on one core of the machine it
was exported on. Cross-entropy, {epochs} epochs, AdamW with a one-cycle rate, averaged weights, label smoothing,
SpecAugment, mixing of pooled embeddings; the last weights are used, none were selected on held-out speakers.
"""

_ARCHITECTURE: Final = (
    "Strided convolutions over time with residual blocks, attentive mean and deviation pooling, one linear layer."
)


_CALIBRATION: Final = """## Calibration

Temperature {temperature:.2f}, fitted on held-out speakers. Expected calibration error {ece_before:.3f} before and
{ece_after:.3f} after, each fold with the temperature of the others, over first and later utterances together.

A verdict below {uncertain_below:.2f} is marked uncertain. Fitted and measured in the same crosswise manner,
{certain_share:.0f} % of the utterances are certain and {accuracy_when_certain:.1f} % of those right; of the uncertain
ones {accuracy_when_uncertain:.1f} % are.
"""

_LICENCE: Final = """## Licence

The weights are under Apache-2.0, like the program. They contain no recording of the corpora named above, to whose
makers the attributions given there are due wherever the model is passed on.
"""


def write_card(report: dict[str, Any], ms_for_3_s: float, size_bytes: int, path: Path) -> None:
    """Write CARD.md.

    Parameters
    ----------
    report
        Of `models.evaluate`.
    ms_for_3_s
        Measured run time of the exported network on 3 s of speech, one core.
    size_bytes
        Of the exported network.
    path
        Where to write.
    """
    mfcc = report["mfcc"]
    training = _TRAINING.format(
        crema=report["read"]["crema-d"],
        emodb=report["read"]["emodb"],
        n_mfcc=mfcc["n_mfcc"],
        n_mels=mfcc["n_mels"],
        win_ms=1000 * mfcc["win_length"] / mfcc["rate_hz"],
        hop_ms=1000 * mfcc["hop_length"] / mfcc["rate_hz"],
        architecture=_ARCHITECTURE,
        parameters=report["parameters"],
        size_mb=size_bytes / 1e6,
        ms=ms_for_3_s,
        epochs=report["recipe"]["epochs"],
    )
    parts = [_INTRODUCTION, training, _figures(report), _CALIBRATION.format(**report["calibration"]), _LICENCE]
    path.write_text(_filled("\n".join(parts)), encoding="utf-8")


def _filled(text: str) -> str:
    """Return Markdown whose paragraphs and list items fill lines of 120 characters; headings and tables stay."""
    blocks: list[str] = []
    for line in text.splitlines():
        goes_on = bool(line) and not line.startswith(("#", "|", "- "))
        if goes_on and blocks and blocks[-1] and not blocks[-1].startswith(("#", "|")):
            blocks[-1] += " " + line.strip()
        else:
            blocks.append(line)
    filled = [
        block
        if block.startswith(("#", "|"))
        else textwrap.fill(block, 120, subsequent_indent="  " * block.startswith("- "), break_on_hyphens=False)
        for block in blocks
    ]
    return "\n".join(filled) + "\n"


def _figures(report: dict[str, Any]) -> str:
    rows = [
        ("CREMA-D, 5 folds by speaker", report["crema-d"]),
        ("EmoDB, 4 folds by speaker", report["emodb"]),
        ("RAVDESS, never trained on", report["across"]["ravdess"]),
        ("SAVEE, never trained on", report["across"]["savee"]),
        ("TESS, never trained on", report["across"]["tess"]),
    ]
    lines = [
        "## Figures",
        "",
        "Telephone band (8 kHz, G.711 mu-law and back), cut to the utterance, always by speakers the network has not",
        "heard. UAR, the mean recall of the six emotions, in percent, by how many utterances the caller has said",
        "before (drawn at random among the same speaker's, all emotions; 0 is a caller's first):",
        "",
        _row("UAR", *(f"after {earlier}" for earlier in _EARLIER)),
        _rule(len(_EARLIER) + 1),
        *(_row(name, *(f"{by[earlier]['uar']:.1f}" for earlier in _EARLIER)) for name, by in rows),
        "",
        "CREMA-D, what alerts use and how it spreads:",
        "",
        _row("after", "angry: AUC", "recall", "precision", "negative: AUC", "recall", "precision", "aroused: AUC"),
        _rule(8),
    ]
    for earlier in ("0", "10", "40"):
        one = report["crema-d"][earlier]
        angry, negative = one["angry_vs_rest"], one["negative_vs_rest"]
        lines.append(
            _row(
                earlier,
                *(f"{angry['auc']:.3f}", f"{angry['recall']:.1f}", f"{angry['precision']:.1f}"),
                *(f"{negative['auc']:.3f}", f"{negative['recall']:.1f}", f"{negative['precision']:.1f}"),
                f"{one['aroused_vs_rest']['auc']:.3f}",
            )
        )
    warm = report["crema-d"]["10"]
    by_speaker = warm["accuracy_by_speaker"]
    by_gender = report["accuracy_by_gender"]
    lines += [
        "",
        "Negative is sad, angry, fear or disgust; aroused is happy, angry or fear.",
        "",
        f"Accuracy by speaker, CREMA-D after 10: worst {by_speaker['worst']:.0f} %, quartiles",
        f"{by_speaker['lower_quartile']:.0f}, {by_speaker['median']:.0f} and {by_speaker['upper_quartile']:.0f} %,",
        f"best {by_speaker['best']:.0f} %; women {by_gender['f']:.1f} %, men {by_gender['m']:.1f} %.",
        f"UAR by fold: {', '.join(f'{uar:.1f}' for uar in report['uar_by_fold']['10'])}.",
        "",
        "Confusion, CREMA-D after 10, rows are the truth, in percent of it:",
        "",
        _row("", *LABELS),
        _rule(len(LABELS) + 1),
    ]
    for label, row in zip(LABELS, warm["confusion"], strict=True):
        lines.append(_row(label, *(f"{100 * cell / sum(row):.0f}" for cell in row)))
    lines += [
        "",
        "Other lines, CREMA-D:",
        "",
        _row("UAR", "first utterance", "after 10"),
        _rule(3),
        _row("plain mu-law", f"{report['crema-d']['0']['uar']:.1f}", f"{warm['uar']:.1f}"),
        *(_row(_HARD[name], f"{by['0']:.1f}", f"{by['10']:.1f}") for name, by in report["hard"].items()),
        "",
    ]
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(columns: int) -> str:
    return "|" + " --- |" * columns
