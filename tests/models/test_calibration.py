"""Temperature and threshold are fitted on others, and on speech only; sounds are scored by them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import WISHED_DOUBT, break_even, calibrate, doubt_by_kind, threshold_of
from streamer.emotion.calibrate import expected_calibration_error, softmax


def drawn(
    temperature: float, seed: int = 0, sharpness: float = 2.0, count: int = 3000
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of two equal draws of some clips whose truth follows softmax(logits / temperature), in five folds."""
    rng = np.random.default_rng(seed)
    logits = np.repeat((rng.normal(size=(1, count, 6)) * sharpness).astype(np.float32), 2, axis=0)
    cumulated = softmax(logits[0], temperature).cumsum(axis=1)
    truth = (rng.random((count, 1)) > cumulated).sum(axis=1).clip(0, 5)
    return logits, truth, rng.integers(1, 6, count)


def test_the_temperature_is_found_and_helps() -> None:
    logits, truth, folds = drawn(2.0)
    found = calibrate(logits, truth, folds)
    assert found.temperature == pytest.approx(2.0, rel=0.1)
    after = expected_calibration_error(found.probabilities(logits[0], folds), truth)
    assert after < 0.03 < expected_calibration_error(softmax(logits[0]), truth)


def test_a_fold_has_no_say_in_its_own_temperature_and_threshold() -> None:
    logits, truth, folds = drawn(1.0)
    found = calibrate(logits, truth, folds)
    wrong = np.where(folds == 3, (logits[0].argmax(axis=1) + 1) % 6, truth)
    other = calibrate(logits, wrong, folds)
    assert other.temperatures[3] == found.temperatures[3]
    assert other.thresholds[3] == found.thresholds[3]
    assert other.temperatures[1] != found.temperatures[1]
    assert other.temperature > found.temperature


def test_speakers_of_no_fold_are_judged_by_what_ships() -> None:
    logits, truth, folds = drawn(1.5)
    found = calibrate(logits, truth, folds)
    nobody = np.zeros(len(truth), int)
    shipped = found.probabilities(logits[0], nobody)
    assert shipped == pytest.approx(softmax(logits[0], found.temperature))
    assert found.certain(shipped, nobody).tolist() == (shipped.max(axis=1) >= found.threshold.value).tolist()


def test_with_one_fold_only_what_ships_is_all_there_is() -> None:
    logits, truth, _ = drawn(1.0)
    found = calibrate(logits, truth, np.ones(len(truth), int))
    assert (found.temperatures, found.thresholds) == ({}, {})


@given(st.integers(0, 20), st.integers(1, 60), st.floats(0.2, 4.0))
def test_no_cut_has_more_right_beyond_wrong_than_the_break_even(seed: int, count: int, sharpness: float) -> None:
    rng = np.random.default_rng(seed)
    probabilities = softmax(rng.normal(size=(count, 3)) * sharpness)
    truth = rng.integers(0, 3, count)
    right = np.where(probabilities.argmax(axis=1) == truth, 1, -1)
    confidence = probabilities.max(axis=1)
    gains = [int(right[confidence >= cut].sum()) for cut in confidence]
    found = break_even(probabilities, truth)
    assert int(right[confidence >= found].sum()) == max(0, *gains)


def test_a_calibrated_verdict_likelier_wrong_than_right_is_uncertain_however_good_the_rest() -> None:
    logits, truth, _ = drawn(1.0, sharpness=3.0, count=20000)
    probabilities = softmax(logits[0])
    found = threshold_of(probabilities, truth)
    assert (probabilities.argmax(axis=1) == truth).mean() > 0.7
    assert found.accuracy < 0.35
    assert found.value == found.even == pytest.approx(0.5, abs=0.06)
    assert found.decided_by == "even"


def test_a_poor_network_is_uncertain_until_seven_of_ten_are_right() -> None:
    logits, truth, _ = drawn(1.0, sharpness=1.2)
    probabilities = softmax(logits[0])
    found = threshold_of(probabilities, truth)
    certain = probabilities.max(axis=1) >= found.value
    assert found.decided_by == "accuracy"
    assert (probabilities.argmax(axis=1) == truth)[certain].mean() == pytest.approx(0.7, abs=0.02)


CALIBRATION = calibrate(*drawn(1.0, sharpness=4.0))
CONFIDENT, FLAT = np.array([9.0, 0, 0, 0, 0, 0]), np.zeros(6)


@given(
    kinds=st.lists(st.sampled_from(["music", "busy", "hum"]), min_size=1, max_size=60),
    sharpness=st.floats(0.1, 8.0),
    seed=st.integers(0, 99),
)
def test_sounds_are_scored_by_the_threshold_of_speech_and_what_they_would_need_is_told(
    kinds: list[str], sharpness: float, seed: int
) -> None:
    logits = (np.random.default_rng(seed).normal(size=(len(kinds), 6)) * sharpness).astype(np.float32)
    found = doubt_by_kind(kinds, logits, CALIBRATION)
    assert set(found) == {"all", *kinds}
    confidence = softmax(logits, CALIBRATION.temperature).max(axis=1)
    for kind, one in found.items():
        own = confidence[[kind in {"all", name} for name in kinds]]
        assert one["sounds"] == len(own)
        assert one["confidence"] == pytest.approx(own.mean())
        assert one["uncertain"] == pytest.approx(100 * (own < CALIBRATION.threshold.value).mean())
        # The least threshold that is enough: any lower one would let a sound more through.
        assert (own < one["needed"]).mean() >= WISHED_DOUBT
        assert (own < np.nextafter(one["needed"], 0.0)).mean() < WISHED_DOUBT
    assert sum(one["sounds"] for kind, one in found.items() if kind != "all") == found["all"]["sounds"]


def test_a_kind_of_sound_the_network_is_sure_of_is_shown_as_such() -> None:
    found = doubt_by_kind(("busy", "music") * 20, np.array([CONFIDENT, FLAT] * 20, np.float32), CALIBRATION)
    assert {kind: one["uncertain"] for kind, one in found.items()} == {"all": 50.0, "busy": 0.0, "music": 100.0}
    assert found["busy"]["needed"] > CALIBRATION.threshold.value > found["music"]["needed"]
    assert found["music"]["confidence"] == pytest.approx(1 / 6)
