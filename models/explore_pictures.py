"""The pictures of `models.explore`: counts, lengths, levels, waveforms, mel spectrograms, MFCCs, what tells emotions.

Spectrograms and MFCCs are computed by the code that serves. This file must never measure what a figure in words depends
on, or choose a clip for how it looks: examples are the first of a rule.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.corpora import Clip
from models.dataset import load_audio
from models.explore_measure import MFCC, Measured, against_speaker
from models.pictures import COLOURS, FIRST, HEAT, SECOND, drawing, save
from models.telephone import RATE_HZ
from models.utterance import cut
from streamer.emotion.model import LABELS
from streamer.features import RollingLogMel, RollingMfcc

GENDERS: Final = (("f", "women"), ("m", "men"))
_FRAME_S: Final = MFCC.hop_length / RATE_HZ


def emotions_of(clips: Sequence[Clip]) -> list[str]:
    """Return the labels that occur, in the order of the house."""
    met = {clip.label for clip in clips}
    return [label for label in COLOURS if label in met]


def examples(clips: Sequence[Clip], gender: str) -> dict[str, Clip]:
    """Return one clip of each emotion, by one speaker, of one sentence where the corpus allows it.

    The speaker is the first of that gender who acts the most emotions, the sentence the one that speaker says in most
    emotions; of several takes the first.
    """
    own = [clip for clip in clips if clip.gender == gender]
    if not own:
        return {}
    speakers = sorted({clip.speaker for clip in own})
    speaker = max(speakers, key=lambda one: len({clip.label for clip in own if clip.speaker == one}))
    own = [clip for clip in own if clip.speaker == speaker]
    said = sorted({clip.sentence for clip in own})
    sentence = max(said, key=lambda one: len({clip.label for clip in own if clip.sentence == one}))
    first: dict[str, Clip] = {}
    for clip in sorted(own, key=lambda one: (one.sentence != sentence, str(one.path))):
        first.setdefault(clip.label, clip)
    return {label: first[label] for label in COLOURS if label in first}


def draw_counts(measured: dict[str, list[Measured]], path: Path) -> Path:
    """Draw how many clips each corpus has of each emotion, by women and by men."""
    with drawing(10.0, 2.6, "Clips by corpus, emotion and gender") as figure:
        all_axes = figure.subplots(1, len(measured), squeeze=False)[0]
        for axes, (corpus, of_it) in zip(all_axes, measured.items(), strict=True):
            labels = emotions_of([one.clip for one in of_it])
            left = np.zeros(len(labels))
            for (gender, name), colour in zip(GENDERS, (FIRST, SECOND), strict=True):
                counts = [sum(m.clip.label == label and m.clip.gender == gender for m in of_it) for label in labels]
                axes.barh(labels, counts, left=left, color=colour, label=name)
                left += counts
            axes.invert_yaxis()
            axes.set_title(corpus)
            axes.set_xlabel("clips")
        figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside right upper")
        return save(figure, path)


def draw_lengths(measured: dict[str, list[Measured]], path: Path) -> Path:
    """Draw lengths of clips and of their utterances, and levels, by corpus; whiskers hold nine clips in ten."""
    with drawing(10.0, 3.0) as figure:
        lengths, levels = figure.subplots(1, 2, width_ratios=(2, 1))
        for shift, colour, name, values in (
            (-0.18, SECOND, "clip", [[one.clip_s for one in of_it] for of_it in measured.values()]),
            (0.18, FIRST, "utterance", [[one.utterance_s for one in of_it] for of_it in measured.values()]),
        ):
            _boxes(lengths, values, [n + shift for n in range(len(values))], [colour] * len(values), name)
        lengths.set_xticks(range(len(measured)), list(measured))
        lengths.set_ylabel("seconds")
        lengths.set_title("Length of the clip and of the utterance the product would cut")
        lengths.legend()
        values = [[one.level_db for one in of_it] for of_it in measured.values()]
        _boxes(levels, values, list(range(len(values))), [FIRST] * len(values))
        levels.set_xticks(range(len(measured)), list(measured), rotation=20)
        levels.set_ylabel("dB, full scale is 0")
        levels.set_title("Level of the utterance")
        return save(figure, path)


def draw_waveforms(measured: dict[str, list[Measured]], path: Path) -> Path:
    """Draw one clip of each corpus, gender and emotion, the utterance dark and what is cut off light.

    A row is one voice and has one scale, which stands beside it.
    """
    rows = [
        (f"{corpus}\n{name}", found)
        for corpus, of_it in measured.items()
        for gender, name in GENDERS
        if (found := examples([one.clip for one in of_it], gender))
    ]
    labels = [label for label in COLOURS if any(label in found for _, found in rows)]
    with drawing(1.0 + 1.15 * len(labels), 0.4 + 0.62 * len(rows), "Waveforms") as figure:
        grid = figure.subplots(len(rows), len(labels), squeeze=False)
        for axes_row, (name, found) in zip(grid, rows, strict=True):
            audio = {label: load_audio(clip.path) for label, clip in found.items()}
            peak = max(float(np.abs(samples).max()) for samples in audio.values())
            for axes, label in zip(axes_row, labels, strict=True):
                if label in audio:
                    _wave(axes, audio[label], peak, COLOURS[label])
                else:
                    _blank(axes)
            scale = f"{name}\n(to {peak:.2f})"
            axes_row[0].set_ylabel(scale, rotation=0, ha="right", va="center", fontsize=7.0)
        for axes, label in zip(grid[0], labels, strict=True):
            axes.set_title(label)
        return save(figure, path)


def draw_spectra(corpus: str, clips: Sequence[Clip], path: Path) -> Path:
    """Draw mel spectrogram and MFCCs of one utterance of each emotion and gender of a corpus.

    MFCCs are less the mean over all utterances of their row, one voice's: what is left is what was said and felt.
    """
    found = {name: one for gender, name in GENDERS if (one := examples(clips, gender))}
    labels = [label for label in COLOURS if any(label in one for one in found.values())]
    with drawing(1.0 + 1.35 * len(labels), 0.5 + 2.0 * len(found), f"{corpus}: mel spectrograms and MFCCs") as figure:
        grid = figure.subplots(2 * len(found), len(labels), squeeze=False, sharey="row")
        for pair, (name, of_gender) in enumerate(found.items()):
            spectra = {label: spectrum(clip) for label, clip in of_gender.items()}
            usual = np.concatenate([coefficients for _, coefficients in spectra.values()]).mean(
                axis=0, dtype=np.float32
            )
            for column, label in enumerate(labels):
                mel_axes, mfcc_axes = grid[2 * pair][column], grid[2 * pair + 1][column]
                if label in spectra:
                    _spectrum(mel_axes, mfcc_axes, *spectra[label], usual)
                else:
                    _blank(mel_axes)
                    _blank(mfcc_axes)
            grid[2 * pair][0].set_ylabel(f"{name}\nmel band")
            grid[2 * pair + 1][0].set_ylabel("MFCC")
        for axes, label in zip(grid[0], labels, strict=True):
            axes.set_title(label)
        for axes in grid[-1]:
            axes.set_xlabel("s")
        return save(figure, path)


def draw_profiles(measured: list[Measured], path: Path) -> Path:
    """Draw the mean MFCCs of an event's six emotions: against all clips, and against the speaker's own mean.

    Other labels belong to one corpus or two, and would show that corpus.
    """
    chosen = [one for one in measured if one.clip.label in LABELS]
    values = np.stack([one.mfcc for one in chosen]).astype(np.float64)
    of_label = np.array([one.clip.label for one in chosen])
    sides = (
        ("against all clips of all corpora", values - values.mean(axis=0)),
        ("against the speaker's own mean", against_speaker(chosen, values)),
    )
    with drawing(10.0, 3.4, "Mean MFCCs by emotion, in deviations of clips") as figure:
        for axes, (title, shifted) in zip(figure.subplots(1, 2, sharey=True), sides, strict=True):
            scaled = shifted / shifted.std(axis=0)
            for label, marker in zip(emotions_of([one.clip for one in chosen]), "osD^vP", strict=False):
                mean = scaled[of_label == label].mean(axis=0)
                axes.plot(mean, color=COLOURS[label], marker=marker, markersize=3, lw=1, label=label)
            axes.axhline(0.0, color="#bbbbbb", lw=0.6, zorder=0)
            axes.set_title(title)
            axes.set_xlabel("coefficient")
            axes.set_xticks(range(0, values.shape[1], 2))
        axes.legend(ncols=2)
        return save(figure, path)


def draw_pitch_and_level(measured: list[Measured], path: Path) -> Path:
    """Draw pitch and level by emotion, each clip against its speaker's mean."""
    labels = emotions_of([one.clip for one in measured])
    of_label = np.array([one.clip.label for one in measured])
    semitones = 12.0 * np.log2(np.array([one.pitch_hz for one in measured]))
    levels = np.array([one.level_db for one in measured])
    sides = (("median pitch", "semitones", semitones), ("level", "dB", levels))
    with drawing(10.0, 3.0, "Against the speaker's own mean, all corpora") as figure:
        for axes, (title, unit, values) in zip(figure.subplots(1, 2), sides, strict=True):
            own = against_speaker(measured, values)
            groups = [own[(of_label == label) & np.isfinite(own)] for label in labels]
            _boxes(axes, groups, list(range(len(labels))), [COLOURS[label] for label in labels])
            axes.axhline(0.0, color="#bbbbbb", lw=0.6, zorder=0)
            axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
            axes.set_title(title)
            axes.set_ylabel(unit)
        return save(figure, path)


