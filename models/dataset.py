"""Clips as features: each clip over several telephone lines, cut to its utterance, through the product's own code.

Computing features is slow, training goes over them many times: they are computed once and kept in a cache folder. This
file must never normalise, split into folds, or compute a feature by other code than `streamer.features`.
"""

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.corpora import Clip
from models.telephone import PLAIN, RATE_HZ, Condition, draw, transmit
from models.utterance import cut
from streamer.features import FEATURES_KIND, MfccParameters, Moments, RollingMfcc

_CACHE_FORMAT: Final = 2
"""Raise it when cached features of the same clips would come out different."""


class Variant(msgspec.Struct, frozen=True):
    """How a whole set of clips is heard."""

    name: str
    condition: Condition | None = PLAIN
    """The same line for all; None draws one for each speaker, as a call has one line."""
    trim: bool = True
    """Whether clips are cut to the utterance as the product would; the whole clip otherwise."""
    speeds: tuple[float, float] = (1.0, 1.0)
    """Least and most speed at which a speaker's recordings are played, drawn once for each: pitch and formants move
    with it, so that few speakers sound like more."""
    seed: int = 0


class Utterances(msgspec.Struct, frozen=True, eq=False):
    """The features of many clips in one array."""

    rows: NDArray[np.float32]
    """float32[all frames, coefficients], clip after clip, not normalised."""
    offsets: NDArray[np.int64]
    """int64[clips + 1]: clip i has the rows from offsets[i] to offsets[i + 1]."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def frames(self, index: int) -> NDArray[np.float32]:
        """Return the features of one clip, float32[frames, coefficients]."""
        return self.rows[self.offsets[index] : self.offsets[index + 1]]

    def moments(self) -> list[Moments]:
        """Return the moments of each clip."""
        return [Moments.of(self.frames(index)) for index in range(len(self))]


def load_audio(path: Path) -> NDArray[np.float32]:
    """Return a file's samples, float32[n] in -1 to 1 at 8 kHz; channels are averaged, other rates resampled."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono: NDArray[np.float32] = samples.mean(axis=1)
    return mono if rate_hz == RATE_HZ else soxr.resample(mono, rate_hz, RATE_HZ)


def hear(clip: Clip, variant: Variant) -> NDArray[np.float32]:
    """Return a clip over a telephone line, cut to its utterance when the variant says so, float32[n] at 8 kHz."""
    of_speaker = _generator(variant.seed, clip.corpus, clip.speaker)
    line = draw(of_speaker) if variant.condition is None else variant.condition
    samples = load_audio(clip.path)
    slow, fast = variant.speeds
    if slow < fast:
        samples = soxr.resample(samples, of_speaker.uniform(slow, fast), 1.0)
    heard = transmit(samples, line, _generator(variant.seed, clip.corpus, clip.path.stem))
    if not variant.trim:
        return heard
    start, end = cut(heard)
    return heard[start:end]


def compute(clips: Sequence[Clip], variant: Variant, parameters: MfccParameters, cache: Path | None) -> Utterances:
    """Return the features of clips, from the cache where it has them.

    Parameters
    ----------
    clips
        In the order of the result.
    variant
        How they are heard.
    parameters
        Of the MFCC.
    cache
        Folder for features of earlier runs; None computes always.
    """
    if cache is None:
        return _compute(clips, variant, parameters)
    names = [f"{clip.corpus}/{clip.path.stem}" for clip in clips]
    what = msgspec.json.encode((_CACHE_FORMAT, FEATURES_KIND, parameters, variant, names))
    path = cache / f"{variant.name}-{hashlib.sha256(what).hexdigest()[:16]}.npz"
    if path.is_file():
        with np.load(path) as stored:
            return Utterances(stored["rows"], stored["offsets"])
    computed = _compute(clips, variant, parameters)
    cache.mkdir(parents=True, exist_ok=True)
    np.savez(path, rows=computed.rows, offsets=computed.offsets)
    return computed


def _compute(clips: Sequence[Clip], variant: Variant, parameters: MfccParameters) -> Utterances:
    rolling = RollingMfcc(parameters)
    parts = []
    for number, clip in enumerate(clips, start=1):
        rolling.reset()
        samples = hear(clip, variant)
        rolling.push(np.pad(samples, (0, max(0, parameters.n_fft - len(samples)))))
        parts.append(rolling.mfcc())
        if number % 2000 == 0 or number == len(clips):
            print(f"features {variant.name}: {number} of {len(clips)} clips", flush=True)
    offsets = np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)
    return Utterances(np.concatenate(parts), offsets)


def _generator(seed: int, *names: str) -> np.random.Generator:
    """Return a generator that depends on the seed and the names only, in every process."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])
