"""Recordings as a telephone would have sent them: short blocks of 16-bit samples, in order.

Reads what `recordings.formats` lists, through libsndfile (https://libsndfile.github.io/libsndfile/), one block at a
time. This file must never hold a whole recording in memory, never touch a network, and never guess at a broken file:
what cannot be read is refused in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from streamer_client.errors import RecordingError
from streamer_client.recordings import formats

Samples = npt.NDArray[np.int16]
"""Shape (frames, channels), full scale = 32768."""

ACCEPTED_RATES_HZ = (8000, 16000, 24000, 32000, 44100, 48000)
"""What the server takes as it is; other rates are resampled here."""
FALLBACK_RATE_HZ = 16000
MAX_CHANNELS = 8
_READ_S = 1.0
_INTEGER_SUBTYPES = ("PCM_", "ULAW", "ALAW")


class Block(msgspec.Struct, frozen=True):
    """A piece of a recording."""

    position_ms: float
    """Where its first frame lies in the recording."""
    samples: Samples
    rate_hz: int

    @property
    def end_ms(self) -> float:
        """Where its last frame ends in the recording, in ms."""
        return self.position_ms + 1000 * len(self.samples) / self.rate_hz


class Recording(msgspec.Struct, frozen=True):
    """What the header of a file says; :meth:`blocks` reads the rest."""

    path: Path
    rate_hz: int
    """As stored in the file."""
    channels: int
    frames: int

    @property
    def duration_ms(self) -> float:
        """Length by the header, in ms."""
        return 1000 * self.frames / self.rate_hz

    @property
    def wire_rate_hz(self) -> int:
        """The file's own rate where the server takes it, 16000 otherwise."""
        return self.rate_hz if self.rate_hz in ACCEPTED_RATES_HZ else FALLBACK_RATE_HZ

    def blocks(self, block_ms: int | Iterator[int] = 20, rate_hz: int | None = None) -> Iterator[Block]:
        """Read the recording once, from its beginning.

        Parameters
        ----------
        block_ms : int or iterator of int
            Length of every block, or of each in turn, but for the last, which holds what is left.
        rate_hz : int, optional
            Rate of the blocks; `wire_rate_hz` if not given.

        Yields
        ------
        Block
            Samples of shape (frames, channels), int16.

        Raises
        ------
        RecordingError
            The file ends inside a sample, is damaged, or went away.
        """
        rate_hz = rate_hz or self.wire_rate_hz
        lengths_ms = repeat(block_ms) if isinstance(block_ms, int) else block_ms
        block_frames = rate_hz * next(lengths_ms) // 1000
        sent = 0
        rest = np.empty((0, self.channels), dtype=np.int16)
        for piece in self._resampled(rate_hz):
            rest = np.concatenate([rest, piece])
            while len(rest) >= block_frames:
                yield Block(1000 * sent / rate_hz, rest[:block_frames], rate_hz)
                sent += block_frames
                rest = rest[block_frames:]
                block_frames = rate_hz * next(lengths_ms) // 1000
        if len(rest):
            yield Block(1000 * sent / rate_hz, rest, rate_hz)

    def _resampled(self, rate_hz: int) -> Iterator[Samples]:
        if rate_hz == self.rate_hz:
            yield from self._stored()
            return
        # In float and rounded here, because soxr dithers when it writes integers: a replay must be repeatable.
        stream = soxr.ResampleStream(self.rate_hz, rate_hz, self.channels, dtype="float32", quality="HQ")
        for piece in self._stored():
            yield _to_int16(stream.resample_chunk(piece.astype(np.float32)))
        yield _to_int16(stream.resample_chunk(np.empty((0, self.channels), dtype=np.float32), last=True))

    def _stored(self) -> Iterator[Samples]:
        """Yield the file's own samples, about a second at a time."""
        with _opened(self.path) as file:
            integers = str(file.subtype).startswith(_INTEGER_SUBTYPES)
            frames = max(1, round(self.rate_hz * _READ_S))
            read = 0
            while True:
                try:
                    piece = file.read(frames, dtype="int16" if integers else "float32", always_2d=True)
                except soundfile.LibsndfileError as problem:
                    raise RecordingError(
                        f"{self.path} is damaged after {read / self.rate_hz:.1f} s: {_reason(problem)}; "
                        "repair or convert it first"
                    ) from problem
                if not len(piece):
                    break
                read += len(piece)
                # libsndfile does not scale when it reads a float file as integers, so that is done here.
                yield piece if integers else _to_int16(piece * np.float32(32768))
        if not read:
            raise RecordingError(f"{self.path} holds no samples; check how it was recorded")


def open_recording(path: str | Path) -> Recording:
    """Read the header of an audio file.

    Raises
    ------
    RecordingError
        The file is missing, is no audio, holds no samples, or has more than 8 channels.
    """
    path = Path(path)
    with _opened(path) as file:
        recording = Recording(path, int(file.samplerate), int(file.channels), int(file.frames))
    if recording.frames == 0:
        raise RecordingError(f"{path} holds no samples; check how it was recorded")
    if recording.channels > MAX_CHANNELS:
        raise RecordingError(
            f"{path} has {recording.channels} channels, a call has 1 to {MAX_CHANNELS}; keep the speakers' only"
        )
    return recording


def _opened(path: Path) -> Any:  # noqa: ANN401 - soundfile ships no types
    if not path.exists():
        raise RecordingError(f"there is no file {path}; check the name")
    if path.is_dir():
        raise RecordingError(f"{path} is a folder, an audio file was expected; name the files in it")
    raw = formats.raw(path)
    try:
        if raw is None:
            return soundfile.SoundFile(path)
        return soundfile.SoundFile(
            path,
            samplerate=raw.rate_hz,
            channels=1,
            format="RAW",
            subtype=raw.subtype,
            endian="LITTLE" if raw.bytes_per_block == 2 else "FILE",
        )
    except (soundfile.LibsndfileError, OSError) as problem:
        raise RecordingError(_unreadable(path, problem)) from problem


def _unreadable(path: Path, problem: Exception) -> str:
    """Return why a file cannot be read: what it seems to be, and what could be read."""
    try:
        with path.open("rb") as file:
            beginning = file.read(16)
    except OSError as why:
        return f"cannot read {path}: {_reason(why)}; check who may read it"
    return (
        f"cannot read {path} as audio: {_reason(problem)}; it seems to be {formats.what_came(path, beginning)}, "
        f"readable are {formats.READABLE}: convert it, for example with ffmpeg or sox"
    )


def _reason(problem: Exception) -> str:
    text = getattr(problem, "error_string", None) or getattr(problem, "strerror", None) or str(problem)
    return str(text).rstrip(".").lower()


def _to_int16(samples: npt.NDArray[np.float32]) -> Samples:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
