"""What a network is told about each clip: the intended emotion, the crowd's votes, a teacher's verdict.

Sounds that are nobody's emotion stand behind the clips, as callers of their own with a label of their own, the last.
This file must never hear a clip of the fold that is left out, or look at what a network is judged by.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.baselines_crowd import read_votes
from models.configuration import Configuration
from models.dataset import Hearing, compute, log_mels
from models.experiment import HEARD, Table
from models.music import Split
from models.sounds import KINDS, make
from models.telephone import draw, transmit
from models.training import Lesson
from models.utterance import find

SOUNDS_A_CALLER = 12


def sounds(count: int, split: Split, seed: int) -> tuple[list[str], list[NDArray[np.float32]]]:
    """Return sounds over drawn lines, cut as the product would, and the kind of each, where it hears an utterance.

    Parameters
    ----------
    count
        How many are made, of all kinds equally many; those that the product takes for silence are left out.
    split
        `train` to learn doubt from, `test` to score it.
    seed
        Of everything drawn.

    Returns
    -------
    tuple
        Kinds, and float32[n] at 8 kHz each, a quarter of a second to five seconds.
    """
    rng = np.random.default_rng([seed, split == "test"])
    kinds, heard = [], []
    for number in range(count):
        kind = sorted(KINDS)[number % len(KINDS)]
        seconds = float(rng.uniform(0.6, 5.0))
        talkers = [make("announcement", seconds, rng, split) for _ in range(6)] if kind == "babble" else []
        received = transmit(make(kind, seconds, rng, split, talkers), draw(rng), rng)
        place = find(received)
        if place is not None:
            kinds.append(kind)
            heard.append(received[place[0] : place[1]])
    return kinds, heard


def targets(
    table: Table, configuration: Configuration, votes: Path | None, taught: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return how likely each label is for each clip, float32[clips, labels + 1]; the last is nobody's emotion.

    Parameters
    ----------
    table
        The clips.
    configuration
        Shares of crowd and teacher.
    votes
        CREMA-D's `tabulatedVotes.csv`; None where no share is the crowd's.
    taught
        float32[clips, labels + 1], the teacher's probabilities; None without a teacher.
    """
    wanted = np.eye(len(configuration.shape.labels) + 1, dtype=np.float32)[table.labels]
    if configuration.crowd_share and votes is not None:
        crowd = read_votes(votes)
        for index, clip in enumerate(table.clips):
            counts = crowd.get(clip.path.stem) if clip.corpus == "crema-d" else None
            if counts is not None and counts.sum():
                heard = np.zeros(wanted.shape[1], dtype=np.float32)
                heard[: len(counts)] = counts / counts.sum()
                wanted[index] = (1 - configuration.crowd_share) * wanted[index] + configuration.crowd_share * heard
    if taught is not None:
        wanted = (1 - configuration.teacher_share) * wanted + configuration.teacher_share * taught
    return wanted


def lesson_without(
    fold: int,
    table: Table,
    configuration: Configuration,
    *,
    cache: Path | None,
    votes: Path | None = None,
    taught: NDArray[np.float32] | None = None,
) -> Lesson:
    """Return everything a network is trained on that is not to hear the speakers of a fold; 0 leaves out none."""
    indices = [np.flatnonzero(table.folds != fold)]
    for corpus, times in configuration.repeat.items():
        indices += [indices[0][table.corpora[indices[0]] == corpus]] * (times - 1)
    hearings: Sequence[Hearing] = [compute(table.clips, variant, cache) for variant in HEARD]
    wanted, speakers = targets(table, configuration, votes, taught), table.speakers
    if configuration.sounds:
        kinds, heard = sounds(configuration.sounds, "train", seed=configuration.recipe.seed)
        behind = log_mels(heard)
        hearings = [hearing.followed_by(behind) for hearing in hearings]
        groups = [f"sounds/{kind}/{kinds[:number].count(kind) // SOUNDS_A_CALLER}" for number, kind in enumerate(kinds)]
        speakers = np.concatenate((speakers, np.array(groups)))
        nobody = np.zeros((len(heard), wanted.shape[1]), dtype=np.float32)
        nobody[:, -1] = 1.0
        wanted = np.concatenate((wanted, nobody))
        indices.append(np.arange(len(table.clips), len(table.clips) + len(heard)))
    return Lesson(hearings, speakers, np.concatenate(indices), wanted)
