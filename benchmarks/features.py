"""What rolling MFCCs cost, against the two other ways to have them in a live call, in one run and in ratios.

Method: one leg, ten seconds of made-up speech-like audio at 8 kHz in 20 ms chunks, the default model's parameters, one
thread. Each way is run in turn, five rounds after one that is not counted; the median per second of audio is shown and
divided by that of the rolling way. "Window" computes librosa's MFCCs over the last second at every chunk, as tutorials
do; "whole" computes them once over all ten seconds, which a live call cannot do and which is the floor.

Run by ``make bench``.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy is loaded

import librosa  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from streamer.emotion.model import load, locate  # noqa: E402
from streamer.features import MfccParameters, RollingMfcc  # noqa: E402

SECONDS = 10
CHUNK = 160
ROUNDS = 5

Audio = NDArray[np.float32]


def speech_like(rate_hz: int) -> Audio:
    """Return noise with a formant and a syllable rhythm, float32[samples]."""
    times = np.arange(SECONDS * rate_hz) / rate_hz
    noise = np.random.default_rng(7).normal(0, 0.02, len(times))
    voice = 0.3 * np.sin(2 * np.pi * 140 * times) * np.sin(2 * np.pi * 900 * times)
    return (noise + voice * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * times))).astype(np.float32)


def rolling(audio: Audio, parameters: MfccParameters) -> int:
    """Roll: each frame once, as its samples come."""
    features = RollingMfcc(parameters)
    for begin in range(0, len(audio), CHUNK):
        features.push(audio[begin : begin + CHUNK])
    return len(features.mfcc())


def window(audio: Audio, parameters: MfccParameters) -> int:
    """Compute the last second again at every chunk."""
    frames = 0
    for end in range(CHUNK, len(audio) + 1, CHUNK):
        last = audio[max(0, end - parameters.rate_hz) : end]
        if len(last) >= parameters.n_fft:
            frames += len(librosa.feature.mfcc(y=last, **parameters.for_librosa()).T)
    return frames


def whole(audio: Audio, parameters: MfccParameters) -> int:
    """Compute all at once, when all is known."""
    return len(librosa.feature.mfcc(y=audio, **parameters.for_librosa()).T)


def main() -> None:
    """Print the table."""
    parameters = load(locate("telephone")).card.features.mfcc
    audio = speech_like(parameters.rate_hz)
    ways: dict[str, Callable[[Audio, MfccParameters], int]] = {"rolling": rolling, "window": window, "whole": whole}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(ROUNDS + 1):
        for name, way in ways.items():
            began_s = time.perf_counter()
            way(audio, parameters)
            if round_:
                spent[name].append((time.perf_counter() - began_s) / SECONDS)
    base = statistics.median(spent["rolling"])
    print(f"{'way':<10}{'ms per second of audio':>24}{'ratio':>10}   (median of {ROUNDS} rounds, {SECONDS} s, one leg)")
    for name, times in spent.items():
        print(f"{name:<10}{statistics.median(times) * 1000:>24.3f}{statistics.median(times) / base:>10.2f}")


if __name__ == "__main__":
    main()
