"""The report of `models.explore`: what was counted and measured, and what one should see in each picture.

This file must never read files or draw; its figures are counts and percentiles of what `models.explore_measure` found.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.corpora import Reading
from models.explore_measure import CLIPPED_SAMPLES, FULL_SCALE, MFCC, Measured, against_speaker
from models.explore_pictures import emotions_of

_REPORT: Final = """
# What the corpora hold

Written by `python -m models.explore`. Only the speakers that were here are counted, which is not all of any corpus.
Audio is at 8 kHz, before any codec.

{read}
## Counts

Clips of women/men, by emotion.

{counts}
![Clips by corpus, emotion and gender](counts.svg)

To see: how much of all one corpus is, and which labels are its alone. A network that may name calm (RAVDESS only) or
boredom (EmoDB only) learns the corpus, not the emotion; the same goes for a gender where a corpus has only one.

## Lengths and silence

Seconds. The utterance is what the product's own segmenter would cut, from the first onset to the last end, with 0.2 s
of pre-roll. *Whole*: clips of which nothing is cut, because speech fills them, or because the detector heard no
utterance in them.

{lengths}
![Lengths and levels](lengths.svg)

To see: where the boxes of clip and utterance lie apart, a corpus has silence around its clips, RAVDESS about a second
at either end. Who learns from whole clips can tell the corpus by its silence; a call has none of it. Whole clips of
RAVDESS are no accident: they are its quietest, calm and sad, which the detector takes for silence.

## Level and clipping

The level is the utterance's, root mean square, full scale is 0 dB. A clip counts as clipped with {clipped_samples}
samples or more at {full_scale:g} of full scale or beyond, at 8 kHz; at the recordings' own rates it is other clips.

{levels}
To see: corpora differ by more than emotions do, and EmoDB hardly varies, for it was normalised clip by clip. A level
says little before the speaker is known.

## Left out

{left_out}
## Waveforms

![Waveforms](waveforms.png)

One voice a row, at its own scale; the same sentence across emotions where the corpus has it. To see: anger is the
loudest and most uneven of a voice, except where clips were normalised; the grey is what the product cuts off.

## Mel spectrograms and MFCCs

{spectra}
{n_mels} mel bands from {fmin:.0f} to {fmax:.0f} Hz above, 60 dB from dark to light. Below, coefficients 1 to
{last}, less the voice's mean over the row. Both by the code that serves. To see: harmonics (stripes in the lower bands)
stand wide apart in high voices and move with the melody; anger fills the upper bands, sadness leaves them dark. In the
MFCCs the lowest rows are the slope of the spectrum: where a whole lowest row is light or dark, the voice was softer or
harder than its own mean.

## What tells emotions from speakers

![Mean MFCCs by emotion](mfcc-by-emotion.svg)

{shares}
To see: the lines of the six emotions part further on the right. Where many people speak (CREMA-D, RAVDESS), who speaks
moves a mean MFCC several times as much as what is felt; without the speaker's own mean the emotion's share grows. Hence
the caller's running statistics. Where few speak, and each in each emotion, shares look better than calls will.

![Pitch and level by emotion](pitch-and-level.svg)

{pitch}
To see: pitch and level tell how strongly something is felt (arousal) better than how pleasant it is (valence): anger
and happiness lie together, and so do sadness, calm and neutral. Boredom's level is EmoDB's normalisation.
"""


def shares(measured: list[Measured]) -> dict[str, float]:
    """Return how much of the spread of clips' mean MFCCs goes with the speaker and with the emotion, in percent.

    Returns
    -------
    dict
        `speaker` and `emotion`: share of the variance between clips that the means of the groups explain, averaged over
        coefficients; `emotion_own`: the emotion's share of what remains when each speaker's own mean is taken away.
    """
    values = np.stack([one.mfcc for one in measured]).astype(np.float64)
    emotion = np.array([one.clip.label for one in measured])
    rest = against_speaker(measured, values)
    return {
        "speaker": _gone(rest, values),
        "emotion": _explained(values, emotion),
        "emotion_own": _explained(rest, emotion),
    }


def _explained(values: NDArray[np.float64], group: NDArray[np.str_]) -> float:
    within = values.copy()
    for one in np.unique(group):
        within[group == one] -= values[group == one].mean(axis=0)
    return _gone(within, values)


def _gone(rest: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return how much of the variance is gone from the rest, percent, the mean over columns; 0 of none."""
    before = values.var(axis=0)
    kept = np.divide(rest.var(axis=0), before, out=np.ones_like(before), where=before > 0.0)
    return 100.0 * float(np.mean(1.0 - kept))


