"""The simplest thing that works: statistics of the MFCCs of an utterance, and logistic regression.

With and without the caller's own statistics, to show what those give before any network does; always by speaker. Also
the class that is met most often, and chance. This file must never let a judged speaker into scaling, prior or fit.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models import metrics
from models.corpora import READERS, Folds
from models.dataset import load_audio
from models.telephone import PLAIN, transmit
from models.utterance import cut
from streamer.emotion.model import LABELS
from streamer.features import MfccParameters, Moments, Prior, RollingMfcc, RunningNormaliser

CORPUS: Final = "crema-d"
MFCC: Final = MfccParameters(n_fft=512, win_length=400, hop_length=100, n_mels=64, n_mfcc=48, fmin=60.0, fmax=3800.0)
"""50 ms every 12.5 ms."""
PRIOR_WEIGHT_FRAMES: Final = 1000.0
"""What the corpus prior weighs against the caller's own frames: about 12 s of speech."""
EARLIER: Final = (0, 5, 10, 20, 40)
"""How many utterances a caller has said before; drawn at random among all others of the same speaker."""

Frames = NDArray[np.float32]
"""float32[frames, coefficients]"""
Statistics = Callable[[Frames], NDArray[np.float32]]


def levels(frames: Frames) -> NDArray[np.float32]:
    """Return mean and deviation of each coefficient over an utterance, float32[2 * coefficients]."""
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])


def levels_and_slopes(frames: Frames) -> NDArray[np.float32]:
    """Return `levels` of the coefficients and of their change from frame to frame, float32[4 * coefficients]."""
    slopes = np.gradient(frames, axis=0) if len(frames) > 1 else np.zeros_like(frames)
    return np.concatenate([levels(frames), levels(slopes)])


STATISTICS: Final[dict[str, Statistics]] = {
    "mean and deviation of MFCCs": levels,
    "mean and deviation of MFCCs and their slopes": levels_and_slopes,
}
"""What logistic regression is given, by name."""


class Spoken(msgspec.Struct, frozen=True, eq=False):
    """Utterances of known people."""

    stems: tuple[str, ...]
    """Names of the files."""
    frames: tuple[Frames, ...]
    """Of each utterance, not normalised."""
    labels: NDArray[np.int64]
    """int[utterances], in `LABELS`."""
    speakers: NDArray[np.str_]
    folds: NDArray[np.int64]

    @classmethod
    def read(cls, data: Path) -> "Spoken":
        """Read CREMA-D below `data` and `data/folds.csv`, each clip over G.711 mu-law and cut as the product would.

        Raises
        ------
        CorpusError
            When the corpus or a speaker's fold is missing.
        """
        folds = Folds.read(data / "folds.csv")
        clips = READERS[CORPUS](data / CORPUS).clips
        frames = []
        for number, clip in enumerate(clips, start=1):
            # The plain line draws nothing; a generator is what `transmit` asks for.
            heard = transmit(load_audio(clip.path), PLAIN, np.random.default_rng(0))
            start, end = cut(heard)
            frames.append(features(heard[start:end]))
            if number % 2000 == 0 or number == len(clips):
                print(f"MFCCs of {CORPUS}: {number} of {len(clips)} clips", flush=True)
        return cls(
            stems=tuple(clip.path.stem for clip in clips),
            frames=tuple(frames),
            labels=np.array([LABELS.index(clip.label) for clip in clips]),
            speakers=np.array([clip.speaker for clip in clips]),
            folds=np.array([folds.of(clip) for clip in clips]),
        )


def features(samples: NDArray[np.float32]) -> Frames:
    """Return the MFCCs of an utterance at 8 kHz; one frame at least."""
    rolling = RollingMfcc(MFCC)
    rolling.push(np.pad(samples, (0, max(0, MFCC.n_fft - len(samples)))))
    return rolling.features()


class Callers:
    """Who has said what: utterances as they are judged after others of the same speaker."""

    def __init__(self, spoken: Spoken) -> None:
        self._spoken = spoken
        self._moments = [Moments.of(frames) for frames in spoken.frames]

    def together(self, indices: Iterable[int]) -> Moments:
        """Return the moments of some utterances together."""
        total = Moments.of(np.empty((0, self._spoken.frames[0].shape[1]), dtype=np.float32))
        for index in indices:
            total = total + self._moments[index]
        return total

    def prior(self, indices: NDArray[np.int64]) -> Prior:
        """Return what is believed of a caller who has not spoken: mean and deviation over all frames of some others."""
        all_of_them = self.together(indices.tolist())
        mean = all_of_them.total / all_of_them.n_frames
        std = np.sqrt(all_of_them.squares / all_of_them.n_frames - np.square(mean))
        return Prior(tuple(mean.tolist()), tuple(std.tolist()), PRIOR_WEIGHT_FRAMES)

    def after(self, index: int, earlier: int, prior: Prior, rng: np.random.Generator) -> Frames:
        """Return an utterance as heard after so many others of its speaker (all, where there are fewer)."""
        own = np.flatnonzero(self._spoken.speakers == self._spoken.speakers[index])
        others = own[own != index]
        normaliser = RunningNormaliser(prior)
        normaliser.remember(self.together(rng.choice(others, min(earlier, len(others)), replace=False).tolist()))
        return normaliser.apply(self._spoken.frames[index])


