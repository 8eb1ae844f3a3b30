"""Training: each clip of the lesson and no other, callers kept apart, the same network for the same seed."""

import copy

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

import torch

from models.dataset import Utterances
from models.network import EmotionNet, Shape, pack
from models.training import Lesson, Recipe, _augment, _before, _callers, encode, fit

BANDS = 12
SHAPE = Shape(
    labels=("flat", "rising", "falling"),
    bands=BANDS,
    width=24,
    heads=2,
    feed_forward=(32,),
    listens=(0, 1),
    attention=8,
)
QUICK = Recipe(epochs=2, callers=3, utterances=6, averaging=0.5)
TAUGHT = Recipe(
    epochs=12, callers=4, utterances=8, rate=3e-3, head_rate=1e-2, averaging=0.8, time_mask=0.1, band_mask=2, level=0.1
)


def network(seed: int = 0) -> EmotionNet:
    torch.manual_seed(seed)
    return EmotionNet(SHAPE)


def toy(speakers: int, each: int, seed: int = 0) -> tuple[Utterances, np.ndarray, np.ndarray]:
    """Utterances that stay, rise or fall in pitch, of speakers who differ in everything else."""
    rng = np.random.default_rng(seed)
    labels = np.arange(speakers * each) % 3
    names = np.repeat([f"toy/{one}" for one in range(speakers)], each)
    colour = rng.normal(size=(speakers, BANDS)) * 0.15
    rows = []
    for number, label in enumerate(labels):
        length = int(rng.integers(20, 50))
        start, slope = ((6, 0), (2, 8), (10, -8))[label]
        pitch = start + slope * np.linspace(0, 1, length)
        one = np.exp(-((np.arange(BANDS)[None] - pitch[:, None]) ** 2) / 3) + colour[number // each]
        rows.append(one + rng.normal(size=one.shape) * 0.05)
    offsets = np.cumsum([0, *(len(one) for one in rows)]).astype(np.int64)
    return Utterances(np.concatenate(rows).astype(np.float16), offsets), names, labels


def lesson(indices: np.ndarray, *hearings: Utterances, speakers: np.ndarray, labels: np.ndarray) -> Lesson:
    # The fourth is nobody's emotion.
    return Lesson(hearings, speakers, indices, np.eye(4, dtype=np.float32)[labels])


def weights_of(net: EmotionNet) -> dict[str, np.ndarray]:
    return {name: one.detach().numpy().copy() for name, one in net.state_dict().items()}


def assert_same(first: EmotionNet, second: EmotionNet) -> None:
    theirs = weights_of(second)
    for name, one in weights_of(first).items():
        np.testing.assert_array_equal(one, theirs[name], err_msg=name)


def answers(net: EmotionNet, heard: Utterances, clips: np.ndarray, weight: float) -> np.ndarray:
    with torch.inference_mode():
        packed = pack([heard.frames(int(clip)) for clip in clips])
        tokens = net.encode(packed)
        none = net.statistics(tokens, packed).mixed(torch.zeros(len(clips), len(clips)))
        return net.classify(net.pool(net.normalise(tokens, packed.owner, none, weight), packed)).argmax(dim=1).numpy()


@given(
    clips=st.lists(st.integers(0, 4), min_size=1, max_size=80),
    often=st.lists(st.integers(1, 4), min_size=80, max_size=80),
    callers=st.integers(1, 5),
    utterances=st.integers(1, 15),
    seed=st.integers(0, 99),
)
def test_an_epoch_hears_each_clip_as_often_as_the_lesson_says_under_its_own_caller_and_never_twice_in_one(
    clips: list[int], often: list[int], callers: int, utterances: int, seed: int
) -> None:
    speakers = np.array([f"made/{one}" for one in clips])
    indices = np.repeat(np.arange(0, len(clips), 2), often[: len(clips)][::2])
    heard, _, _ = toy(1, 3)
    given_lesson = Lesson([heard], speakers, indices, np.ones((len(clips), 4), np.float32) / 4)
    recipe = Recipe(callers=callers, utterances=utterances)
    batches = _callers(given_lesson, recipe, np.random.default_rng(seed))
    assert all(1 <= len(batch) <= callers for batch in batches)
    assert all(len(set(speakers[caller])) == 1 for batch in batches for caller in batch)
    assert all(len(set(caller.tolist())) == len(caller) > 0 for batch in batches for caller in batch)
    said = np.concatenate([caller for batch in batches for caller in batch])
    assert sorted(said.tolist()) == sorted(indices.tolist())


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    cold=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 999),
)
def test_an_utterance_never_counts_for_itself_and_callers_never_mix(sizes: list[int], cold: float, seed: int) -> None:
    before = _before(sizes, Recipe(cold=cold), np.random.default_rng(seed))
    caller = np.repeat(np.arange(len(sizes)), sizes)
    assert before.shape == (sum(sizes), sum(sizes))
    assert not before.diagonal().any()
    assert not before[caller[:, None] != caller[None]].any()
    assert set(np.unique(before)) <= {0.0, 1.0, 2.0, 3.0}
    assert all(len(set(row[row > 0])) <= 1 for row in before)
    if cold == 1.0:
        assert not before.any()
    if cold == 0.0:
        assert (before.any(axis=1) == (np.repeat(sizes, sizes) > 1)).all()


