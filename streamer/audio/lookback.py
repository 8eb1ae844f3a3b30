"""What a leg keeps of what it has heard: audio that may still be asked for, and which of it never came.

Both are on the leg's 8 kHz clock, in samples since the stream began. Pure. This file must never decide what may be
asked for: its owner does, who says when it is time to forget.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.audio.frames import linear

_SPARE: Final = 4000
"""Samples behind all that is needed that may lie there before they are forgotten: forgetting moves the rest."""
_MOST_LOST: Final = 64
"""Places of missing media that are remembered before those that no longer matter are looked for."""


class Lookback:
    """Audio without a hole in it, as mu-law codes: new at one end, forgotten at the other."""

    __slots__ = ("_codes", "begin")

    def __init__(self) -> None:
        self.begin = 0
        """Where what is kept begins; where the next comes, while nothing is."""
        self._codes = bytearray()

    def __len__(self) -> int:
        return len(self._codes)

    def extend(self, codes: bytes, at: int) -> None:
        """Keep codes that come next; the first after a `clear` may be anywhere."""
        if not self._codes:
            self.begin = at
        self._codes += codes

    def linear(self, begin: int, end: int) -> NDArray[np.int16]:
        """Return what is kept between two places: int16[end - begin]."""
        return linear(self._codes[begin - self.begin : end - self.begin])

    def is_long(self, enough: int) -> bool:
        """Return whether so much more than enough is kept that forgetting is worth its while."""
        return len(self._codes) > enough + _SPARE

    def forget(self, before: int) -> None:
        """Let go of what lies before a place, which is not behind the end of what is kept."""
        del self._codes[: before - self.begin]
        self.begin = before

    def clear(self) -> None:
        """Let go of all of it."""
        self._codes.clear()


class Lost:
    """Places where silence stands for what never came, in the order of the clock."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._places)

    def note(self, begin: int, end: int) -> bool:
        """Put down a place; return whether there are so many that it is time to forget some."""
        self._places.append((begin, end))
        return len(self._places) >= _MOST_LOST

    def between(self, begin: int, end: int) -> int:
        """Return how many samples between two places never came."""
        return sum(max(0, min(end, until) - max(begin, since)) for since, until in self._places)

    def forget(self, before: int) -> None:
        """Let go of what ended by a place of the clock."""
        self._places = [(begin, end) for begin, end in self._places if end > before]
