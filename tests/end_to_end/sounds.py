"""Audio for calls from outside: the recording that ships with the package, and how a platform would encode it.

Nothing here may come from the server's own code: an outside party has its own tables and its own resampler.
"""

from __future__ import annotations

import importlib.resources

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.int16]
"""int16[samples, channels]"""

RATE_HZ = 8000
DEMO = importlib.resources.files("streamer.demo") / "call.flac"
"""Two parties, left the customer, right the agent, 8 kHz, about a minute."""


def demo_call() -> Samples:
    """Return the shipped call, int16[samples, 2]."""
    with importlib.resources.as_file(DEMO) as path:
        samples, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == RATE_HZ
    return np.asarray(samples, np.int16)


def between(samples: Samples, start_ms: float, end_ms: float, rate_hz: int = RATE_HZ) -> Samples:
    """Return an excerpt; beyond either end there is nothing."""
    first, behind = (min(max(0, ms * rate_hz / 1000), len(samples)) for ms in (start_ms, end_ms))
    return samples[round(first) : round(behind)]


def silence(duration_ms: float, channels: int = 1, rate_hz: int = RATE_HZ) -> Samples:
    """Return digital silence."""
    return np.zeros((round(duration_ms * rate_hz / 1000), channels), np.int16)


def linear(samples: Samples) -> bytes:
    """Return samples as `pcm_s16le`, interleaved by channel."""
    return samples.astype("<i2").tobytes()


def mulaw(samples: Samples) -> bytes:
    """Return samples as mu-law (ITU-T G.711, table 2b), interleaved by channel."""
    wide = samples.astype(np.int32)
    magnitude = np.minimum(np.abs(wide), 32635) + 132
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    step = (magnitude >> (segment + 3)) & 0x0F
    return bytes((~((wide < 0) << 7 | segment << 4 | step) & 0xFF).astype(np.uint8).tobytes())


def alaw(samples: Samples) -> bytes:
    """Return samples as A-law (ITU-T G.711, table 1b), interleaved by channel."""
    wide = samples.astype(np.int32) >> 3
    magnitude = np.where(wide < 0, -wide - 1, wide)
    segment = np.where(magnitude < 32, 0, np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4)
    step = np.where(segment == 0, magnitude >> 1, magnitude >> np.maximum(segment, 1)) & 0x0F
    return (((wide >= 0) << 7 | segment << 4 | step) ^ 0x55).astype(np.uint8).tobytes()


def resampled(samples: Samples, rate_hz: int) -> Samples:
    """Return 8 kHz samples at another rate."""
    return np.asarray(soxr.resample(samples, RATE_HZ, rate_hz), np.int16).reshape(-1, samples.shape[1])
