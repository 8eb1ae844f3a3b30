"""Clips as log-mels: each clip over several telephone lines, cut to its utterance, through the product's own code.

Computing features is slow, training goes over them many times: they are computed once and kept in a cache folder. This
file must never normalise, split into folds, or compute a feature by other code than `streamer.features`.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.corpora import Clip
from models.music import Split
from models.sounds import make
from models.telephone import PLAIN, RATE_HZ, Condition, draw, transmit
from models.utterance import cut
from streamer.features import LOG_MEL_KIND, LogMelParameters, RollingLogMel

FRONT_END: Final = LogMelParameters.whisper()
"""All networks hear Whisper's log-mels. An MFCC with as many coefficients as there are bands is the same, turned
round: `models.export` turns it back inside the network."""

BACKGROUNDS: Final = ("babble", "music")
"""What drawn lines may have behind the talker."""
_BACKGROUND_S: Final = 6.0
_MATERIALS: Final = 12
"""How many different backgrounds of a kind there are."""
_CACHE_FORMAT: Final = 4
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
    """The log-mels of many clips in one array."""

    rows: NDArray[np.float16]
    """float16[all frames, bands], clip after clip, in Whisper's units: they lie between -1 and 3, and half precision
    is finer there than a telephone line."""
    offsets: NDArray[np.int64]
    """int64[clips + 1]: clip i has the rows from offsets[i] to offsets[i + 1]."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def frames(self, index: int) -> NDArray[np.float32]:
        """Return the log-mels of one clip, float32[frames, bands]."""
        return self.rows[self.offsets[index] : self.offsets[index + 1]].astype(np.float32)

    def followed_by(self, other: "Utterances") -> "Joined":
        """Return the clips of both, these first; nothing is copied."""
        return Joined(self, other)


class Joined(msgspec.Struct, frozen=True, eq=False):
    """Log-mels of clips that lie in several arrays."""

    first: "Utterances | Joined"
    second: Utterances

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def frames(self, index: int) -> NDArray[np.float32]:
        """Return the log-mels of one clip, float32[frames, bands]."""
        behind = index - len(self.first)
        return self.first.frames(index) if behind < 0 else self.second.frames(behind)

    def followed_by(self, other: Utterances) -> "Joined":
        """Return the clips of both, these first; nothing is copied."""
        return Joined(self, other)


Hearing = Utterances | Joined
"""Clips over one line, by index."""


def in_whispers_units(decibels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows of `FRONT_END` as Whisper's own front end gives them.

    Half the samples have a quarter of the power; then log10, shifted by 4 and divided by 4, as in `log_mel_spectrogram`
    of https://github.com/openai/whisper/blob/main/whisper/audio.py.
    """
    return (decibels / np.float32(10.0) + np.float32(np.log10(4.0) + 4.0)) / np.float32(4.0)


def log_mels(heard: Iterable[NDArray[np.float32]]) -> Utterances:
    """Return the log-mels of utterances, float32[n] at 8 kHz each; shorter ones than a frame are filled up."""
    rolling = RollingLogMel(FRONT_END)
    parts = []
    for samples in heard:
        rolling.reset()
        rolling.push(np.pad(samples, (0, max(0, FRONT_END.n_fft - len(samples)))))
        parts.append(in_whispers_units(rolling.features()).astype(np.float16))
    return Utterances(np.concatenate(parts), np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64))


def load_audio(path: Path) -> NDArray[np.float32]:
    """Return a file's samples, float32[n] in -1 to 1 at 8 kHz; channels are averaged, other rates resampled."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono: NDArray[np.float32] = samples.mean(axis=1)
    return mono if rate_hz == RATE_HZ else soxr.resample(mono, rate_hz, RATE_HZ)


def hear(clip: Clip, variant: Variant) -> NDArray[np.float32]:
    """Return a clip over a telephone line, cut to its utterance when the variant says so, float32[n] at 8 kHz."""
    of_speaker = _generator(variant.seed, clip.corpus, clip.speaker)
    line = draw(of_speaker, BACKGROUNDS) if variant.condition is None else variant.condition
    samples = load_audio(clip.path)
    slow, fast = variant.speeds
    if slow < fast:
        samples = soxr.resample(samples, of_speaker.uniform(slow, fast), 1.0)
    split: Split = "train" if variant.condition is None else "test"
    number = int(of_speaker.integers(_MATERIALS))
    backgrounds = {line.background: background(line.background, number, split)} if line.background else {}
    heard = transmit(samples, line, _generator(variant.seed, clip.corpus, clip.path.stem), backgrounds)
    if not variant.trim:
        return heard
    start, end = cut(heard)
    return heard[start:end]


@lru_cache(maxsize=4 * _MATERIALS)
def background(name: str, number: int, split: Split) -> NDArray[np.float32]:
    """Return what is heard behind talkers, float32[n] at 8 kHz: `music`, or `babble` of announcing voices."""
    rng = _generator(number, name, split)
    talkers = [make("announcement", _BACKGROUND_S, rng, split) for _ in range(6)] if name == "babble" else []
    return make(name, _BACKGROUND_S, rng, split, talkers)


def compute(clips: Sequence[Clip], variant: Variant, cache: Path | None) -> Hearing:
    """Return the log-mels of clips, from the cache where it has them.

    Parameters
    ----------
    clips
        In the order of the result.
    variant
        How they are heard.
    cache
        Folder for log-mels of earlier runs; None computes always.
    """
    # Corpus by corpus, so that two models that share a corpus share its log-mels.
    first, *others = [list(group) for _, group in groupby(clips, key=lambda clip: clip.corpus)]
    found: Hearing = _of_corpus(first, variant, cache)
    for clips_of_it in others:
        found = found.followed_by(_of_corpus(clips_of_it, variant, cache))
    return found


def _of_corpus(clips: Sequence[Clip], variant: Variant, cache: Path | None) -> Utterances:
    names = [f"{clip.corpus}/{clip.path.stem}" for clip in clips]
    what = msgspec.json.encode((_CACHE_FORMAT, LOG_MEL_KIND, FRONT_END, variant, names))
    known = hashlib.sha256(what).hexdigest()[:16]
    folder = None if cache is None else cache / f"{variant.name}-{clips[0].corpus}-{known}"
    if folder is not None and (folder / "offsets.npy").is_file():
        # Mapped, not read: a dozen hearings of all clips are gigabytes.
        return Utterances(np.load(folder / "rows.npy", mmap_mode="r"), np.load(folder / "offsets.npy"))
    computed = log_mels(_heard(clips, variant))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "rows.npy", computed.rows)
        np.save(folder / "offsets.npy", computed.offsets)
    return computed


def _heard(clips: Sequence[Clip], variant: Variant) -> Iterator[NDArray[np.float32]]:
    for number, clip in enumerate(clips, start=1):
        yield hear(clip, variant)
        if number % 2000 == 0 or number == len(clips):
            print(f"log-mels {variant.name}: {number} of {len(clips)} clips", flush=True)


def _generator(seed: int, *names: str) -> np.random.Generator:
    """Return a generator that depends on the seed and the names only, in every process."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])
