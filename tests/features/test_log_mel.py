"""The rolling log-mel is librosa's, however the samples come, and Whisper's as far as a telephone line reaches."""

import warnings
from typing import Any

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.features.log_mel import BLOCK, WHISPER_FMAX_HZ, LogMelParameters, RollingLogMel

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what librosa's own imports warn of is not ours to fail on
    import librosa

TOLERANCE_DB = 1e-4
WHISPER = LogMelParameters.whisper()
PARAMETERS = [
    WHISPER,
    LogMelParameters(),
    LogMelParameters(n_fft=400, win_length=400, hop_length=160, n_mels=26, fmin=0.0, fmax=4000.0),
    LogMelParameters(n_fft=256, win_length=200, hop_length=80, n_mels=24, window="hamming", htk=True),
    LogMelParameters(n_fft=255, win_length=200, hop_length=255, n_mels=20),
    LogMelParameters(rate_hz=16000, n_fft=512, win_length=512, hop_length=7, n_mels=40, fmax=8000.0),
]


def by_librosa(samples: np.ndarray, parameters: LogMelParameters) -> np.ndarray:
    power = librosa.feature.melspectrogram(y=samples, **parameters.for_librosa())
    return librosa.power_to_db(power, ref=1.0, top_db=80.0).T


def swinging(n_samples: int, seed: int) -> np.ndarray:
    """Noise and tones whose level swings over 100 dB, with pieces of pure silence and of clipping."""
    rng = np.random.default_rng(seed)
    time = np.arange(n_samples)
    level = 10.0 ** (rng.uniform(-5, 0.5, size=1 + n_samples // 400).repeat(400)[:n_samples])
    samples = level * (rng.normal(size=n_samples) * 0.3 + np.sin(time * rng.uniform(0.05, 2.5)))
    for _ in range(3):
        start = int(rng.integers(n_samples + 1))
        samples[start : start + 700] = 0.0
    return np.clip(samples, -1, 1).astype(np.float32)


class Computed:
    """Counts the rows that a front end computes, and how often it sets about it."""

    def __init__(self, rolling: RollingLogMel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = 0
        self.times = 0
        original = rolling._log_mel

        def counting(samples: np.ndarray, n_frames: int) -> np.ndarray:
            self.rows += n_frames
            self.times += 1
            return original(samples, n_frames)

        monkeypatch.setattr(rolling, "_log_mel", counting)


def cut_anywhere(samples: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(samples, sorted(cut % (len(samples) + 1) for cut in cuts))


@settings(deadline=None, max_examples=60)
@given(
    parameters=st.sampled_from(PARAMETERS),
    n_samples=st.integers(600, 14_000),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 2**31), max_size=40),
)
def test_any_chunks_give_librosas_frames_and_one_another_bit_for_bit(
    parameters: LogMelParameters, n_samples: int, seed: int, cuts: list[int]
) -> None:
    samples = swinging(n_samples, seed)
    whole, pieces = RollingLogMel(parameters), RollingLogMel(parameters)
    whole.push(samples)
    new = [pieces.push(chunk) for chunk in cut_anywhere(samples, cuts)]
    expected = by_librosa(samples, parameters)
    assert pieces.n_samples == n_samples
    assert sum(new) == pieces.n_frames == parameters.frames(n_samples) == len(expected)
    frames = pieces.features()
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, whole.features())
    np.testing.assert_allclose(frames, expected, rtol=0, atol=TOLERANCE_DB)


@settings(deadline=None, max_examples=40)
@given(parameters=st.sampled_from(PARAMETERS), seed=st.integers(0, 2**32 - 1), kept=st.integers(600, 4000))
def test_the_beginning_of_an_utterance_is_as_if_nothing_had_followed(
    parameters: LogMelParameters, seed: int, kept: int
) -> None:
    samples = swinging(4000, seed)
    rolling, only = RollingLogMel(parameters), RollingLogMel(parameters)
    for chunk in np.array_split(samples, 25):
        rolling.push(chunk)
    only.push(samples[:kept])
    np.testing.assert_array_equal(rolling.features(kept), only.features())


@settings(deadline=None, max_examples=30)
@given(parameters=st.sampled_from(PARAMETERS), seed=st.integers(0, 2**32 - 1))
def test_nothing_lies_more_than_80_db_below_the_loudest_point(parameters: LogMelParameters, seed: int) -> None:
    rolling = RollingLogMel(parameters)
    rolling.push(swinging(4000, seed))
    for kept in (700, 2000, 4000):
        frames = rolling.features(kept)
        assert frames.min() >= frames.max() - np.float32(80)


def test_each_frame_is_transformed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rolling = RollingLogMel(PARAMETERS[1])
    computed = Computed(rolling, monkeypatch)
    for _ in range(500):
        rolling.push(np.zeros(16, np.float32))
        rolling.features()
    assert computed.rows == rolling.n_frames == PARAMETERS[1].frames(8000)


@settings(deadline=None, max_examples=60)
@given(
    parameters=st.sampled_from(PARAMETERS),
    seed=st.integers(0, 2**32 - 1),
    before=st.integers(0, 129),
    n_frames=st.integers(1, 130),
)
def test_a_row_does_not_depend_on_the_rows_it_is_computed_with(
    parameters: LogMelParameters, seed: int, before: int, n_frames: int
) -> None:
    """The same frames, in a batch of any size and at any place of a larger one, bit for bit."""
    hop = parameters.hop_length
    samples = swinging((before + n_frames + 5) * hop + parameters.n_fft, seed)
    rolling = RollingLogMel(parameters)
    alone = rolling._log_mel(samples[before * hop :], n_frames)
    among_others = rolling._log_mel(samples, before + n_frames + 5)
    np.testing.assert_array_equal(alone, among_others[before : before + n_frames])


@settings(deadline=None, max_examples=40)
@given(
    parameters=st.sampled_from(PARAMETERS),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 2**31), max_size=20),
    asked=st.sets(st.integers(0, 20)),
)
def test_asking_in_between_changes_no_bit(
    parameters: LogMelParameters, seed: int, cuts: list[int], asked: set[int]
) -> None:
    samples = swinging(14_000, seed)
    whole, pieces = RollingLogMel(parameters), RollingLogMel(parameters)
    whole.push(samples)
    for number, chunk in enumerate(cut_anywhere(samples, cuts)):
        pieces.push(chunk)
        if number in asked:
            np.testing.assert_array_equal(pieces.features(), whole.features(pieces.n_samples))
    np.testing.assert_array_equal(pieces.features(), whole.features())