def of_own_clips(spoken: Spoken, of: Statistics) -> NDArray[np.float32]:
    """Return the statistics of all clips in units of all their speaker's clips, themselves included: an oracle's."""
    rows = np.empty((len(spoken.frames), len(of(spoken.frames[0]))), dtype=np.float32)
    for speaker in np.unique(spoken.speakers):
        own = [spoken.frames[i] for i in np.flatnonzero(spoken.speakers == speaker)]
        together = np.concatenate(own)
        mean, std = together.mean(axis=0), np.maximum(together.std(axis=0), 1e-3)
        rows[spoken.speakers == speaker] = [of(((frames - mean) / std).astype(np.float32)) for frames in own]
    return rows


def judge_linear(spoken: Spoken, name: str, seed: int = 0) -> list[dict[str, Any]]:
    """Return the figures of logistic regression, each fold judged by what was fitted on the others.

    Parameters
    ----------
    spoken
        The utterances.
    name
        Of the statistics, in `STATISTICS`.
    seed
        Of the draws of earlier utterances.

    Returns
    -------
    list of dict
        A row each: without the caller, after so many earlier utterances of the caller (one classifier that has seen all
        these numbers), and with all of the caller's clips, which no call offers.
    """
    of, labels = STATISTICS[name], spoken.labels
    callers = Callers(spoken)
    whole = {
        "no caller statistics": np.stack([of(frames) for frames in spoken.frames]),
        "all clips of the caller (oracle)": of_own_clips(spoken, of),
    }
    said: dict[str, list[dict[str, Any]]] = {}
    for fold in np.unique(spoken.folds):
        train, test = np.flatnonzero(spoken.folds != fold), np.flatnonzero(spoken.folds == fold)
        for normalised, rows in whole.items():
            guess = _fit(rows[train], labels[train]).predict(rows[test])
            said.setdefault(normalised, []).append(_described(guess, labels[test]))
        prior, rng = callers.prior(train), np.random.default_rng([seed, int(fold)])
        heard = {
            earlier: np.stack([of(callers.after(i, earlier, prior, rng)) for i in range(len(labels))])
            for earlier in EARLIER
        }
        model = _fit(np.concatenate([rows[train] for rows in heard.values()]), np.tile(labels[train], len(EARLIER)))
        for earlier, rows in heard.items():
            figures = _described(model.predict(rows[test]), labels[test])
            said.setdefault(f"after {earlier} utterances of the caller", []).append(figures)
        print(f"logistic regression, {name}: fold {fold} done", flush=True)
    return [
        {
            "method": f"logistic regression, {name}",
            "normalised by": normalised,
            "split": "by speaker",
            "runs": runs,
            **{figure: float(np.mean([run[figure] for run in runs])) for figure in ("accuracy_6", "crema_d_uar")},
        }
        for normalised, runs in sorted(said.items(), key=lambda item: _order(item[0]))
    ]


def judge_constant(truth: NDArray[np.int64], names: Sequence[str], figure: str) -> list[dict[str, Any]]:
    """Return the rows of the most common class and of drawing lots, in percent.

    Parameters
    ----------
    truth
        int[clips], in `names`.
    names
        Of the classes.
    figure
        How the accuracy is called.
    """
    counts = np.bincount(truth, minlength=len(names))
    common = int(counts.argmax())
    met = int((counts > 0).sum())
    share = 100.0 * float(counts[common]) / len(truth)
    # Whoever says the same of all clips has one recall of 100 and five of 0 on CREMA-D's six.
    constant = {"split": "none needed", "clips": len(truth), "crema_d_uar": 100.0 / len(LABELS)}
    return [
        {"method": f"always {names[common]}", figure: share, **constant},
        {"method": "chance", figure: 100.0 / met, **constant},
    ]


def _order(name: str) -> tuple[int, int]:
    if name.startswith("no"):
        return 0, 0
    return (2, 0) if name.startswith("all") else (1, int(name.split()[1]))


def _fit(rows: NDArray[np.float32], labels: NDArray[np.int64]) -> Any:  # noqa: ANN401 - scikit-learn has no types
    # Balanced, because the mean recall is judged; the rest is scikit-learn's default.
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    return model.fit(rows, labels)


def _described(guess: NDArray[np.int64], truth: NDArray[np.int64]) -> dict[str, Any]:
    matrix = metrics.confusion(truth, guess, len(LABELS))
    return {
        "clips": len(truth),
        "accuracy_6": metrics.accuracy(matrix),
        "crema_d_uar": metrics.unweighted_average_recall(matrix),
    }
