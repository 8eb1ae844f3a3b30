"""Connections that carry no call yet: not more than so many, whoever opens them.

Where one more comes than may be, the one that has waited longest is cut off: a platform says what it wants within
milliseconds, so who has waited longest is the least likely to be one. Without that, a thousand connections that never
speak would keep every platform out. This file must never know what a connection is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable


class Strangers:
    """The connections that carry no call yet, in the order in which they came.

    Parameters
    ----------
    most
        How many may be at the same time, 1 or more.

    Raises
    ------
    ValueError
        When that is below 1.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"limits.max_waiting: got {most}, expected 1 or more")
        self._most = most
        self._waiting: dict[Hashable, Callable[[], None]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def come(self, who: Hashable, cut_off: Callable[[], None]) -> bool:
        """Take a connection in; True if another one had to be cut off for it.

        Parameters
        ----------
        who
            Which connection.
        cut_off
            Ends it at once; is called not more than once, and never after `go`.
        """
        self._waiting[who] = cut_off
        if len(self._waiting) <= self._most:
            return False
        longest = next(iter(self._waiting))
        self._waiting.pop(longest)()
        return True

    def go(self, who: Hashable) -> None:
        """Let one go that carries a call now, or is closed; one that is not here changes nothing."""
        self._waiting.pop(who, None)