@given(length=st.integers(1, 200), seed=st.integers(0, 999))
def test_augmentation_hides_and_cuts_and_never_changes_what_was_heard(length: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(length, BANDS)).astype(np.float32)
    before = rows.copy()
    recipe = Recipe(cut=0.5, time_mask=0.15, band_mask=5)
    changed = _augment(rows, recipe, np.random.default_rng(seed))
    np.testing.assert_array_equal(rows, before)
    assert changed.shape[1] == BANDS
    assert max(1, int(0.4 * length)) <= len(changed) <= length
    assert length > 60 or len(changed) == length
    # What is not hidden stands where it stood; what is hidden is one value.
    starts = [n for n in range(length - len(changed) + 1) if (changed == rows[n : n + len(changed)]).any()]
    piece = rows[starts[0] : starts[0] + len(changed)] if starts else changed
    assert len(np.unique(changed[changed != piece])) <= 1


def test_the_recipe_heads_are_solved_by_is_the_one_that_was_chosen() -> None:
    assert (Recipe().ridge, Recipe().after) == (0.04, (0, 1, 3, 4, 7))


def test_augmentation_of_nothing_changes_nothing() -> None:
    rows = np.random.default_rng(0).normal(size=(90, BANDS)).astype(np.float32)
    plain = Recipe(cut=0.0, time_mask=0.0, band_mask=0)
    np.testing.assert_array_equal(_augment(rows, plain, np.random.default_rng(1)), rows)


def test_the_same_seed_gives_the_same_network_and_another_gives_another() -> None:
    heard, speakers, labels = toy(4, 6)
    given_lesson = lesson(np.arange(24), heard, heard, speakers=speakers, labels=labels)
    recipe = msgspec.structs.replace(QUICK, mixup=0.3)
    first, second = (fit(network(), given_lesson, recipe) for _ in range(2))
    assert_same(first, second)
    other = fit(network(), given_lesson, msgspec.structs.replace(recipe, seed=2))
    assert (weights_of(other)["head.weight"] != weights_of(first)["head.weight"]).any()


def test_training_learns_what_speakers_have_in_common() -> None:
    heard, speakers, labels = toy(10, 12)
    known, strangers = np.arange(96), np.arange(96, 120)
    net = fit(network(), lesson(known, heard, speakers=speakers, labels=labels), TAUGHT)
    assert not net.training
    right = answers(net, heard, strangers, TAUGHT.prior_weight) == labels[strangers]
    assert right.mean() > 0.6  # chance is one in three


def test_clips_outside_the_lesson_are_never_touched() -> None:
    heard, speakers, labels = toy(4, 6)
    inside = np.flatnonzero(speakers != "toy/1")
    given_lesson = lesson(inside, heard, speakers=speakers, labels=labels)
    poisoned = Utterances(heard.rows.copy(), heard.offsets)
    targets = given_lesson.targets.copy()
    for clip in np.flatnonzero(speakers == "toy/1"):
        poisoned.rows[poisoned.offsets[clip] : poisoned.offsets[clip + 1]] = np.nan
        targets[clip] = np.nan
    clean = fit(network(), given_lesson, QUICK)
    assert all(np.isfinite(one).all() for one in weights_of(clean).values())
    assert_same(clean, fit(network(), Lesson([poisoned], speakers, inside, targets), QUICK))


def test_whispers_layers_and_those_behind_them_have_rates_of_their_own() -> None:
    heard, speakers, labels = toy(2, 6)
    began = network()
    still = msgspec.structs.replace(QUICK, rate=1e-12, decay=0.0)
    net = fit(copy.deepcopy(began), lesson(np.arange(12), heard, speakers=speakers, labels=labels), still)
    before, after = weights_of(began), weights_of(net)
    for name in before:
        if name.startswith(("first.", "second.", "blocks.")):
            np.testing.assert_allclose(after[name], before[name], atol=1e-6, err_msg=name)
    assert np.abs(after["head.weight"] - before["head.weight"]).max() > 1e-4


@settings(deadline=None, max_examples=15)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=40), seed=st.integers(0, 99))
def test_encoding_many_gives_what_encoding_each_gives_in_the_order_given(lengths: list[int], seed: int) -> None:
    net = network().eval()
    rng = np.random.default_rng(seed)
    utterances = [rng.normal(size=(length, BANDS)).astype(np.float32) for length in lengths]
    found = encode(net, utterances)
    assert len(found) == len(utterances)
    for one, (tokens, said) in zip(utterances, found, strict=True):
        with torch.inference_mode():
            packed = pack([one])
            alone = net.encode(packed)
            moments = net.statistics(alone, packed)
        np.testing.assert_allclose(tokens, alone, atol=1e-5)
        assert said.weight == moments.weight
        np.testing.assert_allclose(said.total, moments.total, atol=1e-4)
        np.testing.assert_allclose(said.squares, moments.squares, atol=1e-4)