@settings(deadline=None, max_examples=60)
@given(
    parameters=st.sampled_from(PARAMETERS),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 2**31), max_size=20),
    as_int16=st.sets(st.integers(0, 20)),
)
def test_int16_gives_the_rows_of_its_float_bit_for_bit_also_when_both_are_mixed(
    parameters: LogMelParameters, seed: int, cuts: list[int], as_int16: set[int]
) -> None:
    codes = np.clip(np.round(swinging(14_000, seed) * 32768), -32768, 32767).astype(np.int16)
    only_float, only_int16, mixed = RollingLogMel(parameters), RollingLogMel(parameters), RollingLogMel(parameters)
    only_float.push(codes.astype(np.float32) / 32768)
    for number, chunk in enumerate(cut_anywhere(codes, cuts)):
        new = only_int16.push_int16(chunk)
        if number in as_int16:
            assert mixed.push_int16(chunk) == new
        else:
            assert mixed.push(chunk.astype(np.float32) / 32768) == new
    assert only_int16.n_samples == mixed.n_samples == 14_000
    np.testing.assert_array_equal(only_int16.features(), only_float.features())
    np.testing.assert_array_equal(mixed.features(), only_float.features())


def test_one_channel_of_many_may_be_pushed_as_it_lies() -> None:
    both = np.stack([swinging(2000, 1), swinging(2000, 2)], axis=1)
    codes = (both * 20000).astype(np.int16)
    strided, copied = RollingLogMel(WHISPER), RollingLogMel(WHISPER)
    for each, one, other in ((strided, both, codes), (copied, both.copy(order="F"), codes.copy(order="F"))):
        each.push(one[:, 1])
        each.push_int16(other[:, 0])
    np.testing.assert_array_equal(strided.features(), copied.features())


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(0, 2**31), max_size=60))
def test_less_than_a_block_is_ever_left_to_compute(cuts: list[int]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        rolling = RollingLogMel(WHISPER)
        computed = Computed(rolling, monkeypatch)
        for chunk in cut_anywhere(np.zeros(30_000, np.float32), cuts):
            rolling.push(chunk)
            assert computed.rows <= rolling.n_frames < computed.rows + BLOCK
        assert computed.times == rolling.n_frames // BLOCK, "once a block, however small the chunks are"


def test_what_nobody_asks_for_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    rolling = RollingLogMel(WHISPER)
    computed = Computed(rolling, monkeypatch)
    rolling.push(np.zeros(BLOCK * 80, np.float32))
    rolling.features(3000)
    assert computed.rows == WHISPER.frames(3000)
    rolling.features()
    assert computed.rows == rolling.n_frames == WHISPER.frames(BLOCK * 80)


def test_what_is_handed_out_may_be_overwritten() -> None:
    rolling = RollingLogMel(WHISPER)
    rolling.push(swinging(2000, 1))
    before = rolling.features()
    rolling.features()[:] = 7.0
    np.testing.assert_array_equal(rolling.features(), before)


def test_a_reset_forgets_the_utterance() -> None:
    samples = swinging(2000, 3)
    used, fresh = RollingLogMel(WHISPER), RollingLogMel(WHISPER)
    used.push(np.ones(3333, np.float32))
    used.reset()
    assert (used.n_samples, used.n_frames) == (0, 0)
    used.push(samples)
    fresh.push(samples)
    np.testing.assert_array_equal(used.features(), fresh.features())


def test_after_floats_and_a_reset_int16_is_int16() -> None:
    codes = (swinging(2000, 3) * 32767).astype(np.int16)
    used, fresh = RollingLogMel(WHISPER), RollingLogMel(WHISPER)
    used.push(np.ones(3333, np.float32))
    used.reset()
    used.push_int16(codes)
    fresh.push_int16(codes)
    np.testing.assert_array_equal(used.features(), fresh.features())


@pytest.mark.parametrize("n_samples", [0, 1, 199])
def test_less_than_a_frame_is_no_frame(n_samples: int) -> None:
    rolling = RollingLogMel(WHISPER)
    assert rolling.push(np.ones(n_samples, np.float32)) == 0
    assert rolling.features().shape == (0, 61)


def test_silence_is_the_same_everywhere() -> None:
    rolling = RollingLogMel(WHISPER)
    rolling.push(np.zeros(2000, np.float32))
    np.testing.assert_allclose(rolling.features(), np.full((23, 61), -100.0), rtol=0, atol=TOLERANCE_DB)


@pytest.mark.parametrize("asked", [-1, 101])
def test_only_what_was_pushed_can_be_asked_for(asked: int) -> None:
    rolling = RollingLogMel(WHISPER)
    rolling.push(np.zeros(100, np.float32))
    with pytest.raises(ValueError, match="utterance of 100"):
        rolling.features(asked)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(4, np.int16), "got int16"),
        (np.zeros((2, 2), np.float32), "2 dimensions"),
        (np.array([0.0, np.nan], np.float32), "not a number"),
        (np.array([np.inf], np.float32), "infinite"),
        (np.array([0.0, -np.inf, np.inf], np.float32), "infinite"),
    ],
)
def test_samples_that_cannot_be_right_are_refused_and_leave_no_trace(samples: np.ndarray, message: str) -> None:
    rolling = RollingLogMel(WHISPER)
    with pytest.raises(ValueError, match=message):
        rolling.push(samples)
    assert rolling.n_samples == 0


