"""Logistic regression on statistics: what it is given, and that a judged speaker is never learnt from."""

import msgspec
import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the laboratory's group of dependencies is not installed")

from models.baselines_linear import (
    EARLIER,
    MFCC,
    STATISTICS,
    Callers,
    Spoken,
    features,
    judge_constant,
    judge_linear,
    levels,
    levels_and_slopes,
    of_own_clips,
)
from streamer.emotion.model import LABELS
from streamer.features import RunningNormaliser

N_MFCC = 4


def people(n_speakers: int = 10, takes: int = 4, offset: float = 6.0) -> Spoken:
    """Clips whose emotion moves the mean by two deviations, and whose speaker moves it by `offset` of them."""
    rng = np.random.default_rng(7)
    frames, labels, speakers = [], [], []
    for speaker in range(n_speakers):
        voice = rng.normal(size=N_MFCC) * offset
        for label in range(len(LABELS)):
            direction = np.array([np.cos(label), np.sin(label), np.cos(2 * label), np.sin(2 * label)]) * 2.0
            for _ in range(takes):
                frames.append((voice + direction + rng.normal(size=(100, N_MFCC))).astype(np.float32))
                labels.append(label)
                speakers.append(speaker)
    who = np.array(speakers)
    return Spoken(tuple(map(str, range(len(frames)))), tuple(frames), np.array(labels), who.astype(str), who % 2 + 1)


def test_levels_are_mean_and_deviation_and_slopes_those_of_the_change() -> None:
    frames = np.array([[1.0, 5.0], [3.0, 5.0], [5.0, 5.0]], dtype=np.float32)
    np.testing.assert_allclose(levels(frames), [3.0, 5.0, frames[:, 0].std(), 0.0])
    np.testing.assert_allclose(levels_and_slopes(frames), [*levels(frames), 2.0, 0.0, 0.0, 0.0])
    assert not levels_and_slopes(frames[:1])[4:].any()


def test_an_oracle_sees_each_speaker_in_units_of_their_own() -> None:
    spoken = people()
    rows = of_own_clips(spoken, levels)
    for speaker in np.unique(spoken.speakers):
        np.testing.assert_allclose(rows[spoken.speakers == speaker, :N_MFCC].mean(axis=0), 0.0, atol=1e-4)


def test_a_caller_is_heard_after_others_of_the_same_speaker_and_never_after_the_judged_clip() -> None:
    spoken = people(n_speakers=3)
    callers, rng = Callers(spoken), np.random.default_rng(1)
    prior = callers.prior(np.arange(len(spoken.labels)))
    others = [i for i in np.flatnonzero(spoken.speakers == spoken.speakers[5]).tolist() if i != 5]
    normaliser = RunningNormaliser(prior)
    normaliser.remember(callers.together(others))
    np.testing.assert_array_equal(callers.after(5, 1000, prior, rng), normaliser.apply(spoken.frames[5]))
    np.testing.assert_array_equal(callers.after(5, 0, prior, rng), RunningNormaliser(prior).apply(spoken.frames[5]))


def test_a_prior_is_mean_and_deviation_of_all_frames() -> None:
    spoken = people(n_speakers=2)
    prior = Callers(spoken).prior(np.arange(3))
    together = np.concatenate(spoken.frames[:3]).astype(np.float64)
    np.testing.assert_allclose(prior.mean, together.mean(axis=0))
    np.testing.assert_allclose(prior.std, together.std(axis=0))


def test_an_utterance_shorter_than_a_frame_still_has_features() -> None:
    assert features(np.zeros(10, dtype=np.float32)).shape == (1, MFCC.n_mfcc)


def judged(spoken: Spoken) -> dict[str, float]:
    rows = judge_linear(spoken, "mean and deviation of MFCCs", seed=1)
    assert all(len(row["runs"]) == 2 and row["split"] == "by speaker" for row in rows)
    return {row["normalised by"]: row["crema_d_uar"] for row in rows}


def test_what_the_caller_said_before_helps_where_voices_differ_more_than_emotions() -> None:
    found = judged(people())
    order = ["no caller statistics", *(f"after {n} utterances of the caller" for n in EARLIER)]
    assert list(found) == [*order, "all clips of the caller (oracle)"]
    assert found["no caller statistics"] < 60.0
    assert found["after 20 utterances of the caller"] > found["after 0 utterances of the caller"] + 10.0
    assert found["all clips of the caller (oracle)"] > 90.0


def test_labels_drawn_by_lot_are_learnt_by_nobody() -> None:
    # Were a judged clip learnt from, or its label seen, this would be far above a sixth.
    spoken = people(takes=8)
    drawn = msgspec.structs.replace(spoken, labels=np.random.default_rng(3).permutation(spoken.labels))
    assert all(uar < 27.0 for uar in judged(drawn).values())


def test_every_statistic_has_a_name_and_gives_numbers() -> None:
    frames = np.zeros((5, N_MFCC), dtype=np.float32)
    assert {name: len(of(frames)) for name, of in STATISTICS.items()} == {
        "mean and deviation of MFCCs": 2 * N_MFCC,
        "mean and deviation of MFCCs and their slopes": 4 * N_MFCC,
    }


def test_a_constant_is_as_right_as_its_class_is_common() -> None:
    common, chance = judge_constant(np.array([1, 1, 1, 2]), ("a", "b", "c"), "accuracy_3")
    assert (common["method"], common["accuracy_3"]) == ("always b", 75.0)
    assert chance["accuracy_3"] == 50.0
    assert common["crema_d_uar"] == chance["crema_d_uar"] == pytest.approx(100.0 / 6.0)
