from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.archive.gathering import PIECE_SAMPLES, Gathering, PatientModel
from streamer.features import LogMelParameters, MfccParameters, RollingLogMel, RollingMfcc

MAKERS = st.sampled_from([lambda: RollingLogMel(LogMelParameters.whisper()), lambda: RollingMfcc(MfccParameters())])


@given(MAKERS, st.lists(st.integers(0, 3000), max_size=12), st.lists(st.floats(0, 1), max_size=3))
def test_gathered_features_are_those_of_frame_by_frame_bit_for_bit(
    make: Any, sizes: list[int], asked: list[float]
) -> None:
    rolled, gathered = make(), Gathering(make())
    samples = np.random.default_rng(len(sizes)).normal(0, 0.1, sum(sizes)).astype(np.float32)
    begin = 0
    for size in sizes:
        for at in range(begin, begin + size, 160):
            rolled.push(samples[at : min(at + 160, begin + size)])
        gathered.push(samples[begin : begin + size])
        begin += size
        assert gathered.n_samples == rolled.n_samples == begin
    for share in (*asked, 1.0):
        n = round(share * len(samples))
        np.testing.assert_array_equal(gathered.features(n), rolled.features(n))
    assert gathered.n_frames == rolled.n_frames
    gathered.reset()
    assert (gathered.n_samples, gathered.n_frames, len(gathered.features())) == (0, 0, 0)


def test_what_is_gathered_is_handed_on_before_it_is_much() -> None:
    front_end = RollingLogMel(LogMelParameters.whisper())
    gathering = Gathering(front_end)
    for _ in range(10 * PIECE_SAMPLES // 160):
        gathering.push(np.zeros(160, np.float32))
        assert gathering.n_samples - front_end.n_samples < PIECE_SAMPLES


def test_a_patient_model_judges_as_the_one_that_it_is_made_of(model: Any) -> None:
    patient = PatientModel(model)
    assert patient.card is model.card
    features = patient.new_features()
    features.push(np.random.default_rng(0).normal(0, 0.1, 24000).astype(np.float32))
    rows = features.features()
    assert isinstance(features, Gathering)
    assert patient.judge(rows, patient.new_normaliser()).verdict == model.judge(rows, model.new_normaliser()).verdict