def test_a_finite_sample_that_no_decoder_gives_is_refused() -> None:
    rolling = RollingLogMel(WHISPER)
    with pytest.raises(ValueError, match="beyond 1e18"), np.errstate(over="ignore"):
        rolling.push(np.array([0.0, 3e19], np.float32))
    assert rolling.n_samples == 0


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(4, np.float32), "got float32"),
        (np.zeros(4, np.uint16), "got uint16"),
        (np.zeros((2, 2), np.int16), "2 dimensions"),
    ],
)
def test_what_is_no_row_of_int16_is_refused_and_leaves_no_trace(samples: np.ndarray, message: str) -> None:
    rolling = RollingLogMel(WHISPER)
    with pytest.raises(ValueError, match=message):
        rolling.push_int16(samples)
    assert rolling.n_samples == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"win_length": 300}, "win_length is 300"),
        ({"win_length": 0}, "win_length is 0"),
        ({"hop_length": 257}, "hop_length is 257"),
        ({"hop_length": 0}, "hop_length is 0"),
        ({"n_mels": 0}, "n_mels is 0"),
        ({"fmax": 4001.0}, "fmax = 4001"),
        ({"fmin": 3800.0}, "fmin = 3800"),
        ({"fmin": -1.0}, "fmin = -1"),
    ],
)
def test_parameters_that_cannot_be_computed_are_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogMelParameters(**wrong)


