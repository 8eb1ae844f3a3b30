"""What training, evaluation and export agree on: which clips, heard how, by which features, and how a result is kept.

The choices of the shipped model stand here as defaults, each where it is used. This file must never train or judge.
"""

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from models.corpora import READERS, Clip, Folds, classes
from models.dataset import Variant
from models.network import EmotionNet, Shape
from models.training import Recipe
from streamer.emotion.model import LABELS

SPEEDS: Final = (0.88, 1.14)
"""Voices are moved by up to about two semitones either way: 85 speakers are few."""

PLAIN: Final = Variant("plain")
HEARD: Final = (
    PLAIN,
    *(Variant(f"plain-voice{n}", speeds=SPEEDS, seed=20 + n) for n in (1, 2)),
    *(Variant(f"line-voice{n}", None, trim=n != 4, speeds=SPEEDS, seed=n) for n in (1, 2, 3, 4, 5, 6)),
)
"""How training hears each clip: as it is, as other voices, and as other voices over drawn lines, of which one leaves
the silence around the clip, for a segmenter leaves some too."""


class Table(msgspec.Struct, frozen=True, eq=False):
    """Clips of the classes that are asked for, with what is known of them."""

    clips: tuple[Clip, ...]
    labels: NDArray[np.int64]
    speakers: NDArray[np.str_]
    """`corpus/speaker` of each clip."""
    corpora: NDArray[np.str_]
    folds: NDArray[np.int64]
    genders: NDArray[np.str_]
    summaries: dict[str, str]
    """What was read of each corpus and what was left out, in words."""

    def only(self, indices: NDArray[np.int64]) -> "Table":
        """Return some of the clips."""
        return Table(
            clips=tuple(self.clips[index] for index in indices),
            labels=self.labels[indices],
            speakers=self.speakers[indices],
            corpora=self.corpora[indices],
            folds=self.folds[indices],
            genders=self.genders[indices],
            summaries=self.summaries,
        )


def gather(
    data: Path, corpora: tuple[str, ...], *, labels: tuple[str, ...] = LABELS, calm_as_neutral: bool = False
) -> Table:
    """Read corpora below `data`, each in the folder of its name, and `data/folds.csv`."""
    folds = Folds.read(data / "folds.csv")
    readings = {corpus: READERS[corpus](data / corpus) for corpus in corpora}
    chosen = classes(
        (clip for reading in readings.values() for clip in reading.clips), labels, calm_as_neutral=calm_as_neutral
    )
    clips = tuple(clip for clip, _ in chosen)
    return Table(
        clips=clips,
        labels=np.array([label for _, label in chosen], dtype=np.int64),
        speakers=np.array([f"{clip.corpus}/{clip.speaker}" for clip in clips]),
        corpora=np.array([clip.corpus for clip in clips]),
        folds=np.array([folds.of(clip) for clip in clips], dtype=np.int64),
        genders=np.array([folds.gender[clip.corpus, clip.speaker] for clip in clips]),
        summaries={corpus: reading.summary() for corpus, reading in readings.items()},
    )


class Trained(msgspec.Struct, frozen=True, eq=False):
    """A trained network and all it needs to be used."""

    net: EmotionNet
    recipe: Recipe
    left_out_fold: int
    """Whose speakers the network has not heard; 0 when it has heard all."""


def save(trained: Trained, path: Path) -> None:
    """Write a trained network: tensors and plain values, nothing that runs when it is read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored: dict[str, Any] = {
        "state": trained.net.state_dict(),
        "shape": msgspec.to_builtins(trained.net.shape),
        "recipe": msgspec.to_builtins(trained.recipe),
        "left_out_fold": trained.left_out_fold,
    }
    torch.save(stored, path)


def load(path: Path) -> Trained:
    """Read what `save` wrote; the network is in evaluation mode."""
    stored = torch.load(path, weights_only=True)
    net = EmotionNet(msgspec.convert(stored["shape"], Shape))
    net.load_state_dict(stored["state"])
    net.eval()
    return Trained(net, msgspec.convert(stored["recipe"], Recipe), stored["left_out_fold"])
