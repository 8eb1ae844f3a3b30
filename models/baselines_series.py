"""The series' three networks, each by the random split it used and by speaker: the difference is the point.

With a random split the same person, often the same sentence, stands on both sides. With part 5's augmentation it is
worse: there the copies were made before the split, so that a test clip's own copies were trained on. Both are repeated
here as they were, beside the honest split. This file must never choose a setting by what it measures.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models import metrics
from models.baselines_cnn import Settings, judge, one_dimensional, two_dimensional
from models.baselines_features import CHANGES, CLASSES, CORPORA, EMOTIONS, compute, means, picture, seven_classes
from models.corpora import READERS, Clip, Folds

TEST_SHARE: Final = 0.25
"""Of the clips, in the series' random split."""


class Method(msgspec.Struct, frozen=True):
    """One of the series' three systems."""

    name: str
    dimensions: int
    augmented: bool
    settings: Settings
    published: float
    """The series' accuracy over fourteen classes, percent: random split, full band, all speakers."""


def methods(epochs_1d: int, epochs_augmented: int, epochs_2d: int, seed: int) -> tuple[Method, ...]:
    """Return the series' systems, without those that have no epoch.

    RMSprop takes a tenth of the steps of part 3 and 5, each ten times as long: as far in all, and what fits one core.
    """
    slow = Settings(epochs_1d, 1e-4, "rmsprop", seed)
    longer = msgspec.structs.replace(slow, epochs=epochs_augmented)
    every = (
        Method("1-D CNN, mean of 13 MFCCs", 1, augmented=False, settings=slow, published=43.8),
        Method("1-D CNN, with noise and speed copies", 1, augmented=True, settings=longer, published=48.4),
        Method("2-D CNN, 30 MFCCs", 2, augmented=False, settings=Settings(epochs_2d, 1e-3, seed=seed), published=64.0),
    )
    return tuple(method for method in every if method.settings.epochs)


class Material(msgspec.Struct, frozen=True, eq=False):
    """The clips of the series' classes."""

    clips: tuple[Clip, ...]
    classes: NDArray[np.int64]
    """int[clips], in `CLASSES`."""
    folds: NDArray[np.int64]

    @classmethod
    def read(cls, data: Path) -> "Material":
        """Read the series' four corpora below `data`, and `data/folds.csv`; CorpusError where one is missing."""
        folds = Folds.read(data / "folds.csv")
        chosen = [pair for corpus in CORPORA for pair in seven_classes(READERS[corpus](data / corpus).clips)]
        clips = tuple(clip for clip, _ in chosen)
        return cls(clips, np.array([one for _, one in chosen]), np.array([folds.of(clip) for clip in clips]))


class Split(msgspec.Struct, frozen=True, eq=False):
    """What is trained on and what is judged."""

    name: str
    train: NDArray[np.int64]
    """Rows of the stacked copies: row i of copy k is k * clips + i."""
    test: NDArray[np.int64]


def splits(folds: NDArray[np.int64], n_copies: int, wanted: Sequence[int], seed: int) -> Iterator[Split]:
    """Yield the random split and then those by speaker.

    Parameters
    ----------
    folds
        int[clips], of each clip's speaker.
    n_copies
        How many versions of each clip are stacked. The random split is over all rows, as in the series; by speaker the
        copies are trained on and only the clips themselves judged.
    wanted
        Folds to leave out in turn.
    seed
        Of the random split.
    """
    n_clips = len(folds)
    order = np.random.default_rng(seed).permutation(n_copies * n_clips)
    n_test = round(TEST_SHARE * len(order))
    yield Split("random", np.sort(order[n_test:]), np.sort(order[:n_test]))
    of_row = np.tile(folds, n_copies)
    for fold in wanted:
        yield Split(f"speakers of fold {fold}", np.flatnonzero(of_row != fold), np.flatnonzero(folds == fold))


