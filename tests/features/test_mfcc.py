"""The rolling MFCC is librosa's, however the samples come."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.features.mfcc import MfccParameters, RollingMfcc

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what librosa's own imports warn of is not ours to fail on
    import librosa

TOLERANCE = 1e-4
PARAMETERS = [
    MfccParameters(),
    MfccParameters(n_fft=400, win_length=400, hop_length=160, n_mels=26, n_mfcc=13, fmin=0.0, fmax=4000.0),
    MfccParameters(n_fft=256, win_length=200, hop_length=80, n_mels=24, n_mfcc=20, window="hamming", htk=True),
    MfccParameters(n_fft=255, win_length=200, hop_length=255, n_mels=20, n_mfcc=20),
    MfccParameters(rate_hz=16000, n_fft=512, win_length=512, hop_length=7, n_mels=40, n_mfcc=12, fmax=8000.0),
]


def by_librosa(samples: np.ndarray, parameters: MfccParameters) -> np.ndarray:
    """In double precision: in single, librosa rounds as far as we do, at times to the other side."""
    return librosa.feature.mfcc(y=samples.astype(np.float64), **parameters.for_librosa()).T


def speech_like(n_samples: int, seed: int) -> np.ndarray:
    """Noise and tones whose level swings over 100 dB, with pieces of pure silence and of clipping."""
    rng = np.random.default_rng(seed)
    time = np.arange(n_samples)
    level = 10.0 ** (rng.uniform(-5, 0.5, size=1 + n_samples // 400).repeat(400)[:n_samples])
    samples = level * (rng.normal(size=n_samples) * 0.3 + np.sin(time * rng.uniform(0.05, 2.5)))
    for _ in range(3):
        start = int(rng.integers(n_samples + 1))
        samples[start : start + 700] = 0.0
    return np.clip(samples, -1, 1).astype(np.float32)


def assert_close(frames: np.ndarray, expected: np.ndarray) -> None:
    """Within 1e-4; beyond 256, where float32 has steps of 3e-5 and more, within four steps."""
    allowed = np.maximum(TOLERANCE, 4 * np.spacing(np.abs(expected).astype(np.float32)))
    assert (np.abs(frames - expected) <= allowed).all()


def cut_anywhere(samples: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(samples, sorted(cut % (len(samples) + 1) for cut in cuts))


@settings(deadline=None, max_examples=60)
@given(
    parameters=st.sampled_from(PARAMETERS),
    n_samples=st.integers(600, 14_000),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 2**31), max_size=40),
)
def test_any_chunks_give_librosas_frames(
    parameters: MfccParameters, n_samples: int, seed: int, cuts: list[int]
) -> None:
    samples = speech_like(n_samples, seed)
    rolling = RollingMfcc(parameters)
    new = [rolling.push(chunk) for chunk in cut_anywhere(samples, cuts)]
    expected = by_librosa(samples, parameters)
    assert rolling.n_samples == n_samples
    assert sum(new) == rolling.n_frames == parameters.frames(n_samples) == len(expected)
    frames = rolling.mfcc()
    assert frames.dtype == np.float32
    assert_close(frames, expected)


@settings(deadline=None, max_examples=40)
@given(parameters=st.sampled_from(PARAMETERS), seed=st.integers(0, 2**32 - 1), kept=st.integers(600, 4000))
def test_the_beginning_of_an_utterance_is_as_if_nothing_had_followed(
    parameters: MfccParameters, seed: int, kept: int
) -> None:
    samples = speech_like(4000, seed)
    rolling = RollingMfcc(parameters)
    for chunk in np.array_split(samples, 25):
        rolling.push(chunk)
    assert_close(rolling.mfcc(kept), by_librosa(samples[:kept], parameters))


@settings(deadline=None, max_examples=30)
@given(
    parameters=st.sampled_from(PARAMETERS),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 2**31), max_size=30),
)
def test_chunking_changes_no_bit(parameters: MfccParameters, seed: int, cuts: list[int]) -> None:
    samples = speech_like(3000, seed)
    whole, pieces = RollingMfcc(parameters), RollingMfcc(parameters)
    whole.push(samples)
    for chunk in cut_anywhere(samples, cuts):
        pieces.push(chunk)
    np.testing.assert_array_equal(pieces.mfcc(), whole.mfcc())


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(1500, np.float32),
        np.sign(np.sin(np.arange(1500) * 0.3)).astype(np.float32),
        np.ones(1500, np.float32),
        np.eye(1, 1500, 700, dtype=np.float32)[0],
        (np.eye(1, 1500, 1499)[0] * 1e-9).astype(np.float32),
        np.concatenate([np.zeros(800), np.full(700, 1e-4)]).astype(np.float32),
    ],
    ids=["silence", "clipped square wave", "constant", "click", "nearly nothing", "step"],
)
@pytest.mark.parametrize("chunk", [1, 160, 1500])
def test_signals_at_the_edge_give_librosas_frames(samples: np.ndarray, chunk: int) -> None:
    parameters = PARAMETERS[0]
    rolling = RollingMfcc(parameters)
    for start in range(0, len(samples), chunk):
        rolling.push(samples[start : start + chunk])
    np.testing.assert_allclose(rolling.mfcc(), by_librosa(samples, parameters), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("n_samples", [0, 1, 255])
def test_less_than_a_frame_is_no_frame(n_samples: int) -> None:
    rolling = RollingMfcc(MfccParameters(n_fft=256))
    assert rolling.push(np.ones(n_samples, np.float32)) == 0
    assert rolling.mfcc().shape == (0, 40)
    assert rolling.mfcc(0).shape == (0, 40)


def test_a_reset_forgets_the_utterance() -> None:
    samples = speech_like(2000, 3)
    used, fresh = RollingMfcc(PARAMETERS[0]), RollingMfcc(PARAMETERS[0])
    used.push(np.ones(3333, np.float32))
    used.reset()
    assert (used.n_samples, used.n_frames) == (0, 0)
    used.push(samples)
    fresh.push(samples)
    np.testing.assert_array_equal(used.mfcc(), fresh.mfcc())


def test_it_is_a_front_end_under_either_name() -> None:
    rolling = RollingMfcc(PARAMETERS[0])
    rolling.push(speech_like(1000, 2))
    assert rolling.features().shape == (PARAMETERS[0].frames(1000), PARAMETERS[0].n_features)
    np.testing.assert_array_equal(rolling.mfcc(600), rolling.features(600))


@settings(deadline=None, max_examples=30)
@given(
    parameters=st.sampled_from(PARAMETERS),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 2**31), max_size=20),
)
def test_int16_gives_the_coefficients_of_its_float_bit_for_bit(
    parameters: MfccParameters, seed: int, cuts: list[int]
) -> None:
    codes = (speech_like(14_000, seed) * 32767).astype(np.int16)
    whole, pieces = RollingMfcc(parameters), RollingMfcc(parameters)
    whole.push(codes.astype(np.float32) / 32768)
    new = [pieces.push_int16(chunk) for chunk in cut_anywhere(codes, cuts)]
    assert sum(new) == pieces.n_frames == whole.n_frames
    np.testing.assert_array_equal(pieces.mfcc(), whole.mfcc())


def test_pushed_samples_may_be_overwritten_afterwards() -> None:
    buffer = speech_like(200, 1)
    rolling = RollingMfcc(PARAMETERS[0])
    rolling.push(buffer)
    expected = RollingMfcc(PARAMETERS[0])
    expected.push(buffer.copy())
    buffer[:] = 9.0
    for each in (rolling, expected):
        each.push(np.zeros(400, np.float32))
    np.testing.assert_array_equal(rolling.mfcc(), expected.mfcc())


@pytest.mark.parametrize("asked", [-1, 101])
def test_only_what_was_pushed_can_be_asked_for(asked: int) -> None:
    rolling = RollingMfcc(PARAMETERS[0])
    rolling.push(np.zeros(100, np.float32))
    with pytest.raises(ValueError, match="utterance of 100"):
        rolling.mfcc(asked)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(4, np.int16), "got int16"),
        (np.zeros((2, 2), np.float32), "2 dimensions"),
        (np.array([0.0, np.nan], np.float32), "not a number"),
        (np.array([np.inf], np.float32), "infinite"),
    ],
)
def test_samples_that_cannot_be_right_are_refused_and_leave_no_trace(samples: np.ndarray, message: str) -> None:
    rolling = RollingMfcc(PARAMETERS[0])
    with pytest.raises(ValueError, match=message):
        rolling.push(samples)
    assert rolling.n_samples == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"win_length": 300}, "win_length is 300"),
        ({"win_length": 0}, "win_length is 0"),
        ({"hop_length": 257}, "hop_length is 257"),
        ({"hop_length": 0}, "hop_length is 0"),
        ({"n_mfcc": 41}, "n_mfcc is 41"),
        ({"n_mfcc": 0}, "n_mfcc is 0"),
        ({"fmax": 4001.0}, "fmax = 4001"),
        ({"fmin": 3800.0}, "fmin = 3800"),
        ({"fmin": -1.0}, "fmin = -1"),
    ],
)
def test_parameters_that_cannot_be_computed_are_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MfccParameters(**wrong)
