"""Two files, one call: each party recorded by itself, as MixMonitor and many recorders do.

A pair behaves as a recording of two channels. This file must never shift one file against the other: both began with
the call, and the shorter one is followed by silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat, tee, zip_longest
from pathlib import Path

import msgspec
import numpy as np

from streamer_client.errors import RecordingError
from streamer_client.recording import Block, Recording, open_recording


class Pair(msgspec.Struct, frozen=True):
    """The files of one call, a channel each; as :class:`~streamer_client.recording.Recording` to whoever reads it."""

    tracks: tuple[Recording, ...]

    @property
    def path(self) -> Path:
        """Its first file."""
        return self.tracks[0].path

    @property
    def channels(self) -> int:
        """One a file."""
        return len(self.tracks)

    @property
    def duration_ms(self) -> float:
        """Length of the longest file by its header, in ms."""
        return max(track.duration_ms for track in self.tracks)

    @property
    def wire_rate_hz(self) -> int:
        """The lowest rate among the files: nothing is ever sampled up."""
        return min(track.wire_rate_hz for track in self.tracks)

    def blocks(self, block_ms: int | Iterator[int] = 20, rate_hz: int | None = None) -> Iterator[Block]:
        """Read all files once, side by side.

        Parameters
        ----------
        block_ms : int or iterator of int
            Length of every block, or of each in turn, but for the last.
        rate_hz : int, optional
            Rate of the blocks; `wire_rate_hz` if not given.

        Yields
        ------
        Block
            Samples of shape (frames, files), int16; silence where a file has ended.

        Raises
        ------
        RecordingError
            As a single recording does.
        """
        rate_hz = rate_hz or self.wire_rate_hz
        lengths = tee(repeat(block_ms) if isinstance(block_ms, int) else block_ms, len(self.tracks))
        readers = [track.blocks(ms, rate_hz) for track, ms in zip(self.tracks, lengths, strict=True)]
        for pieces in zip_longest(*readers):
            present = [piece for piece in pieces if piece is not None]
            joined = np.zeros((max(len(piece.samples) for piece in present), len(self.tracks)), np.int16)
            for channel, piece in enumerate(pieces):
                if piece is not None:
                    joined[: len(piece.samples), channel] = piece.samples[:, 0]
            yield Block(present[0].position_ms, joined, rate_hz)


def open_pair(paths: tuple[Path, ...]) -> Pair:
    """Read the headers of the files of one call.

    Raises
    ------
    RecordingError
        A file cannot be read, or holds more than one channel.
    """
    tracks = tuple(open_recording(path) for path in paths)
    for track in tracks:
        if track.channels != 1:
            raise RecordingError(
                f"{track.path} has {track.channels} channels, but a file of a pair holds one party; keep one channel, "
                "or leave its partner out"
            )
    return Pair(tracks)
