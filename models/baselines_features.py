"""What the series this project grew from fed its networks, recomputed in the telephone band.

Eu Jin Lok, *Audio Emotion Recognition*, parts 3, 5 and 6 (kaggle.com/ejlok1, 2019): 2.5 s of each clip from half a
second on, 216 frames; one number a frame, the mean over 13 MFCCs, for the 1-D network; 30 MFCCs for the 2-D one. His
44.1 kHz frames (46 ms every 11.6 ms) become the nearest at 8 kHz. This file must never train, split, or normalise.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.corpora import Clip
from models.dataset import load_audio
from models.telephone import PLAIN, RATE_HZ, transmit
from streamer.features import FEATURES_KIND, MfccParameters, RollingMfcc

CORPORA: Final = ("savee", "ravdess", "tess", "crema-d")
EMOTIONS: Final = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")
"""The first six are the emotions of an event, in its order; CREMA-D has no seventh."""
GENDERS: Final = ("f", "m")
CLASSES: Final = tuple(f"{gender} {emotion}" for gender in GENDERS for emotion in EMOTIONS)
"""The series' fourteen classes, an emotion at the same place for both genders. For comparison with its figures only:
no model of the store tells women from men."""
_MERGED: Final = {"calm": "neutral", "pleasant surprise": "surprise"}

OFFSET_SAMPLES: Final = RATE_HZ // 2
LENGTH_SAMPLES: Final = 5 * RATE_HZ // 2
FRAMES: Final = 216
MEAN_MFCC: Final = 13
"""Coefficients whose mean is the 1-D network's one number a frame."""
MFCC: Final = MfccParameters(n_fft=512, win_length=372, hop_length=93, n_mels=64, n_mfcc=30, fmin=0.0, fmax=4000.0)
"""64 mel bands where the series has librosa's 128: at 8 kHz half of those would be empty."""

Change = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]


def seven_classes(clips: Iterable[Clip]) -> list[tuple[Clip, int]]:
    """Return the clips of known gender whose label is one of the series' emotions, with their index in `CLASSES`.

    Calm counts as neutral and pleasant surprise as surprise, as in the series.
    """
    chosen = []
    for clip in clips:
        emotion = _MERGED.get(clip.label, clip.label)
        if emotion in EMOTIONS and clip.gender in GENDERS:
            chosen.append((clip, GENDERS.index(clip.gender) * len(EMOTIONS) + EMOTIONS.index(emotion)))
    return chosen


def unchanged(samples: NDArray[np.float32], _rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the samples as they are."""
    return samples


def noisy(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return float32[n] with white noise up to a twentieth of the peak: the first augmentation of part 5."""
    amplitude = 0.05 * rng.random() * float(samples.max(initial=0.0))
    return (samples + amplitude * rng.standard_normal(len(samples))).astype(np.float32)


def hurried(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return float32[n] played 1.1 to 1.375 times as fast, silent at the end: the second augmentation of part 5."""
    step = 1.1 / rng.uniform(0.8, 1.0)
    at = np.arange(0.0, len(samples), step)
    played = np.interp(at, np.arange(len(samples)), samples) if len(samples) else at
    return np.pad(played, (0, len(samples) - len(played))).astype(np.float32)


CHANGES: Final[dict[str, Change]] = {"plain": unchanged, "noise": noisy, "speed": hurried}
"""The three copies of each clip in part 5, by name."""


def excerpt(clip: Clip, change: str, seed: int) -> NDArray[np.float32]:
    """Return 2.5 s of a clip (less where it is shorter), changed, then over G.711 mu-law, float32[n] at 8 kHz."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{clip.corpus}/{clip.path.stem}/{change}".encode())])
    samples = load_audio(clip.path)[OFFSET_SAMPLES : OFFSET_SAMPLES + LENGTH_SAMPLES]
    return transmit(CHANGES[change](samples, rng), PLAIN, rng)


def mfccs(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32[frames, 30], frames centred on every 93rd sample with zeros around, as librosa does by default."""
    rolling = RollingMfcc(MFCC)
    rolling.push(np.pad(samples, MFCC.n_fft // 2))
    return rolling.mfcc()


def means(clip: Clip, change: str, seed: int) -> NDArray[np.float16]:
    """Return the 1-D network's 216 numbers: the mean of 13 MFCCs of each frame, zeros after the end of the clip."""
    found = mfccs(excerpt(clip, change, seed))[:, :MEAN_MFCC].mean(axis=1)[:FRAMES]
    return np.pad(found, (0, FRAMES - len(found))).astype(np.float16)


def picture(clip: Clip, change: str, seed: int) -> NDArray[np.float16]:
    """Return the 2-D network's picture, [30, 216]: a shorter clip lies somewhere in 2.5 s of silence."""
    samples = excerpt(clip, change, seed)
    missing = LENGTH_SAMPLES - len(samples)
    rng = np.random.default_rng([seed, zlib.crc32(clip.path.stem.encode())])
    before = int(rng.integers(missing + 1))
    return mfccs(np.pad(samples, (before, missing - before)))[:FRAMES].T.astype(np.float16)


def compute(
    clips: Sequence[Clip],
    feature: Callable[[Clip, str, int], NDArray[np.float16]],
    change: str,
    cache: Path | None,
    seed: int = 0,
) -> NDArray[np.float16]:
    """Return `means` or `picture` of all clips, stacked, from the cache where it has them.

    Parameters
    ----------
    clips
        In the order of the result.
    feature
        `means` or `picture`.
    change
        A name in `CHANGES`.
    cache
        Folder for features of earlier runs; None computes always.
    seed
        Of noise, speed and place.
    """
    names = [f"{clip.corpus}/{clip.path.stem}" for clip in clips]
    what = msgspec.json.encode((FEATURES_KIND, MFCC, feature.__name__, change, seed, names))
    path = None if cache is None else cache / f"{feature.__name__}-{change}-{hashlib.sha256(what).hexdigest()[:16]}.npy"
    if path is not None and path.is_file():
        stored: NDArray[np.float16] = np.load(path)
        return stored
    rows = []
    for number, clip in enumerate(clips, start=1):
        rows.append(feature(clip, change, seed))
        if number % 2000 == 0 or number == len(clips):
            print(f"features {feature.__name__}, {change}: {number} of {len(clips)} clips", flush=True)
    result = np.stack(rows)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, result)
    return result
