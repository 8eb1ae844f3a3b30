"""What a network is told: targets are probabilities, the fold that is left out is absent, sounds are nobody's."""

import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

from models import announcements, lessons
from models.configuration import Configuration
from models.corpora import Clip
from models.dataset import Utterances, Variant
from models.experiment import HEARD, Table
from models.lessons import SOUNDS_A_CALLER, lesson_without, sounds, targets
from models.network import Shape
from models.sounds import KINDS
from models.training import Recipe
from models.utterance import find
from models.vowels import babbling
from streamer.emotion.model import LABELS

CONFIGURATION = Configuration(
    name="mine",
    corpora=("crema-d", "emodb"),
    front_end="mfcc",
    weights="int8",
    licence="CC0-1.0",
    commercial_use=True,
    shape=Shape(),
    recipe=Recipe(),
)


@pytest.fixture(autouse=True)
def _speaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speak announcements by noise: the program that speaks them is tested in test_announcements.py."""

    def speak(text: str, voice: str, pitch: int, words_a_minute: int) -> np.ndarray:
        seed = zlib.crc32(f"{text}{voice}{pitch}{words_a_minute}".encode())
        return np.random.default_rng(seed).uniform(-0.5, 0.5, 9000).astype(np.float32)

    monkeypatch.setattr(announcements, "_speak", speak)


def table(*clips: tuple[str, str, int, int]) -> Table:
    """Clips by corpus, speaker, fold and label, each with a name of its own."""
    corpora, speakers, folds, labels = zip(*clips, strict=True)
    return Table(
        clips=tuple(
            Clip(Path(f"{speaker}_{number}.wav"), corpus, speaker, "f", LABELS[label], "a01")
            for number, (corpus, speaker, _, label) in enumerate(clips)
        ),
        labels=np.array(labels),
        speakers=np.array([f"{corpus}/{speaker}" for corpus, speaker in zip(corpora, speakers, strict=True)]),
        corpora=np.array(corpora),
        folds=np.array(folds),
        genders=np.array(["f"] * len(clips)),
        summaries={},
    )


SOME = table(
    ("crema-d", "1001", 1, 3),
    ("crema-d", "1001", 1, 0),
    ("crema-d", "1002", 2, 2),
    ("emodb", "03", 1, 1),
    ("emodb", "08", 2, 4),
    ("emodb", "08", 2, 5),
)


def voted(folder: Path, *rows: tuple[str, str]) -> Path:
    """CREMA-D's votes: for each file's stem, votes in the order of its columns A, D, F, H, N, S."""
    path = folder / "tabulatedVotes.csv"
    lines = [f"{100001 + number},{votes},{stem}" for number, (stem, votes) in enumerate(rows)]
    path.write_text("\n".join(['"",A,D,F,H,N,S,fileName', *lines, ""]))
    return path


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for the computing of log-mels; returns the names of the lines that were asked for."""
    asked: list[str] = []

    def compute(clips: tuple[Clip, ...], variant: Variant, cache: Path | None) -> Utterances:
        assert cache is None
        asked.append(variant.name)
        rows = np.repeat(np.arange(len(clips), dtype=np.float16), 2)[:, None] * np.ones((1, 61), np.float16)
        return Utterances(rows, np.arange(0, 2 * len(clips) + 1, 2))

    monkeypatch.setattr(lessons, "compute", compute)
    return asked


@settings(deadline=None, max_examples=30)
@given(crowd=st.floats(0.0, 1.0), teacher=st.floats(0.01, 1.0), seed=st.integers(0, 99))
def test_targets_are_probabilities_whatever_the_shares(
    tmp_path_factory: pytest.TempPathFactory, crowd: float, teacher: float, seed: int
) -> None:
    votes = voted(tmp_path_factory.mktemp("votes"), ("1001_0", "5,1,0,0,3,0"), ("1002_2", "0,0,0,0,0,0"))
    taught = np.random.default_rng(seed).dirichlet(np.ones(7), len(SOME.clips)).astype(np.float32)
    configuration = msgspec.structs.replace(
        CONFIGURATION, crowd_share=crowd, teacher="telephone-large", teacher_share=teacher
    )
    wanted = targets(SOME, configuration, votes, taught)
    assert wanted.shape == (6, 7)
    assert (wanted >= 0).all()
    np.testing.assert_allclose(wanted.sum(axis=1), 1.0, atol=1e-5)


def test_without_crowd_and_teacher_the_intended_emotion_is_all_there_is() -> None:
    np.testing.assert_array_equal(targets(SOME, CONFIGURATION, None, None), np.eye(7)[SOME.labels])


def test_the_crowd_has_its_share_where_it_voted_and_nowhere_else(tmp_path: Path) -> None:
    votes = voted(tmp_path, ("1001_0", "5,1,0,0,4,0"), ("1001_1", "0,0,0,0,0,0"), ("03_3", "9,0,0,0,0,0"))
    wanted = targets(SOME, msgspec.structs.replace(CONFIGURATION, crowd_share=0.4), votes, None)
    # neutral 4 of 10, angry 5 of 10, disgust 1 of 10; the actor was asked for anger.
    np.testing.assert_allclose(wanted[0], [0.16, 0, 0, 0.6 + 0.2, 0, 0.04, 0], atol=1e-6)
    np.testing.assert_array_equal(wanted[1:], np.eye(7)[SOME.labels[1:]])


