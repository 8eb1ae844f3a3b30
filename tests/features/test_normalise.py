"""A caller's statistics: causal, from the prior towards the caller."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.features.normalise import Moments, Prior, RunningNormaliser

PRIOR = Prior(mean=(1.0, -20.0, 300.0), std=(2.0, 0.5, 40.0), weight_frames=50.0)


def said(seed: int, n_frames: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n_frames, 3)) * [3.0, 1.0, 60.0] + [2.0, -22.0, 250.0] + shift).astype(np.float32)


def test_before_a_caller_has_spoken_the_prior_holds() -> None:
    frames = said(1, 30)
    expected = (frames - np.array(PRIOR.mean)) / np.array(PRIOR.std)
    normalised = RunningNormaliser(PRIOR).apply(frames)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised, expected, rtol=1e-4, atol=1e-4)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 80)), max_size=8), st.integers(0, 10**6))
def test_utterances_count_alike_however_they_are_split_and_ordered(
    utterances: list[tuple[int, int]], seed: int
) -> None:
    parts = [said(one, length) for one, length in utterances]
    judged = said(7, 20)
    one_by_one, at_once, shuffled = (RunningNormaliser(PRIOR) for _ in range(3))
    for part in parts:
        one_by_one.update(part)
    at_once.update(np.concatenate([np.empty((0, 3), np.float32), *parts]))
    for index in np.random.default_rng(seed).permutation(len(parts)):
        shuffled.remember(Moments.of(parts[index]))
    assert one_by_one.n_frames == at_once.n_frames == sum(map(len, parts))
    np.testing.assert_allclose(one_by_one.apply(judged), at_once.apply(judged), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(one_by_one.apply(judged), shuffled.apply(judged), rtol=1e-4, atol=1e-4)


@given(st.integers(0, 999), st.integers(0, 400))
def test_applying_changes_nothing(seed: int, heard: int) -> None:
    normaliser = RunningNormaliser(PRIOR)
    normaliser.update(said(seed, heard))
    frames = said(seed + 1, 15)
    before = frames.copy()
    first = normaliser.apply(frames)
    normaliser.apply(said(seed + 2, 50, shift=100.0))
    np.testing.assert_array_equal(normaliser.apply(frames), first)
    np.testing.assert_array_equal(frames, before)
    assert normaliser.n_frames == heard


@given(st.integers(0, 999), st.integers(0, 400))
def test_the_statistics_are_those_that_frames_are_normalised_by(seed: int, heard: int) -> None:
    normaliser = RunningNormaliser(PRIOR)
    normaliser.update(said(seed, heard))
    frames = said(seed + 1, 15)
    mean, std = normaliser.statistics()
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_allclose((frames - mean) / std, normaliser.apply(frames), rtol=1e-4, atol=1e-4)
    assert normaliser.n_frames == heard


def test_before_a_caller_has_spoken_the_statistics_are_the_priors() -> None:
    mean, std = RunningNormaliser(PRIOR).statistics()
    np.testing.assert_allclose(mean, PRIOR.mean, rtol=1e-6)
    np.testing.assert_allclose(std, PRIOR.std, rtol=1e-5)


@given(st.integers(0, 999), st.floats(0, 1), st.integers(1, 60))
def test_frames_may_count_in_part_and_at_nothing_change_nothing(seed: int, share: float, n_frames: int) -> None:
    whole = Moments.of(said(seed, n_frames))
    part = Moments(share * whole.n_frames, share * whole.total, share * whole.squares)
    rest = Moments(whole.n_frames - part.n_frames, whole.total - part.total, whole.squares - part.squares)
    at_once, in_parts, untouched = (RunningNormaliser(PRIOR) for _ in range(3))
    at_once.remember(whole)
    in_parts.remember(part)
    in_parts.remember(rest)
    untouched.remember(Moments(0.0, np.zeros(3), np.zeros(3)))
    assert in_parts.n_frames == pytest.approx(n_frames)
    np.testing.assert_allclose(in_parts.statistics(), at_once.statistics(), rtol=1e-5)
    np.testing.assert_array_equal(untouched.statistics(), RunningNormaliser(PRIOR).statistics())


@pytest.mark.parametrize(("total", "squares"), [(2, 3), (3, 2), (4, 4)])
def test_moments_of_another_width_are_refused_and_leave_no_trace(total: int, squares: int) -> None:
    normaliser = RunningNormaliser(PRIOR)
    with pytest.raises(ValueError, match=r"moments of 3 coefficients, got shape"):
        normaliser.remember(Moments(1.0, np.zeros(total), np.zeros(squares)))
    assert normaliser.n_frames == 0


def test_half_the_weight_is_the_callers_after_as_many_frames_as_the_prior_weighs() -> None:
    normaliser = RunningNormaliser(PRIOR)
    heard = said(3, 50)
    normaliser.update(heard)
    exact = heard.astype(np.float64)
    mean = (np.array(PRIOR.mean) + exact.mean(0)) / 2
    square = (np.square(PRIOR.mean) + np.square(PRIOR.std) + np.square(exact).mean(0)) / 2
    frames = said(4, 10)
    expected = (frames - mean) / np.sqrt(square - np.square(mean))
    np.testing.assert_allclose(normaliser.apply(frames), expected, rtol=1e-4, atol=1e-4)


def test_a_caller_who_has_said_much_is_normalised_by_their_own_statistics() -> None:
    normaliser = RunningNormaliser(PRIOR)
    heard = said(5, 100_000)
    normaliser.update(heard)
    normalised = normaliser.apply(heard)
    np.testing.assert_allclose(normalised.mean(0), 0.0, atol=0.01)
    np.testing.assert_allclose(normalised.std(0), 1.0, atol=0.02)


def test_a_caller_who_never_varies_gives_finite_features() -> None:
    normaliser = RunningNormaliser(PRIOR)
    same = np.full((10_000, 3), 1000.0, np.float32)
    for _ in range(20):
        normaliser.update(same)
    assert np.isfinite(normaliser.apply(same)).all()


def test_no_frames_normalise_to_no_frames() -> None:
    assert RunningNormaliser(PRIOR).apply(np.empty((0, 3), np.float32)).shape == (0, 3)


@pytest.mark.parametrize("frames", [np.zeros((4, 2), np.float32), np.zeros(3, np.float32)])
def test_frames_of_another_width_are_refused(frames: np.ndarray) -> None:
    normaliser = RunningNormaliser(PRIOR)
    with pytest.raises(ValueError, match="frames of 3 coefficients"):
        normaliser.apply(frames)
    with pytest.raises(ValueError, match="frames of 3 coefficients"):
        normaliser.update(frames)


@pytest.mark.parametrize(
    ("mean", "std", "weight", "message"),
    [
        ((), (), 1.0, "0 means"),
        ((1.0,), (1.0, 2.0), 1.0, "1 means and 2 standard deviations"),
        ((float("nan"),), (1.0,), 1.0, "mean of the prior"),
        ((1.0,), (0.0,), 1.0, "not above 0"),
        ((1.0,), (float("inf"),), 1.0, "not above 0"),
        ((1.0,), (1.0,), 0.0, "weighs 0.0 frames"),
        ((1.0,), (1.0,), float("inf"), "weighs inf frames"),
    ],
)
def test_a_prior_that_cannot_normalise_is_refused(
    mean: tuple[float, ...], std: tuple[float, ...], weight: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Prior(mean, std, weight)


def test_a_prior_is_read_from_a_card_and_no_unknown_key_with_it() -> None:
    assert msgspec.convert({"mean": [1.0], "std": [2.0], "weight_frames": 3.0}, Prior) == Prior((1.0,), (2.0,), 3.0)
    with pytest.raises(msgspec.ValidationError, match="weight_s"):
        msgspec.convert({"mean": [1.0], "std": [2.0], "weight_frames": 3.0, "weight_s": 1}, Prior)
