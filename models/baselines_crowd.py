"""What people hear in CREMA-D by voice alone, against the emotion the actor was asked for: the crowd's own figures.

`processedResults/tabulatedVotes.csv` has a row for each clip and way of presenting it; rows numbered 1xxxxx are voice
only, with the votes for each emotion. H. Cao et al., IEEE Transactions on Affective Computing 5(4), 2014. This file
must never use votes for a clip it was not given.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.corpora import CorpusError
from streamer.emotion.model import LABELS

_COLUMNS: Final = {"neutral": "N", "happy": "H", "sad": "S", "angry": "A", "fear": "F", "disgust": "D"}
_VOICE_ONLY: Final = "1"


def read_votes(path: Path) -> dict[str, NDArray[np.int64]]:
    """Return the voice-only votes of each clip, int64[6] in the order of `LABELS`, by the stem of its file.

    Raises
    ------
    CorpusError
        When the file is missing, lacks a column, or has no voice-only row.
    """
    if not path.is_file():
        raise CorpusError(f"no {path}: the crowd's votes come with CREMA-D, in processedResults")
    votes: dict[str, NDArray[np.int64]] = {}
    with path.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            try:
                if len(row[""]) == 6 and row[""].startswith(_VOICE_ONLY):
                    counts = np.array([int(row[_COLUMNS[label]]) for label in LABELS], dtype=np.int64)
                    stem = row["fileName"]
                    votes[stem] = votes[stem] + counts if stem in votes else counts
            except KeyError as error:
                raise CorpusError(f"{path} has no column {error}; is it CREMA-D's tabulatedVotes.csv?") from error
    if not votes:
        raise CorpusError(f"{path} has no voice-only row (numbered 1xxxxx)")
    return votes


def judge_crowd(
    stems: Sequence[str], truth: NDArray[np.int64], votes: dict[str, NDArray[np.int64]]
) -> list[dict[str, Any]]:
    """Return the figures of single voters and of the majority, in percent, on the clips that have votes.

    Parameters
    ----------
    stems, truth
        Files of CREMA-D without their endings, and the intended emotions, int[clips] in `LABELS`.
    votes
        What `read_votes` returned.

    Returns
    -------
    list of dict
        `method`, `accuracy_6`, `crema_d_uar`, `recall` by label, `clips`. A tie among k emotions counts as 1/k right,
        what drawing lots among them gives on average.

    Raises
    ------
    CorpusError
        When no clip has a vote.
    """
    known = [(votes[stem], label) for stem, label in zip(stems, truth, strict=True) if stem in votes]
    if not known:
        raise CorpusError(f"none of {len(stems)} clips of CREMA-D has a vote; are these votes of that corpus?")
    counts = np.stack([one for one, _ in known]).astype(np.float64)
    intended = np.array([label for _, label in known])
    leading = (counts == counts.max(axis=1, keepdims=True)).astype(np.float64)
    single = _row("people, voice only: one listener", counts, intended, len(known))
    majority = _row(
        "people, voice only: majority of about ten", leading / leading.sum(axis=1)[:, None], intended, len(known)
    )
    return [single, majority]


def _row(method: str, weight: NDArray[np.float64], intended: NDArray[np.int64], n_clips: int) -> dict[str, Any]:
    """Return the figures of float64[clips, 6] verdicts, each row a share or number of votes."""
    matrix = np.stack([weight[intended == label].sum(axis=0) for label in range(len(LABELS))])
    total = matrix.sum(axis=1)
    recall = np.where(total > 0, 100.0 * matrix.diagonal() / np.maximum(total, 1e-9), np.nan)
    return {
        "method": method,
        "split": "none needed",
        "clips": n_clips,
        "accuracy_6": float(100.0 * matrix.trace() / matrix.sum()),
        "crema_d_uar": float(np.nanmean(recall)),
        "recall": dict(zip(LABELS, recall.tolist(), strict=True)),
    }
