"""Frames of 20 ms, of however many legs at once: what is cheap only in batches is done here, in one go for all.

Every leg's audio is mu-law at 8 kHz by the time it comes here, so all that is asked of a sample stands in a table of
256 entries: its linear value, its square, whether it is clipped. One call for the frames of a hundred legs costs little
more than one for a single frame. Each figure depends on its own frame alone, bit for bit, whoever else is in the batch:
squares are whole numbers and their sums stay far below 2**53. Pure. This file must never know whose frame is whose.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.audio import g711

RATE_HZ: Final = 8000
FRAME_MS: Final = 20
FRAME: Final = RATE_HZ * FRAME_MS // 1000
"""Samples of a frame."""
FULL_SCALE: Final = 32768.0

_CODES: Final = bytes(range(256))
_LINEAR: Final = g711.decode_mulaw(_CODES)
_SQUARE: Final = np.square(_LINEAR.astype(np.float64))
_MAGNITUDE: Final = 0x7F
"""The bits of a code that are not its sign; all 0 in the largest level of either sign."""


class Frames:
    """Frames, measured.

    Parameters
    ----------
    codes
        Mu-law, 160 bytes a frame, one frame after the other.

    Raises
    ------
    ValueError
        When the codes are no whole number of frames.
    """

    __slots__ = ("clipped", "energy", "linear")

    linear: bytes
    """int16, 320 bytes a frame."""
    energy: list[float]
    """Of each frame: the sum of its squared samples, in squared 16-bit units; exact."""
    clipped: list[int]
    """Of each frame: how many of its samples are at the largest level of mu-law."""

    def __init__(self, codes: bytes) -> None:
        if len(codes) % FRAME:
            raise ValueError(f"got {len(codes)} codes, expected a multiple of {FRAME}: whole frames")
        index = np.frombuffer(codes, np.uint8)
        self.linear = _LINEAR.take(index).tobytes()
        self.energy = _SQUARE.take(index).reshape(-1, FRAME).sum(axis=1).tolist()
        self.clipped = ((index & _MAGNITUDE) == 0).reshape(-1, FRAME).sum(axis=1).tolist()


def linear(codes: bytes | bytearray) -> NDArray[np.int16]:
    """Return what mu-law codes stand for: int16[len(codes)]."""
    return _LINEAR.take(np.frombuffer(codes, np.uint8))
