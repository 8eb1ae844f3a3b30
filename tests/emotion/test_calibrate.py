"""Calibration: probabilities that mean what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from streamer.emotion.calibrate import (
    accuracy_at_coverage,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    softmax,
    threshold_for_accuracy,
)

LOGITS = arrays.arrays(np.float32, (7, 6), elements=st.floats(-80, 80, width=32))
TEMPERATURES = st.floats(0.05, 20)


def drawn(temperature: float, n_clips: int = 20_000, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose truth really follows softmax(logits / temperature)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n_clips, 6)) * 2.0
    cumulated = softmax(logits, temperature).cumsum(axis=1)
    return logits, (rng.random((n_clips, 1)) > cumulated).sum(axis=1).clip(0, 5)


@given(LOGITS, TEMPERATURES)
def test_scores_are_probabilities_in_the_order_of_the_logits(logits: np.ndarray, temperature: float) -> None:
    probabilities = softmax(logits, temperature)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (probabilities >= 0).all()
    assert (np.diff(np.take_along_axis(probabilities, logits.argsort(axis=1), axis=1), axis=1) >= 0).all()


@given(LOGITS, st.floats(-50, 50, width=32), TEMPERATURES)
def test_adding_the_same_to_all_logits_changes_nothing(logits: np.ndarray, shift: float, temperature: float) -> None:
    exact = logits.astype(np.float64)
    np.testing.assert_allclose(softmax(exact + shift, temperature), softmax(exact, temperature), atol=1e-9)


@given(LOGITS)
def test_a_higher_temperature_is_never_more_confident(logits: np.ndarray) -> None:
    confidence = [softmax(logits, temperature).max(axis=1) for temperature in (0.5, 1.0, 2.0, 8.0)]
    assert (np.diff(np.stack(confidence), axis=0) <= 1e-12).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        softmax(np.zeros((1, 6)), temperature)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_is_the_one_the_truth_was_drawn_with(temperature: float) -> None:
    logits, truth = drawn(temperature)
    assert fit_temperature(logits, truth) == pytest.approx(temperature, rel=0.05)


@given(st.integers(0, 10_000))
def test_no_temperature_beats_the_fitted_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, truth = rng.normal(size=(40, 6)), rng.integers(0, 6, 40)
    best = negative_log_likelihood(logits, truth, fit_temperature(logits, truth))
    for other in (0.06, 0.3, 1.0, 4.0, 19.0):
        assert best <= negative_log_likelihood(logits, truth, other) + 1e-4


def test_calibrated_scores_have_hardly_any_calibration_error_and_overconfident_ones_do() -> None:
    logits, truth = drawn(2.0)
    assert expected_calibration_error(softmax(logits, 2.0), truth) < 0.02
    assert expected_calibration_error(softmax(logits, 1.0), truth) > 0.1


def test_the_calibration_error_is_the_gap_that_can_be_counted_by_hand() -> None:
    # Two clips at 0.9, one right: a gap of 0.4; two at 0.6, both right: again 0.4.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    assert expected_calibration_error(probabilities, np.array([0, 1, 1, 1])) == pytest.approx(0.4)


def test_certainty_falls_into_the_last_bin() -> None:
    assert expected_calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0.0


def test_accuracy_at_coverage_counts_the_most_confident_clips_only() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55]])
    truth = np.array([0, 0, 0, 1])
    assert accuracy_at_coverage(probabilities, truth, 0.5) == 1.0
    assert accuracy_at_coverage(probabilities, truth, 0.75) == pytest.approx(2 / 3)
    assert accuracy_at_coverage(probabilities, truth, 1.0) == 0.75
    assert accuracy_at_coverage(probabilities, truth, 0.001) == 1.0


@given(st.integers(0, 10_000), st.floats(0.2, 0.95))
def test_verdicts_at_or_above_the_threshold_reach_the_accuracy_and_no_lower_threshold_does(
    seed: int, accuracy: float
) -> None:
    rng = np.random.default_rng(seed)
    # Few distinct confidences, so that ties are common.
    first = rng.integers(11, 20, 60) / 20
    probabilities = np.stack([first, 1 - first], axis=1)
    truth = rng.integers(0, 2, 60)
    threshold = threshold_for_accuracy(probabilities, truth, accuracy)
    right = truth == 0
    for candidate in np.unique(first):
        kept = first >= candidate
        reaches = right[kept].mean() >= accuracy
        if candidate == threshold:
            assert reaches
        if candidate < threshold:
            assert not reaches


def test_when_no_verdict_is_accurate_enough_all_are_uncertain() -> None:
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3]])
    assert threshold_for_accuracy(probabilities, np.array([1, 1]), 0.5) == 1.0
