"""What a caller has said before: the same speaker's, never the judged clip itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.callers import Callers, prior_of
from models.dataset import Utterances
from streamer.features import Prior, RunningNormaliser

LENGTHS = np.random.default_rng(2).integers(3, 9, 24)
SPEAKERS = np.array([f"crema-d/{1000 + n % 3}" for n in range(24)])
LABELS = np.arange(24) // 3 % 6
OFFSETS = np.concatenate([[0], LENGTHS.cumsum()])
ROWS = np.random.default_rng(1).normal(size=(OFFSETS[-1], 4)).astype(np.float32) + LABELS.repeat(LENGTHS)[:, None]
UTTERANCES = Utterances(ROWS.astype(np.float32), OFFSETS)
CALLERS = Callers(UTTERANCES, SPEAKERS, LABELS)
PRIOR = Prior((0.0,) * 4, (1.0,) * 4, 20.0)


@given(st.integers(0, 23), st.integers(0, 40), st.booleans(), st.integers(0, 10**6))
def test_earlier_utterances_are_others_of_the_same_speaker(index: int, count: int, skewed: bool, seed: int) -> None:
    earlier = CALLERS.earlier(index, count, np.random.default_rng(seed), skewed=skewed)
    assert len(earlier) == min(count, 7)
    assert len(set(earlier.tolist())) == len(earlier)
    assert index not in earlier
    assert set(SPEAKERS[earlier]) <= {SPEAKERS[index]}


def test_a_skewed_draw_prefers_some_emotions_and_another_draw_others() -> None:
    labels = np.arange(600) % 6
    one_frame = Utterances(np.zeros((600, 4), np.float32), np.arange(601))
    callers = Callers(one_frame, np.full(600, "crema-d/1001"), labels)
    rng = np.random.default_rng(4)

    def share_of_commonest(*, skewed: bool) -> float:
        draws = [labels[callers.earlier(0, 40, rng, skewed=skewed)] for _ in range(30)]
        return float(np.mean([np.bincount(draw, minlength=6).max() / 40 for draw in draws]))

    assert share_of_commonest(skewed=False) < 0.35 < share_of_commonest(skewed=True)


@given(st.integers(0, 23), st.integers(0, 7), st.integers(0, 10**6))
def test_a_clip_is_judged_as_after_these_utterances_in_a_call(index: int, count: int, seed: int) -> None:
    earlier = CALLERS.earlier(index, count, np.random.default_rng(seed))
    normaliser = RunningNormaliser(PRIOR)
    for one in earlier:
        normaliser.update(UTTERANCES.frames(int(one)))
    expected = normaliser.apply(UTTERANCES.frames(index))
    np.testing.assert_allclose(CALLERS.frames(index, PRIOR, earlier), expected, rtol=1e-5, atol=1e-5)


def test_a_prior_is_the_mean_and_deviation_of_the_chosen_clips_only() -> None:
    chosen = np.array([0, 5, 7])
    rows = np.concatenate([UTTERANCES.frames(int(index)) for index in chosen])
    prior = prior_of([UTTERANCES], chosen, 77.0)
    assert prior.weight_frames == 77.0
    np.testing.assert_allclose(prior.mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(prior.std, rows.std(0), rtol=1e-5)
    assert prior_of([UTTERANCES, UTTERANCES], chosen, 77.0).mean == pytest.approx(prior.mean)
