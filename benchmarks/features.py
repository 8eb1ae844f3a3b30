"""What rolling MFCCs cost beside the other ways to have them, per second of audio, in one run and in ratios.

Method: ten seconds of made-up speech-like audio at 8 kHz for each leg. Ways that can stream get it in chunks of 20 ms,
those of 64 legs in turns as their packets would come, and hand over all coefficients at the end; chunks are arrays made
beforehand, int16 as a decoder gives them or float32. The others get the whole recordings, all legs in one array where
they take one, which a live call cannot do: there they are the floor. One thread each; CPU time of the process, so that
neighbours on the machine matter less; the ways alternate, one leg sixteen times in a row; the median of nine rounds
after one that is not counted, and the median of the ratios to the first line in the same round. Two sets of parameters:
those of the default model, and MFCCs as they are usual.

The same coefficients are asked of all: frame, hop, bands and coefficients are equal everywhere, dither, pre-emphasis,
removal of the mean, lifter and energy are off. The last column says how far that holds: the largest distance to
librosa's coefficients in double precision, of numbers up to some hundreds. kaldi-native-fbank gives natural logarithms
and is compared in decibels. python_speech_features and the Kaldi part of torchaudio have filter
banks of their own (edges on whole bins; HTK's mels), so their numbers are others.

    python -m benchmarks.features --result benchmarks/results/features.md

The peers are no dependency of the product: `pip install kaldi-native-fbank python_speech_features torch torchaudio`;
a package that is not there is named in the table. This file must never choose audio or settings to please one way.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import statistics
import time
from pathlib import Path
from typing import NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy is loaded

import librosa  # noqa: E402
import numpy as np  # noqa: E402

from benchmarks.features_ways import RATE_HZ, WAYS, Feed, Samples, Way, Work  # noqa: E402
from streamer.emotion.model import load, locate  # noqa: E402
from streamer.features import MfccParameters  # noqa: E402

SECONDS = 10
LEGS = 64
ROUNDS = 9
ALONE_TIMES = 16


def speech_like(seed: int) -> Samples:
    """Return noise with a formant and a syllable rhythm, int16[samples]."""
    rng = np.random.default_rng(seed)
    times = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    voice = 0.3 * np.sin(2 * np.pi * rng.uniform(90, 250) * times) * np.sin(2 * np.pi * 900 * times)
    audio = rng.normal(0, 0.02, len(times)) + voice * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * times))
    return np.round(audio * 32767).astype(np.int16)


def feed_of(n_legs: int, parameters: MfccParameters) -> Feed:
    """Return the audio of so many legs."""
    whole = np.stack([speech_like(seed) for seed in range(n_legs)])
    return Feed.of(parameters, whole)


class Measured(NamedTuple):
    """CPU of one way."""

    ms: float
    """Per second of audio of one leg."""
    ratio: float
    """To the rolling way, the median over rounds."""


def measure(works: dict[str, Work], feed: Feed, times: int) -> dict[str, Measured]:
    """Return what each way takes; the first is the measure of the others."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for round_ in range(ROUNDS + 1):
        for name, work in works.items():
            began_s = time.process_time()
            for _ in range(times):
                work(feed)
            if round_:
                spent[name].append((time.process_time() - began_s) * 1000 / (SECONDS * len(feed.whole) * times))
    base = next(iter(spent.values()))
    return {
        name: Measured(
            statistics.median(taken), statistics.median(one / ours for one, ours in zip(taken, base, strict=True))
        )
        for name, taken in spent.items()
    }


def difference(way: Way, work: Work, feed: Feed) -> str:
    """Return how far a way's coefficients are from librosa's in double precision."""
    exact = librosa.feature.mfcc(y=feed.whole[0] / 32768, **feed.parameters.for_librosa()).T
    found = np.asarray(next(iter(work(feed))), dtype=np.float64)
    if way.in_db is None:
        return "another formula" if len(found) - len(exact) in {0, 1} else "only the last second"
    assert found.shape == exact.shape, f"{way.name} gave {found.shape}, librosa {exact.shape}"
    return f"{np.abs(way.in_db(found) - exact).max():.1e}"


def table(title: str, parameters: MfccParameters) -> list[str]:
    """Return the table for one set of parameters, lines of Markdown."""
    present = [way for way in WAYS if not way.package or importlib.util.find_spec(way.package.replace("-", "_"))]
    works = {way.name: way.prepare(parameters) for way in present}
    one, all_ = feed_of(1, parameters), feed_of(LEGS, parameters)
    alone = measure(works, one, ALONE_TIMES)
    crowd = measure({way.name: works[way.name] for way in present if way.crowd}, all_, 1)
    lines = [
        f"## {title}",
        "",
        f"{parameters.n_fft} samples every {parameters.hop_length}, {parameters.n_mfcc} coefficients of",
        f"{parameters.n_mels} bands from {parameters.fmin:.0f} to {parameters.fmax:.0f} Hz.",
        "",
        f"| way | fed | one leg, ms | ratio | {LEGS} legs, ms each | ratio | from librosa's numbers |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in WAYS:
        if way not in present:
            lines.append(f"| {way.name} | {way.fed} | {way.package} is not installed | | | | |")
            continue
        here, there = alone[way.name], crowd.get(way.name)
        cells = f"{there.ms:.3f} | {there.ratio:.2f}" if there else "not run | "
        far = difference(way, works[way.name], one)
        lines.append(f"| {way.name} | {way.fed} | {here.ms:.3f} | {here.ratio:.2f} | {cells} | {far} |")
    return [*lines, ""]


def report() -> str:
    """Measure, and return the page."""
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("numpy", "scipy", *sorted({way.package for way in WAYS if way.package}))
        if importlib.util.find_spec(name.replace("-", "_"))
    ]
    model = load(locate("telephone")).card.features.parameters
    assert isinstance(model, MfccParameters)
    began = os.getloadavg()[0]
    tables = [*table("Parameters of the default model", model), *table("Usual parameters", MfccParameters())]
    return "\n".join(
        [
            "# What the benchmark of the feature kernel printed",
            "",
            "Written by `python -m benchmarks.features`; the method stands at the top of",
            "[`features.py`](../features.py). CPU milliseconds for a second of audio, one thread, and the ratio to the",
            f"first line; median of {ROUNDS} rounds. {os.cpu_count()} cores of {os.uname().machine}, shared with other",
            f"work; load when it began and ended {began:.1f} and {os.getloadavg()[0]:.1f}. {', '.join(versions)}.",
            "",
            *tables,
            "librosa over the last second is not run with 64 legs: they share nothing, and it would take minutes.",
            "",
        ]
    )


def main() -> None:
    """Print the page, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--result", type=Path, help="write the page there, such as benchmarks/results/features.md")
    arguments = parser.parse_args()
    page = report()
    print(page)
    if arguments.result:
        arguments.result.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
