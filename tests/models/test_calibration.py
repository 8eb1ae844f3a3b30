"""Temperature and threshold are fitted on others, and doubt what should be doubted."""

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
    found = calibrate(logits, truth, folds, None)
    assert found.temperature == pytest.approx(2.0, rel=0.1)
    after = expected_calibration_error(found.probabilities(logits[0], folds), truth)
    assert after < 0.03 < expected_calibration_error(softmax(logits[0]), truth)


def test_a_fold_has_no_say_in_its_own_temperature_and_threshold() -> None:
    logits, truth, folds = drawn(1.0)
    found = calibrate(logits, truth, folds, None)
    wrong = np.where(folds == 3, (logits[0].argmax(axis=1) + 1) % 6, truth)
    other = calibrate(logits, wrong, folds, None)
    assert other.temperatures[3] == found.temperatures[3]
    assert other.thresholds[3] == found.thresholds[3]
    assert other.temperatures[1] != found.temperatures[1]
    assert other.temperature > found.temperature


def test_speakers_of_no_fold_are_judged_by_what_ships() -> None:
    logits, truth, folds = drawn(1.5)
    found = calibrate(logits, truth, folds, None)
    nobody = np.zeros(len(truth), int)
    shipped = found.probabilities(logits[0], nobody)
    assert shipped == pytest.approx(softmax(logits[0], found.temperature))
    assert found.certain(shipped, nobody).tolist() == (shipped.max(axis=1) >= found.threshold.value).tolist()


def test_with_one_fold_only_what_ships_is_all_there_is() -> None:
    logits, truth, _ = drawn(1.0)
    found = calibrate(logits, truth, np.ones(len(truth), int), None)
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
    found = threshold_of(probabilities, truth, None)
    assert (probabilities.argmax(axis=1) == truth).mean() > 0.7
    assert found.accuracy < 0.35
    assert found.value == found.even == pytest.approx(0.5, abs=0.06)
    assert found.decided_by == "even"


def test_a_poor_network_is_uncertain_until_seven_of_ten_are_right() -> None:
    logits, truth, _ = drawn(1.0, sharpness=1.2)
    probabilities = softmax(logits[0])
    found = threshold_of(probabilities, truth, None)
    certain = probabilities.max(axis=1) >= found.value
    assert found.decided_by == "accuracy"
    assert (probabilities.argmax(axis=1) == truth)[certain].mean() == pytest.approx(0.7, abs=0.02)


def test_sounds_raise_the_threshold_until_nine_in_ten_are_doubted() -> None:
    logits, truth, _ = drawn(1.0, sharpness=4.0)
    sounds = np.linspace(0.2, 0.8, 100)
    found = threshold_of(softmax(logits[0]), truth, sounds)
    assert found.decided_by == "sounds"
    assert (sounds < found.value).mean() == pytest.approx(WISHED_DOUBT)


def test_each_half_of_the_sounds_is_judged_by_the_other() -> None:
    logits, truth, folds = drawn(1.0, sharpness=4.0)
    confident, flat = np.array([9.0, 0, 0, 0, 0, 0]), np.zeros(6)
    # Every second sound of the kind is judged confidently: the first half cannot have known.
    sounds = np.array([flat, confident] * 20, np.float32)
    found = doubt_by_kind(("music",) * 40, sounds, calibrate(logits, truth, folds, sounds))
    assert found["music"]["uncertain"] == 50.0
    kinds = ("music", "music", "silence", "silence") * 10
    by_kind = doubt_by_kind(kinds, np.array([flat] * 40, np.float32), calibrate(logits, truth, folds, None))
    assert {kind: one["sounds"] for kind, one in by_kind.items()} == {"all": 40, "music": 20, "silence": 20}
    assert {one["uncertain"] for one in by_kind.values()} == {100.0}
    assert by_kind["all"]["confidence"] == pytest.approx(1 / 6)


def test_one_sound_alone_is_judged_by_speech_only() -> None:
    logits, truth, folds = drawn(1.0, sharpness=4.0)
    sounds = np.array([[9.0, 0, 0, 0, 0, 0]], np.float32)
    found = doubt_by_kind(("music",), sounds, calibrate(logits, truth, folds, sounds))
    assert found["all"]["uncertain"] == 0.0