def render(readings: dict[str, Reading], missing: list[str], measured: dict[str, list[Measured]]) -> str:
    """Return the report, Markdown.

    Parameters
    ----------
    readings
        What each corpus's folder held.
    missing
        Names of corpora that were not there.
    measured
        By corpus, at least one clip each.
    """
    read = [f"- {name}: {reading.summary()}\n" for name, reading in readings.items()]
    read += [f"- {name}: not here, skipped\n" for name in missing]
    return _REPORT.lstrip().format(
        read="".join(read),
        counts=_counts(measured),
        lengths=_lengths(measured),
        levels=_levels(measured),
        left_out=_left_out(readings),
        spectra="\n".join(f"![{name}](mel-and-mfcc-{name}.png)\n" for name in measured),
        shares=_shares(measured),
        pitch=_pitch([one for of_it in measured.values() for one in of_it]),
        clipped_samples=CLIPPED_SAMPLES,
        full_scale=FULL_SCALE,
        n_mels=MFCC.n_mels,
        fmin=MFCC.fmin,
        fmax=MFCC.fmax,
        last=MFCC.n_mfcc - 1,
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def _counts(measured: dict[str, list[Measured]]) -> str:
    labels = emotions_of([one.clip for of_it in measured.values() for one in of_it])
    rows = []
    for corpus, of_it in measured.items():
        row = [corpus, "/".join(str(len({m.clip.speaker for m in of_it if m.clip.gender == g})) for g in "fm")]
        for label in labels:
            f, m = (sum(one.clip.label == label and one.clip.gender == gender for one in of_it) for gender in "fm")
            row.append(f"{f}/{m}" if f or m else "")
        rows.append([*row, str(len(of_it))])
    return _table(["corpus", "speakers, women/men", *labels, "clips"], rows)


def _quartiles(values: list[float]) -> str:
    low, first, middle, third, high = np.percentile(values, [0, 25, 50, 75, 100])
    return f"{low:.2f} / {first:.2f} / **{middle:.2f}** / {third:.2f} / {high:.2f}"


def _lengths(measured: dict[str, list[Measured]]) -> str:
    rows = [
        [
            corpus,
            *(_quartiles([getattr(one, name) for one in of_it]) for name in ("clip_s", "utterance_s")),
            *(f"{np.median([getattr(one, name) for one in of_it]):.2f}" for name in ("lead_s", "tail_s")),
            str(sum(not one.lead_s and not one.tail_s for one in of_it)),
            f"{sum(one.utterance_s for one in of_it) / 3600.0:.2f}",
        ]
        for corpus, of_it in measured.items()
    ]
    return _table(
        [
            "corpus",
            "clip: least, quartiles, most",
            "utterance",
            "cut before, median",
            "cut after",
            "whole",
            "speech, hours",
        ],
        rows,
    )


def _levels(measured: dict[str, list[Measured]]) -> str:
    rows = []
    for corpus, of_it in measured.items():
        low, middle, high = np.percentile([one.level_db for one in of_it], [5, 50, 95])
        clipped = sum(one.full_scale >= CLIPPED_SAMPLES for one in of_it)
        rows.append([corpus, f"{low:.1f}", f"{middle:.1f}", f"{high:.1f}", str(clipped)])
    return _table(["corpus", "level, 5th percentile, dB", "median", "95th percentile", "clips that clip"], rows)


def _left_out(readings: dict[str, Reading]) -> str:
    lines = [
        f"- {name}: `{one.path.stem}`: {one.reason}\n" for name, reading in readings.items() for one in reading.left_out
    ]
    return "".join(lines) or "Nothing.\n"


def _shares(measured: dict[str, list[Measured]]) -> str:
    rows = []
    for corpus, of_it in measured.items():
        found = shares(of_it)
        rows.append([corpus, *(f"{found[name]:.0f} %" for name in ("speaker", "emotion", "emotion_own"))])
    head = ["corpus", "spread of mean MFCCs that goes with the speaker", "with the emotion"]
    return _table([*head, "with the emotion, of what the speaker leaves"], rows)


def _pitch(everyone: list[Measured]) -> str:
    semitones = against_speaker(everyone, 12.0 * np.log2(np.array([one.pitch_hz for one in everyone])))
    levels = against_speaker(everyone, np.array([one.level_db for one in everyone]))
    label_of = np.array([one.clip.label for one in everyone])
    middles = {
        label: (float(np.nanmedian(semitones[label_of == label])), float(np.median(levels[label_of == label])))
        for label in emotions_of([one.clip for one in everyone])
    }
    rows = [[label, f"{pitch:+.1f}", f"{level:+.1f}"] for label, (pitch, level) in middles.items()]
    return _table(["emotion", "pitch against the speaker's mean, semitones", "level, dB"], rows)
