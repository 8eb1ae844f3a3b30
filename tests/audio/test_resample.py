"""The way down to 8 kHz."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.audio.resample import LATENCY_MS, StreamingResampler

WIDE_HZ = [rate_hz for rate_hz in LATENCY_MS if rate_hz != 8000]


def tone(rate_hz: int, frequency_hz: float, seconds: float = 1.0, level: float = 10_000) -> NDArray[np.int16]:
    t = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.asarray(level * np.sin(2 * np.pi * frequency_hz * t), dtype=np.int16)


def noise(n: int) -> NDArray[np.int16]:
    return np.random.default_rng(7).integers(-20_000, 20_000, n, dtype=np.int16)


def through(rate_hz: int, *chunks: NDArray[np.int16]) -> NDArray[np.int16]:
    resampler = StreamingResampler(rate_hz)
    return np.concatenate([*(resampler.process(chunk) for chunk in chunks), resampler.flush()])


def rms(samples: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(np.square(samples.astype(np.float64)))))


@settings(deadline=None)
@given(st.sampled_from(list(LATENCY_MS)), st.lists(st.integers(0, 20_000), max_size=20))
def test_any_chunking_gives_the_same_samples(rate_hz: int, edges: list[int]) -> None:
    samples = noise(20_000)
    expected = through(rate_hz, samples)
    assert np.array_equal(through(rate_hz, *np.split(samples, sorted(edges))), expected)


@settings(deadline=None)
@given(st.sampled_from(WIDE_HZ), st.integers(1, 20_000))
def test_time_is_kept(rate_hz: int, length: int) -> None:
    assert abs(len(through(rate_hz, noise(length))) - length * 8000 / rate_hz) <= 1


@pytest.mark.parametrize("rate_hz", WIDE_HZ)
def test_a_tone_of_1_khz_keeps_its_level_and_its_place(rate_hz: int) -> None:
    out = through(rate_hz, tone(rate_hz, 1000))
    inner = slice(800, 7200)
    assert 20 * np.log10(rms(out[inner]) / rms(tone(8000, 1000)[inner])) == pytest.approx(0, abs=0.05)
    assert np.max(np.abs(out[inner].astype(int) - tone(8000, 1000)[inner])) < 20


@pytest.mark.parametrize("rate_hz", WIDE_HZ)
@pytest.mark.parametrize(("frequency_hz", "gone"), [(3400, False), (4300, True), (6000, True)])
def test_the_telephone_band_stays_and_what_would_alias_is_gone(rate_hz: int, frequency_hz: int, gone: bool) -> None:
    out = through(rate_hz, tone(rate_hz, frequency_hz))[800:7200]
    assert (rms(out) < 1) if gone else (rms(out) > 7000)


@pytest.mark.parametrize("rate_hz", list(LATENCY_MS))
@pytest.mark.parametrize("chunk_ms", [1, 20, 100])
def test_no_more_waits_in_the_filter_than_declared(rate_hz: int, chunk_ms: int) -> None:
    resampler = StreamingResampler(rate_hz)
    chunk = rate_hz * chunk_ms // 1000
    waiting_ms, out = [], 0
    for n in range(1, 2000 // chunk_ms):
        out += len(resampler.process(noise(chunk)))
        waiting_ms.append(n * chunk * 1000 / rate_hz - out / 8)
    assert max(waiting_ms) <= resampler.latency_ms


def test_8_khz_is_left_as_it_is() -> None:
    assert np.array_equal(through(8000, noise(100), noise(0), noise(7)), np.concatenate([noise(100), noise(7)]))


def test_what_overshoots_is_clipped_and_does_not_wrap() -> None:
    square = np.asarray(np.where(tone(48_000, 300) >= 0, 32767, -32768), dtype=np.int16)
    out = through(48_000, square)
    assert out.max() == 32767
    assert out.min() == -32768
    assert np.mean(np.abs(np.diff(out.astype(int))) > 40_000) < 0.1


def test_after_a_flush_it_begins_anew() -> None:
    resampler = StreamingResampler(16_000)
    first = np.concatenate([resampler.process(noise(3000)), resampler.flush()])
    second = np.concatenate([resampler.process(noise(3000)), resampler.flush()])
    assert np.array_equal(first, second)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(11_025, 8000), (0, 8000), (16_000, 16_000)])
def test_another_rate_is_refused(from_hz: int, to_hz: int) -> None:
    with pytest.raises(ValueError, match=f"cannot resample {from_hz} to {to_hz} Hz"):
        StreamingResampler(from_hz, to_hz)


def test_floats_are_refused() -> None:
    with pytest.raises(TypeError, match="float32"):
        StreamingResampler(16_000).process(np.zeros(3, np.float32))  # type: ignore[arg-type]
