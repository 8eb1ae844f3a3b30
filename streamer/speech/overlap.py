"""How long two parties spoke at once.

The two legs' frames come independently and one may run ahead of the other by any amount, so intervals on the media
clock are compared, never moments of arrival. This file must never hold audio.
"""

from __future__ import annotations

from collections import deque
from itertools import takewhile
from typing import Final

_MOST_KEPT: Final = 10_000
"""Intervals of a leg that wait for the other; where one leg is this far ahead, its oldest are let go uncounted."""


class Overlap:
    """Counts the time in which both of two legs, 0 and 1, spoke."""

    def __init__(self) -> None:
        self._waiting: tuple[deque[tuple[float, float]], deque[tuple[float, float]]] = (
            deque(maxlen=_MOST_KEPT),
            deque(maxlen=_MOST_KEPT),
        )
        self._known_ms = [0.0, 0.0]
        self.total_ms = 0.0
        """Time that both spoke, as far as both legs are known."""

    def speech(self, leg: int, start_ms: float, end_ms: float) -> None:
        """Take note that a leg spoke.

        Parameters
        ----------
        leg
            0 or 1.
        start_ms, end_ms
            On the media clock. Each leg tells its speech in order; any number of frames at once.

        Raises
        ------
        ValueError
            When the interval ends before it begins, or begins before the leg's last one ended.
        """
        if not self._known_ms[leg] <= start_ms <= end_ms:
            known_ms = self._known_ms[leg]
            raise ValueError(
                f"leg {leg} spoke from {start_ms} to {end_ms} ms, but is already known up to {known_ms} ms"
            )
        mine, other = self._waiting[leg], self._waiting[1 - leg]
        self.passed(leg, start_ms)
        self.total_ms += sum(
            max(0.0, min(end_ms, their_end_ms) - max(start_ms, their_start_ms))
            for their_start_ms, their_end_ms in takewhile(lambda theirs: theirs[0] < end_ms, other)
        )
        self.passed(leg, end_ms)
        if end_ms <= self._known_ms[1 - leg]:
            return
        if mine and mine[-1][1] == start_ms:
            start_ms = mine.pop()[0]
        mine.append((start_ms, end_ms))

    def passed(self, leg: int, until_ms: float) -> None:
        """Take note that a leg is known up to here; whatever was not told as speech was none."""
        self._known_ms[leg] = max(self._known_ms[leg], until_ms)
        other = self._waiting[1 - leg]
        while other and other[0][1] <= self._known_ms[leg]:
            other.popleft()
