"""The series' networks have the series' sizes, learn what can be learnt, and do the same each time."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

import torch

from models.baselines_cnn import Settings, judge, one_dimensional, two_dimensional
from models.baselines_features import CLASSES, FRAMES, MFCC

SHAPES = [(one_dimensional, (FRAMES,), 1_284_622), (two_dimensional, (MFCC.n_mfcc, FRAMES), 152_270)]


@pytest.mark.parametrize(("build", "shape", "n_weights"), SHAPES, ids=["1-D", "2-D"])
def test_a_network_has_the_weights_of_the_series_and_a_logit_for_each_class(build, shape, n_weights) -> None:
    net = build().eval()
    assert sum(one.numel() for one in net.parameters()) == n_weights
    with torch.inference_mode():
        assert net(torch.zeros(2, *shape)).shape == (2, len(CLASSES))


def told_apart(shape: tuple[int, ...], n_clips: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes, one of which is louder in the first half."""
    rng = np.random.default_rng(4)
    classes = np.arange(n_clips) % 2
    features = rng.normal(size=(n_clips, *shape)) - 30.0
    features[classes == 1, ..., : FRAMES // 2] += 2.0
    return features.astype(np.float16), classes


@pytest.mark.parametrize(
    ("build", "shape", "settings"),
    [
        (one_dimensional, SHAPES[0][1], Settings(4, 1e-4, "rmsprop")),
        (two_dimensional, SHAPES[1][1], Settings(4, 1e-2)),
    ],
    ids=["1-D", "2-D"],
)
def test_a_network_learns_what_differs_and_says_so_in_probabilities(build, shape, settings, capsys) -> None:
    features, classes = told_apart(shape, 177)
    said = judge(build, settings, (features[:161], classes[:161]), features[161:], "toy")
    assert said.shape == (16, len(CLASSES))
    np.testing.assert_allclose(said.sum(axis=1), 1.0, atol=1e-6)
    assert (said.argmax(axis=1) == classes[161:]).mean() > 0.9
    assert "toy: epoch 4 of 4" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_verdicts_and_another_others() -> None:
    features, classes = told_apart((FRAMES,), 20)
    said = [
        judge(one_dimensional, Settings(1, 1e-4, seed=seed), (features, classes), features[:4], "toy")
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(said[0], said[1])
    assert not np.array_equal(said[0], said[2])


def test_what_is_judged_does_not_change_how_others_are_judged() -> None:
    features, classes = told_apart((FRAMES,), 20)
    alone = judge(one_dimensional, Settings(1, 1e-4), (features, classes), features[:1], "toy")
    among = judge(one_dimensional, Settings(1, 1e-4), (features, classes), features[:1].repeat(3, axis=0), "toy")
    np.testing.assert_allclose(among, alone.repeat(3, axis=0), atol=2e-3)


def test_a_place_that_never_varies_is_no_division_by_zero() -> None:
    features, classes = told_apart((FRAMES,), 20)
    features[:, -10:] = 0.0
    assert np.isfinite(judge(one_dimensional, Settings(1, 1e-4), (features, classes), features[:2], "toy")).all()
