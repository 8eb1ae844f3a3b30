"""Figures by which models are judged, against what can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import metrics
from streamer.emotion.calibrate import expected_calibration_error


def test_a_confusion_matrix_has_the_truth_in_its_rows() -> None:
    matrix = metrics.confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60))
def test_uar_is_the_mean_over_labels_that_occur_of_the_share_called_right(pairs: list[tuple[int, int]]) -> None:
    truth, guess = np.array(pairs).T
    matrix = metrics.confusion(truth, guess, 6)
    expected = [100 * np.mean(guess[truth == label] == label) for label in np.unique(truth)]
    assert metrics.unweighted_average_recall(matrix) == pytest.approx(np.mean(expected))
    assert metrics.accuracy(matrix) == pytest.approx(100 * np.mean(truth == guess))
    assert matrix.sum() == len(pairs)


def test_always_the_commonest_label_has_the_uar_of_chance() -> None:
    truth = np.array([0] * 90 + [1] * 5 + [2] * 5)
    matrix = metrics.confusion(truth, np.zeros(100, int), 3)
    assert metrics.accuracy(matrix) == 90.0
    assert metrics.unweighted_average_recall(matrix) == pytest.approx(100 / 3)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=50).filter(
        lambda pairs: len({positive for _, positive in pairs}) == 2
    )
)
def test_the_auc_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[int, bool]]) -> None:
    score = np.array([one for one, _ in pairs], float)
    positive = np.array([one for _, one in pairs])
    above = score[positive][:, None] - score[~positive][None, :]
    expected = np.mean((above > 0) + 0.5 * (above == 0))
    assert metrics.area_under_curve(score, positive) == pytest.approx(expected)


@pytest.mark.parametrize("positive", [True, False])
def test_an_auc_of_one_kind_only_is_refused(positive: bool) -> None:
    with pytest.raises(ValueError, match="needs both kinds"):
        metrics.area_under_curve(np.arange(3.0), np.full(3, positive))


def test_a_detector_is_judged_by_its_sum_and_by_its_calls() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.1, 0.8, 0.1], [0.1, 0.3, 0.6]])
    figures = metrics.detector(probabilities, np.array([0, 1, 1, 2]), wanted=(1, 2))
    assert figures["auc"] == 1.0
    assert figures["recall"] == pytest.approx(100 * 2 / 3)
    assert figures["false_alarms"] == 0.0
    assert figures["precision"] == 100.0


def test_a_detector_that_never_calls_has_no_precision_and_no_recall() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4]])
    figures = metrics.detector(probabilities, np.array([0, 1]), wanted=(1,))
    assert (figures["recall"], figures["precision"], figures["false_alarms"]) == (0.0, 0.0, 0.0)


def test_the_spread_is_over_speakers_and_not_over_clips() -> None:
    right = np.array([True, False, True, True, False, False, False, False])
    speakers = np.array(["a", "a", "b", "b", "c", "c", "c", "c"])
    figures = metrics.spread(right, speakers)
    assert (figures["worst"], figures["median"], figures["best"]) == (0.0, 50.0, 100.0)
    assert (figures["lower_quartile"], figures["upper_quartile"]) == (25.0, 75.0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_the_uar_of_each_group_once_is_that_of_all_clips(triples: list[tuple[int, int, int]]) -> None:
    groups, truth, guess = np.array(triples).T
    matrices = np.stack([metrics.confusion(truth[groups == g], guess[groups == g], 3) for g in range(4)])
    whole = metrics.unweighted_average_recall(metrics.confusion(truth, guess, 3))
    assert metrics.uar_over_draws(matrices, np.ones((1, 4), int)).tolist() == [pytest.approx(whole)]


def test_a_draw_without_a_clip_has_no_uar() -> None:
    matrices = np.array([[[0, 0], [0, 0]], [[3, 1], [0, 4]]])
    none, all_of_it = metrics.uar_over_draws(matrices, np.array([[2, 0], [0, 2]]))
    assert np.isnan(none)
    assert all_of_it == 87.5


@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 5))
def test_a_bootstrap_draws_as_many_groups_as_there_are(count: int, draws: int, seed: int) -> None:
    drawn = metrics.draw_groups(count, draws, seed)
    assert drawn.shape == (draws, count)
    assert (drawn.sum(axis=1) == count).all()
    assert (drawn == metrics.draw_groups(count, draws, seed)).all()


def test_reliability_bins_hold_every_clip_and_leave_out_empty_ones() -> None:
    probabilities = np.array([[0.55, 0.45], [0.95, 0.05], [0.05, 0.95], [0.0, 1.0]])
    bins = metrics.reliability(probabilities, np.array([0, 0, 0, 1]), n_bins=10)
    assert [(one["low"], one["clips"]) for one in bins] == [(0.5, 1), (0.9, 3)]
    assert bins[1]["accuracy"] == pytest.approx(2 / 3)
    assert bins[1]["confidence"] == pytest.approx((0.95 + 0.95 + 1.0) / 3)


@given(st.integers(1, 200), st.integers(0, 3), st.integers(1, 20))
def test_reliability_bins_add_up_to_the_calibration_error(count: int, seed: int, n_bins: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities, truth = rng.dirichlet(np.ones(4), count), rng.integers(0, 4, count)
    bins = metrics.reliability(probabilities, truth, n_bins)
    error = sum(one["clips"] * abs(one["confidence"] - one["accuracy"]) for one in bins) / count
    assert error == pytest.approx(expected_calibration_error(probabilities, truth, n_bins))