def figures(probabilities: NDArray[np.float64], truth: NDArray[np.int64], corpora: NDArray[np.str_]) -> dict[str, Any]:
    """Return the three figures of one set of verdicts, in percent.

    Parameters
    ----------
    probabilities
        float64[clips, 14].
    truth
        int[clips], in `CLASSES`.
    corpora
        str[clips].

    Returns
    -------
    dict
        `accuracy_14` over gender and emotion; `accuracy_7` of the emotion of the likeliest class, as the series
        counts, and `accuracy_7_by_corpus`; `crema_d_uar` over CREMA-D's six, both genders' probabilities added and
        surprise left out, NaN without a clip of it.
    """
    guess = probabilities.argmax(axis=1)
    emotion = truth % len(EMOTIONS)
    right = guess % len(EMOTIONS) == emotion
    crema = corpora == "crema-d"
    six = probabilities.reshape(len(truth), -1, len(EMOTIONS)).sum(axis=1)[crema, :6].argmax(axis=1)
    return {
        "clips": len(truth),
        "accuracy_14": 100.0 * float((guess == truth).mean()),
        "accuracy_7": 100.0 * float(right.mean()),
        "accuracy_7_by_corpus": {
            corpus: 100.0 * float(right[corpora == corpus].mean()) for corpus in np.unique(corpora).tolist()
        },
        "crema_d_uar": metrics.unweighted_average_recall(metrics.confusion(emotion[crema], six, 6))
        if crema.any()
        else float("nan"),
    }


def judge_series(
    material: Material, wanted: Sequence[int], of_series: Sequence[Method], cache: Path | None
) -> list[dict[str, Any]]:
    """Train and judge each system by each split.

    Parameters
    ----------
    material
        The clips.
    wanted
        Folds to leave out in turn for the split by speaker.
    of_series
        The systems.
    cache
        Folder for features and verdicts of earlier runs; None keeps nothing.

    Returns
    -------
    list of dict
        A row for each system and kind of split: `method`, `split`, `published` (nothing by speaker), `runs` with the
        figures of each, and their means.
    """
    rows: list[dict[str, Any]] = []
    corpora = np.array([clip.corpus for clip in material.clips])
    for method in of_series:
        changes = tuple(CHANGES) if method.augmented else ("plain",)
        feature = means if method.dimensions == 1 else picture
        features = np.concatenate([compute(material.clips, feature, change, cache) for change in changes])
        truth, of_row = np.tile(material.classes, len(changes)), np.tile(corpora, len(changes))
        runs: dict[str, list[dict[str, Any]]] = {"random": [], "by speaker": []}
        for split in splits(material.folds, len(changes), wanted, method.settings.seed):
            said = _judged(method, split, features, truth, cache)
            run = {"left_out": split.name, "trained_on": len(split.train)}
            run |= figures(said, truth[split.test], of_row[split.test])
            runs["random" if split.name == "random" else "by speaker"].append(run)
        for kind, of_kind in runs.items():
            if of_kind:
                rows.append(_row(method, kind, of_kind))
    return rows


def _judged(
    method: Method, split: Split, features: NDArray[np.float16], truth: NDArray[np.int64], cache: Path | None
) -> NDArray[np.float64]:
    """Return the verdicts on a split's test rows; kept, for training takes minutes and the report seconds."""
    what = (method.name, method.settings, CLASSES, hashlib.sha256(features.tobytes()).hexdigest(), split.test.tolist())
    name = hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:16]
    path = None if cache is None else cache / f"verdicts-{name}.npy"
    if path is not None and path.is_file():
        stored: NDArray[np.float64] = np.load(path)
        return stored
    build: Callable[[], Any] = one_dimensional if method.dimensions == 1 else two_dimensional
    train = (features[split.train], truth[split.train])
    said = judge(build, method.settings, train, features[split.test], f"{method.name}, {split.name}")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, said)
    return said


def _row(method: Method, kind: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    named = ("accuracy_14", "accuracy_7", "crema_d_uar")
    return {
        "method": method.name,
        "split": kind,
        "published": method.published if kind == "random" else None,
        "classes": len(CLASSES),
        "settings": msgspec.to_builtins(method.settings),
        "runs": runs,
        **{name: float(np.mean([run[name] for run in runs])) for name in named},
    }