# Whisper's own front end, written from the description of its audio.py: 16 kHz, 400 samples every 160.
WHISPER_BANK = librosa.filters.mel(sr=16000, n_fft=400, n_mels=80)


def whispers_input(samples: np.ndarray) -> np.ndarray:
    """What Whisper makes of samples at 16 kHz: float[frames, 80]; frame k is centred at sample 160 k."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    padded = np.pad(samples, 200, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 400)[::160][:-1]
    power = np.square(np.abs(np.fft.rfft(frames * window)))
    log_mel = np.log10(np.maximum(power @ WHISPER_BANK.T.astype(np.float64), 1e-10))
    return (np.maximum(log_mel, log_mel.max() - 8.0) + 4.0) / 4.0


def speech_like(seed: int, below_hz: float, seconds: float = 2.0) -> np.ndarray:
    """Harmonics of a gliding pitch and a little noise, all below a frequency, in syllables; 8 kHz."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(8000 * seconds)) / 8000
    pitch_hz = rng.uniform(90, 250) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(0.5, 4) * time))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / 8000
    samples = np.zeros(len(time))
    for harmonic in range(1, int(below_hz / pitch_hz.max()) + 1):
        samples += np.sin(harmonic * phase + rng.uniform(0, 6)) * rng.uniform(0.1, 1) / harmonic
    noise = np.fft.rfft(rng.normal(size=len(time)))
    noise[int(below_hz * seconds) :] = 0
    samples += 0.02 * np.fft.irfft(noise, len(time))
    syllables = 0.02 + np.maximum(0, np.sin(2 * np.pi * rng.uniform(2, 5) * time)) ** 2
    return (0.2 * samples * syllables).astype(np.float32)


def test_the_bank_is_the_lower_61_bands_of_whispers() -> None:
    ours = librosa.filters.mel(sr=8000, n_fft=200, n_mels=61, fmin=0.0, fmax=WHISPER.fmax)
    np.testing.assert_array_equal(ours, WHISPER_BANK[:61, :101])
    assert not WHISPER_BANK[:61, 101:].any(), "nothing of these bands lies above 4 kHz"
    edges_hz = librosa.mel_frequencies(n_mels=82, fmin=0.0, fmax=8000.0)
    assert edges_hz[62] < 4000 < edges_hz[63], "the next band ends above what 8 kHz can carry"
    assert edges_hz[62] == pytest.approx(WHISPER_FMAX_HZ, rel=1e-12)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), below_hz=st.sampled_from([3000.0, 3400.0, 3600.0]))
def test_telephone_speech_gives_what_whisper_hears_at_16_khz(seed: int, below_hz: float) -> None:
    """Not to the last digit, for two reasons, both far below the loudest point, so that where a sound is they vanish.

    A window's side lobes beyond 4 kHz fold back at 8 kHz and do not at 16, which shows in the bands that are nearly
    empty; and the resampler is a filter of finite length. Its passband ends at about 3650 Hz, hence no speech above:
    there it takes away what we hear, in the last band up to 0.07 of Whisper's units (of which 1 is 40 dB).
    """
    samples = speech_like(seed, below_hz)
    expected = whispers_input(soxr.resample(samples.astype(np.float64), 8000, 16000, quality="VHQ"))
    rolling = RollingLogMel(WHISPER)
    # Whisper centres frame k at 80 k samples of ours, we centre frame j at 80 j + 100: 60 samples later they meet.
    rolling.push(samples[60:])
    ours = (rolling.features() / 10 + np.log10(4) + 4) / 4
    compared = len(ours) - 2  # the last frames of the reference reach into its padding
    difference = np.abs(ours[:compared] - expected[2 : 2 + compared, :61])
    assert compared > 190
    assert difference.max() < 0.02
    heard = expected[2 : 2 + compared, :61] > expected.max() - 50 / 40
    assert difference[heard].max() < 3e-4
