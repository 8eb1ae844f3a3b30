"""The last layer is solved for: the best there is for the layers before it, which stay as they are."""

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

import torch

from models.dataset import Utterances
from models.heads import fit_head
from models.network import EmotionNet, Shape, pack
from models.training import Lesson, Recipe

BANDS = 12
SHAPE = Shape(
    labels=("low", "middle", "high"), bands=BANDS, width=24, heads=2, feed_forward=(32,), listens=(1,), attention=8
)
RECIPE = Recipe(ridge=0.01)


def toy(speakers: int = 5, each: int = 6) -> tuple[Utterances, np.ndarray, np.ndarray]:
    """Utterances with a loud band, of which there are three, and its speaker's colour."""
    rng = np.random.default_rng(0)
    labels = np.arange(speakers * each) % 3
    colour = rng.normal(size=(speakers, BANDS)) * 0.2
    rows = []
    for number, label in enumerate(labels):
        one = rng.normal(size=(int(rng.integers(10, 30)), BANDS)) * 0.05 + colour[number // each]
        one[:, 2 + 4 * label] += 1.0
        rows.append(one)
    offsets = np.cumsum([0, *(len(one) for one in rows)]).astype(np.int64)
    names = np.repeat([f"toy/{one}" for one in range(speakers)], each)
    return Utterances(np.concatenate(rows).astype(np.float16), offsets), names, labels


HEARD, SPEAKERS, LABELS = toy()


def lesson(indices: np.ndarray, heard: Utterances = HEARD) -> Lesson:
    # The fourth is nobody's emotion.
    return Lesson([heard, heard], SPEAKERS, indices, np.eye(4, dtype=np.float32)[LABELS])


def network() -> EmotionNet:
    torch.manual_seed(0)
    return EmotionNet(SHAPE)


def weights_of(net: EmotionNet) -> dict[str, np.ndarray]:
    return {name: one.detach().numpy().copy() for name, one in net.state_dict().items()}


def test_only_prior_standardisation_and_last_layer_are_set() -> None:
    net = network()
    before = weights_of(net)
    fit_head(net, lesson(np.arange(30)), RECIPE, (0, 1))
    after = weights_of(net)
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed == {
        "mean",
        "squares",
        "pooled_norm.running_mean",
        "pooled_norm.running_var",
        "head.weight",
        "head.bias",
    }
    assert isinstance(net.pooled_norm, torch.nn.BatchNorm1d)


def test_the_prior_is_what_the_network_makes_of_the_lesson() -> None:
    net = network()
    clips = np.arange(12)
    fit_head(net, lesson(clips), RECIPE, (0,))
    with torch.inference_mode():
        packed = pack([HEARD.frames(int(clip)) for clip in clips])
        tokens = net.encode(packed)[packed.spoken > 0]
    # Solved for in half precision.
    np.testing.assert_allclose(net.mean, tokens.mean(dim=0), atol=0.02)
    np.testing.assert_allclose(net.squares, tokens.square().mean(dim=0), rtol=0.03, atol=0.02)


def test_what_depends_on_a_plain_band_is_found_and_the_loss_that_is_told_is_the_one_that_is_left() -> None:
    net = network()
    loss = fit_head(net, lesson(np.arange(30)), RECIPE, (0, 1))
    even = float(np.log(4))
    assert loss < 0.75 * even
    with torch.inference_mode():
        packed = pack([HEARD.frames(clip) for clip in range(30)])
        tokens = net.eval().encode(packed)
        none = net.statistics(tokens, packed).mixed(torch.zeros(30, 30))
        answers = net.classify(net.pool(net.normalise(tokens, packed.owner, none, RECIPE.prior_weight), packed))
    assert (answers.argmax(dim=1).numpy() == LABELS).mean() > 0.9


def test_labels_are_not_smoothed_where_the_last_layer_is_solved_for() -> None:
    plain, smooth = network(), network()
    fit_head(plain, lesson(np.arange(30)), msgspec.structs.replace(RECIPE, smoothing=0.0), (0,))
    fit_head(smooth, lesson(np.arange(30)), msgspec.structs.replace(RECIPE, smoothing=0.5), (0,))
    np.testing.assert_array_equal(plain.head.weight.detach(), smooth.head.weight.detach())
    # What never occurs is told apart as far as the squared weights let it: nothing holds its share up.
    with torch.inference_mode():
        share = torch.softmax(plain.head.bias, dim=0)
    assert share[3] < 0.01


def test_larger_ridge_gives_smaller_weights_and_the_same_seed_the_same() -> None:
    nets = [network() for _ in range(3)]
    for net, ridge in zip(nets, (0.01, 0.01, 1.0), strict=True):
        fit_head(net, lesson(np.arange(30)), msgspec.structs.replace(RECIPE, ridge=ridge), (0,))
    first, second, small = (weights_of(net)["head.weight"] for net in nets)
    np.testing.assert_array_equal(first, second)
    assert np.abs(small).sum() < 0.5 * np.abs(first).sum()


def test_a_clip_that_stands_twice_in_a_lesson_weighs_twice() -> None:
    # All clips twice change nothing; the clips of one label twice make that label likelier.
    even, doubled, more = network(), network(), network()
    fit_head(even, lesson(np.arange(30)), RECIPE, (0,))
    fit_head(doubled, lesson(np.tile(np.arange(30), 2)), RECIPE, (0,))
    fit_head(more, lesson(np.concatenate((np.arange(30), *[np.flatnonzero(LABELS == 2)] * 4))), RECIPE, (0,))
    np.testing.assert_allclose(doubled.head.weight.detach(), even.head.weight.detach(), atol=1e-3)
    assert more.head.bias[2] > even.head.bias[2] + 0.05


def test_clips_outside_the_lesson_are_never_touched() -> None:
    inside = np.flatnonzero(SPEAKERS != "toy/2")
    poisoned = Utterances(HEARD.rows.copy(), HEARD.offsets)
    for clip in np.flatnonzero(SPEAKERS == "toy/2"):
        poisoned.rows[poisoned.offsets[clip] : poisoned.offsets[clip + 1]] = np.nan
    clean, other = network(), network()
    assert fit_head(clean, lesson(inside), RECIPE, (0,)) == fit_head(other, lesson(inside, poisoned), RECIPE, (0,))
    theirs = weights_of(other)
    for name, one in weights_of(clean).items():
        np.testing.assert_array_equal(one, theirs[name], err_msg=name)


def test_a_speaker_heard_once_has_no_one_else_before() -> None:
    net, again = network(), network()
    alone = msgspec.structs.replace(lesson(np.arange(30)), speakers=np.array([f"toy/{n}" for n in range(30)]))
    fit_head(net, alone, RECIPE, (0,))
    fit_head(again, alone, msgspec.structs.replace(RECIPE, cold=1.0), (0,))
    np.testing.assert_allclose(net.head.weight.detach(), again.head.weight.detach(), atol=1e-6)
