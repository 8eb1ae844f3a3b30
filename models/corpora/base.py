"""What all corpus readers share: a clip, what was left out and why, the one table of labels, the folds by speaker.

A reader turns file names into clips. It must never open audio, split data, or leave a file out without a reason that
is kept and counted.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from streamer.emotion.model import LABELS

AUDIO_SUFFIXES: Final = frozenset({".wav", ".flac"})

MERGED: Final[dict[str, str]] = {"calm": "neutral", "pleasant surprise": "surprise"}
"""The class that a corpus's label stands for where it is not a class itself.

Calm exists in RAVDESS only and is merged by option. TESS's surprise is *pleasant* surprise. Boredom (EmoDB) has no
class. What no training corpus of a model holds, the model must not name: a model's labels say what it knows.
"""


class Clip(msgspec.Struct, frozen=True):
    """One recording of one person with the emotion that was asked of them."""

    path: Path
    corpus: str
    speaker: str
    """As the corpus names its speakers; unique within the corpus."""
    gender: str
    """`m`, `f`, or nothing where the corpus does not say. For figures by group only, never an input of a model."""
    label: str
    """One of the six labels of an event, or calm, surprise, pleasant surprise, boredom."""
    sentence: str
    """Which text is spoken, as the corpus names it."""
    intensity: str = ""
    """How strongly it was to be acted, as the corpus names it; nothing where it does not."""


class LeftOut(msgspec.Struct, frozen=True):
    """A file that is no clip, and why."""

    path: Path
    reason: str


class Reading(msgspec.Struct, frozen=True):
    """What a folder held."""

    clips: tuple[Clip, ...]
    left_out: tuple[LeftOut, ...]

    def summary(self) -> str:
        """Return one line: how many clips of how many speakers, how many files left out for which reasons."""
        speakers = len({(clip.corpus, clip.speaker) for clip in self.clips})
        text = f"{len(self.clips)} clips of {speakers} speakers"
        reasons = Counter(one.reason for one in self.left_out)
        if reasons:
            text += "; left out: " + ", ".join(f"{count} ({reason})" for reason, count in sorted(reasons.items()))
        return text


class CorpusError(Exception):
    """A corpus cannot be read; the message says which folder, what was expected, and what to do."""


def read_folder(folder: Path, corpus: str, parse: Callable[[Path], Clip | str]) -> Reading:
    """Read all audio files below a folder, in the order of their names.

    Parameters
    ----------
    folder
        Of the corpus; files may lie at any depth.
    corpus
        Name for messages.
    parse
        Turns a path into a clip or into the reason why it is none.

    Returns
    -------
    Reading

    Raises
    ------
    CorpusError
        When there is no such folder or no clip in it.
    """
    if not folder.is_dir():
        raise CorpusError(f"no folder {folder} to read {corpus} from")
    clips: list[Clip] = []
    left_out: list[LeftOut] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        parsed = parse(path)
        if isinstance(parsed, Clip):
            clips.append(parsed)
        else:
            left_out.append(LeftOut(path, parsed))
    if not clips:
        raise CorpusError(
            f"no clip of {corpus} in {folder}: {len(left_out)} audio files there, none with a name of this corpus"
        )
    return Reading(tuple(clips), tuple(left_out))


def classes(
    clips: Iterable[Clip], labels: Sequence[str] = LABELS, *, calm_as_neutral: bool = False
) -> list[tuple[Clip, int]]:
    """Return the clips that belong to one of the classes, with its index.

    Parameters
    ----------
    clips
        Of any corpora.
    labels
        The classes, in order; where calm is among them it is a class of its own.
    calm_as_neutral
        Whether RAVDESS's calm counts as neutral where it is no class; left out otherwise.
    """
    chosen = []
    for clip in clips:
        label = clip.label
        if label not in labels and (calm_as_neutral or label != "calm"):
            label = MERGED.get(label, label)
        if label in labels:
            chosen.append((clip, list(labels).index(label)))
    return chosen


class Folds(msgspec.Struct, frozen=True):
    """Which fold and gender each speaker has; evaluation is by speaker, never by clip."""

    fold: dict[tuple[str, str], int]
    """(corpus, speaker) -> fold, from 1."""
    gender: dict[tuple[str, str], str]

    @classmethod
    def read(cls, path: Path) -> "Folds":
        """Read `folds.csv`: columns corpus, speaker, gender, fold.

        Raises
        ------
        CorpusError
            When a column is missing.
        """
        fold, gender = {}, {}
        with path.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                try:
                    key = (row["corpus"], row["speaker"])
                    fold[key], gender[key] = int(row["fold"]), row["gender"]
                except KeyError as error:
                    raise CorpusError(f"{path} has no column {error}; needs corpus, speaker, gender, fold") from error
        return cls(fold, gender)

    def of(self, clip: Clip) -> int:
        """Return the fold of a clip's speaker; CorpusError when the file does not name that speaker."""
        try:
            return self.fold[clip.corpus, clip.speaker]
        except KeyError as error:
            raise CorpusError(f"speaker {clip.speaker} of {clip.corpus} has no fold in folds.csv") from error
