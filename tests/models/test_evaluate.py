"""Figures of a report; runs where the laboratory's torch is installed."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

from models.evaluate import calibrated, describe
from streamer.emotion.calibrate import softmax


def drawn(temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of two draws of 3000 clips whose truth follows softmax(logits / temperature), in five folds."""
    rng = np.random.default_rng(seed)
    logits = (rng.normal(size=(2, 3000, 6)) * 2.0).astype(np.float32)
    logits[1] = logits[0]
    cumulated = softmax(logits[0], temperature).cumsum(axis=1)
    truth = (rng.random((3000, 1)) > cumulated).sum(axis=1).clip(0, 5)
    return logits, truth, rng.integers(1, 6, 3000)


def test_calibration_is_found_and_helps() -> None:
    figures = calibrated(*drawn(2.0))
    assert figures["temperature"] == pytest.approx(2.0, rel=0.1)
    assert figures["ece_after"] < 0.03 < figures["ece_before"]
    assert figures["accuracy_when_certain"] == pytest.approx(70.0, abs=4.0)
    assert figures["accuracy_when_uncertain"] < 70.0


def test_a_fold_is_judged_by_the_temperature_of_the_others() -> None:
    # One fold is confidently wrong: its own figures must not be able to hide it.
    logits, truth, folds = drawn(1.0)
    truth = np.where(folds == 3, (logits[0].argmax(axis=1) + 1) % 6, truth)
    assert calibrated(logits, truth, folds)["ece_after"] > 0.08


def test_a_description_counts_what_was_called_what() -> None:
    truth = np.array([0, 1, 2, 3, 4, 5, 3, 3])
    guess = np.array([0, 1, 2, 3, 4, 5, 0, 3])
    probabilities = np.full((8, 6), 0.02)
    probabilities[np.arange(8), guess] = 0.9
    figures = describe(probabilities, truth, np.array(["a"] * 6 + ["b"] * 2))
    assert figures["clips"] == 8
    assert figures["accuracy"] == 87.5
    assert figures["uar"] == pytest.approx(100 * (5 + 2 / 3) / 6)
    assert figures["recall"]["angry"] == pytest.approx(200 / 3)
    assert figures["angry_vs_rest"]["precision"] == 100.0
    assert figures["accuracy_by_speaker"]["worst"] == 50.0
