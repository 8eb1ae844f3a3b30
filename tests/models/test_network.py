"""The network and its training; runs where the laboratory's torch is installed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

from models.callers import Callers, prior_of  # noqa: E402 - only where torch is
from models.dataset import Utterances  # noqa: E402
from models.network import EmotionNet, Shape  # noqa: E402
from models.training import Recipe, fit, infer  # noqa: E402

SHAPE = Shape(n_mfcc=8, channels=16, embedding=12)


def utterances(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, 8)).astype(np.float32) for length in lengths]


def trained_norms() -> EmotionNet:
    torch.manual_seed(0)
    net = EmotionNet(SHAPE)
    for _ in range(5):
        net(torch.randn(16, 40, 8), torch.randint(5, 41, (16,)))
    return net.eval()


def test_a_verdict_does_not_depend_on_what_shares_the_batch() -> None:
    net = trained_norms()
    several = utterances(1, 2, 3, 7, 8, 30, 31, 200)
    alone = np.concatenate([infer(net, [one]) for one in several])
    np.testing.assert_allclose(infer(net, several), alone, atol=2e-5)
    with torch.inference_mode():
        unmasked = np.concatenate([net(torch.from_numpy(one[np.newaxis])).numpy() for one in several])
    np.testing.assert_allclose(unmasked, alone, atol=2e-5)


def made_up_corpus() -> tuple[Callers, np.ndarray, Utterances]:
    """Six emotions that differ in two coefficients, under speakers who differ in all."""
    rng = np.random.default_rng(3)
    labels = np.arange(240) % 6
    speakers = np.arange(240) // 24
    offset = rng.normal(size=(10, 8)) * 3
    rows = []
    for label, speaker in zip(labels, speakers, strict=True):
        frames = rng.normal(size=(int(rng.integers(20, 40)), 8)) + offset[speaker]
        frames[:, 0] += 3.0 * np.cos(label * np.pi / 3)
        frames[:, 1] += 3.0 * np.sin(label * np.pi / 3)
        rows.append(frames)
    heard = Utterances(
        np.concatenate(rows).astype(np.float32), np.cumsum([0, *(len(one) for one in rows)]).astype(np.int64)
    )
    return Callers(heard, np.array([f"made/{one}" for one in speakers]), labels), labels, heard


def test_training_learns_what_speakers_have_in_common_and_the_same_each_time() -> None:
    callers, labels, heard = made_up_corpus()
    known, unknown = np.arange(192), np.arange(192, 240)
    prior = prior_of([heard], known, 200.0)
    recipe = Recipe(epochs=15, batch=16, mixup=0.2, cold=0.1, cepstrum_mask=1, averaging=0.9)
    nets = [fit([callers], known, labels, prior=prior, shape=SHAPE, recipe=recipe) for _ in range(2)]
    rng = np.random.default_rng(1)
    judged = [callers.frames(int(i), prior, callers.earlier(int(i), 20, rng)) for i in unknown]
    first, second = (infer(net, judged) for net in nets)
    np.testing.assert_array_equal(first, second)
    assert (first.argmax(axis=1) == labels[unknown]).mean() > 0.35  # chance is one in six