def _boxes(axes: Any, values: Sequence[Any], at: Sequence[float], colours: Sequence[str], name: str = "") -> None:  # noqa: ANN401 - matplotlib has no types
    """Draw boxes of quartiles with whiskers at the 5th and 95th percentile."""
    drawn = axes.boxplot(values, positions=at, widths=0.3, whis=(5, 95), showfliers=False, patch_artist=True)
    for box, colour in zip(drawn["boxes"], colours, strict=True):
        box.set_facecolor(colour)
    for median in drawn["medians"]:
        median.set_color("black")
    if name:
        drawn["boxes"][0].set_label(name)


def _wave(axes: Any, samples: NDArray[np.float32], peak: float, colour: str) -> None:  # noqa: ANN401 - matplotlib has no types
    start, end = cut(samples)
    # Least and greatest of each 10 ms: what the eye would see of the samples, in a hundredth of the points.
    blocks = samples[: len(samples) // 80 * 80].reshape(-1, 80)
    time = np.arange(len(blocks)) * 0.01
    heard = (time >= start / RATE_HZ) & (time < end / RATE_HZ)
    axes.fill_between(time, blocks.min(axis=1), blocks.max(axis=1), color="#cfcfcf", lw=0.3)
    axes.fill_between(time[heard], blocks.min(axis=1)[heard], blocks.max(axis=1)[heard], color=colour, lw=0.3)
    axes.set_ylim(-peak, peak)
    axes.set_xlim(0.0, len(samples) / RATE_HZ)
    axes.set_yticks([])
    axes.tick_params(labelsize=6)


def spectrum(clip: Clip) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return log-mel rows, float32[frames, 64] in dB, and MFCCs, float32[frames, 20], of a clip's utterance."""
    samples = load_audio(clip.path)
    start, end = cut(samples)
    utterance = np.pad(samples[start:end], (0, max(0, MFCC.n_fft - (end - start))))
    log_mel, mfcc = RollingLogMel(MFCC.log_mel), RollingMfcc(MFCC)
    log_mel.push(utterance)
    mfcc.push(utterance)
    return log_mel.features(), mfcc.features()


def _spectrum(
    mel_axes: Any,  # noqa: ANN401 - matplotlib has no types
    mfcc_axes: Any,  # noqa: ANN401
    rows: NDArray[np.float32],
    coefficients: NDArray[np.float32],
    usual: NDArray[np.float32],
) -> None:
    across = (0.0, len(rows) * _FRAME_S)
    loudest = float(rows.max())
    how = {"origin": "lower", "aspect": "auto", "cmap": HEAT}
    mel_axes.imshow(rows.T, extent=(*across, 0, rows.shape[1]), vmin=loudest - 60.0, vmax=loudest, **how)
    # The first coefficient is the level and would leave no contrast for the others.
    shown = (coefficients - usual)[:, 1:].T
    mfcc_axes.imshow(shown, extent=(*across, 1, coefficients.shape[1]), vmin=-40.0, vmax=40.0, **how)
    mel_axes.tick_params(labelbottom=False, labelsize=6)
    mfcc_axes.tick_params(labelsize=6)


def _blank(axes: Any) -> None:  # noqa: ANN401 - matplotlib has no types
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