def test_the_teacher_has_its_share_of_every_clip() -> None:
    taught = np.full((6, 7), 1 / 7, np.float32)
    configuration = msgspec.structs.replace(CONFIGURATION, teacher="telephone-large", teacher_share=0.75)
    wanted = targets(SOME, configuration, None, taught)
    np.testing.assert_allclose(wanted, 0.25 * np.eye(7)[SOME.labels] + 0.75 / 7, atol=1e-6)


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_the_fold_that_is_left_out_is_absent_and_all_others_are_there(computed: list[str], fold: int) -> None:
    lesson = lesson_without(fold, SOME, CONFIGURATION, cache=None)
    assert sorted(lesson.indices) == np.flatnonzero(SOME.folds != fold).tolist()
    assert computed == [variant.name for variant in HEARD]
    assert lesson.speakers.tolist() == SOME.speakers.tolist()


def test_a_small_corpus_is_heard_again_but_for_the_fold_that_is_left_out(computed: list[str]) -> None:
    lesson = lesson_without(1, SOME, msgspec.structs.replace(CONFIGURATION, repeat={"emodb": 3}), cache=None)
    assert computed
    assert sorted(lesson.indices) == [2, 4, 4, 4, 5, 5, 5]


def test_sounds_stand_behind_the_clips_as_callers_of_their_own_and_are_nobodys_emotion(
    computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = SOUNDS_A_CALLER * len(KINDS) + 5
    splits = []

    def quick(count: int, split: str, seed: int) -> tuple[list[str], list[np.ndarray]]:
        splits.append(split)
        rng = np.random.default_rng(seed)
        # Of one kind nothing is left: the product hears silence.
        names = [kind for kind in (sorted(KINDS)[n % len(KINDS)] for n in range(count)) if kind != "silence"]
        return names, [rng.uniform(-0.1, 0.1, 400).astype(np.float32) for _ in names]

    monkeypatch.setattr(lessons, "sounds", quick)
    lesson = lesson_without(2, SOME, msgspec.structs.replace(CONFIGURATION, sounds=count), cache=None)
    assert computed
    assert splits == ["train"]
    n_clips = len(SOME.clips)
    count -= sum(sorted(KINDS)[n % len(KINDS)] == "silence" for n in range(count))
    assert sorted(lesson.indices) == [0, 1, 3, *range(n_clips, n_clips + count)]
    np.testing.assert_array_equal(lesson.targets[n_clips:], np.tile(np.eye(7)[-1], (count, 1)))
    assert not lesson.targets[:n_clips, -1].any()
    np.testing.assert_allclose(lesson.targets.sum(axis=1), 1.0, atol=1e-6)
    assert all(len(hearing) == n_clips + count == len(lesson.speakers) for hearing in lesson.hearings)
    np.testing.assert_array_equal(lesson.hearings[0].frames(3), np.full((2, 61), 3.0))
    names, sizes = np.unique(lesson.speakers[n_clips:], return_counts=True)
    assert all(name.startswith("sounds/") for name in names)
    assert sizes.max() == SOUNDS_A_CALLER
    # As many callers of a kind as its sounds need, each of one kind.
    assert set(names) == {
        f"sounds/{kind}/{caller}"
        for kind in set(KINDS) - {"silence"}
        for caller in range(1 + (sorted(KINDS).index(kind) < 5))
    }
    assert not set(names) & set(SOME.speakers)


@pytest.mark.parametrize("split", ["train", "test"])
def test_sounds_are_of_the_split_that_is_asked_for_and_all_kinds_are_as_frequent(
    monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    made = []

    def make(kind: str, seconds: float, rng: np.random.Generator, split: str, talkers: object = ()) -> np.ndarray:
        made.append((kind, split, len(list(talkers))))
        return babbling(seconds, rng)

    monkeypatch.setattr(lessons, "make", make)
    kinds, heard = sounds(2 * len(KINDS), split, seed=1)
    assert {kind: kinds.count(kind) for kind in KINDS} == dict.fromkeys(KINDS, 2)
    assert {one for _, one, _ in made} == {split}
    assert all(talkers >= 4 for kind, _, talkers in made if kind == "babble")
    assert all(0 < len(one) <= 5 * 8000 for one in heard)


def test_what_the_product_takes_for_silence_is_no_sound_to_be_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(kind: str, seconds: float, rng: np.random.Generator, *_: object) -> np.ndarray:
        voice = babbling(seconds, rng)
        return np.zeros(len(voice), np.float32) if kind in {"silence", "dtmf"} else voice

    monkeypatch.setattr(lessons, "make", make)
    monkeypatch.setattr(lessons, "transmit", lambda samples, *_: samples)
    kinds, heard = sounds(3 * len(KINDS), "train", seed=1)
    assert kinds == [kind for kind in sorted(KINDS) if kind not in {"silence", "dtmf"}] * 3
    assert len(heard) == len(kinds)
    assert all(find(one) is not None for one in heard)


def test_the_same_seed_gives_the_same_sounds_and_the_splits_share_none() -> None:
    first, second = (sounds(len(KINDS), "train", seed=3)[1] for _ in range(2))
    assert len(first) > len(KINDS) // 2
    for one, again in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, again)
    tested = sounds(len(KINDS), "test", seed=3)[1]
    assert not any(len(one) == len(other) and (one == other).all() and one.any() for one in first for other in tested)
