"""Numbered messages that overtook each other, put back in order: for platforms that do not promise one.

What cannot be put off until the media clock does it, because a codec with a memory must hear its bytes in order. Pure.
This file must never wait longer than its window, hold more than a bounded number of messages, or look into one.

Theory of operation. ``next`` is the number that is due.

======================== ==========================================================================================
the message's number is  what happens
======================== ==========================================================================================
0 or 1, nothing was due  it is let go: nothing can come before it
another, nothing was due it is held: what it overtook may still come
due                      it is let go, and what is held and follows on with it
ahead                    it is held until the ones before it come, or until what is held reaches over the window, in
                         messages or in media time; then those are given up and the next held one is due. With
                         nothing behind it, a message waits for the next one, or for the end of the stream
behind, or held already  it is dropped and counted: its place has passed, or is taken
behind, `restart` times  the platform counts anew: it is let go and the next number is due
======================== ==========================================================================================
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

T = TypeVar("T")

_RESTART: Final = 50
"""So many messages behind in a row, a second of a track, are no latecomers."""


class Reorder(Generic[T]):
    """One numbered stream.

    Parameters
    ----------
    window
        Most messages that are held, 1 or more.
    window_ms
        Most media time between the first and the last held message, 0 or more.

    Raises
    ------
    ValueError
        When one of them is less.
    """

    def __init__(self, window: int = 64, window_ms: float = 100.0) -> None:
        if window < 1 or not window_ms >= 0:
            raise ValueError(f"got a window of {window} messages and {window_ms} ms; expected at least 1 and 0")
        self._window = window
        self._window_ms = window_ms
        self._next: int | None = None
        self._held: dict[int, tuple[T, float | None]] = {}
        self._behind = 0
        self.late = 0
        """Messages dropped because their place had passed, or was taken."""

    def receive(self, number: int, item: T, at_ms: float | None = None) -> list[T]:
        """Take a message; return what is in order now.

        Parameters
        ----------
        number
            Its number.
        item
            What it brings.
        at_ms
            Where it stands on the media clock; None where it does not say: then the window is in messages alone.

        Returns
        -------
        list
            Items in the order of their numbers, each once; may be empty.
        """
        if self._next is None and number <= 1:
            self._next = number
        if number in self._held or (self._next is not None and number < self._next):
            return self._receive_behind(number, item)
        self._behind = 0
        self._held[number] = (item, at_ms)
        ready = self._follow()
        while self._is_over_window():
            self._next = min(self._held)
            ready += self._follow()
        return ready

    def flush(self) -> list[T]:
        """Return all that is held, in order; for the end of the stream."""
        ready = [self._held[number][0] for number in sorted(self._held)]
        if self._held:
            self._next = max(self._held) + 1
        self._held.clear()
        return ready

    def _receive_behind(self, number: int, item: T) -> list[T]:
        self._behind += 1
        if self._behind < _RESTART:
            self.late += 1
            return []
        self._behind = 0
        ready = [*self.flush(), item]
        self._next = number + 1
        return ready

    def _follow(self) -> list[T]:
        ready = []
        while self._next is not None and self._next in self._held:
            ready.append(self._held.pop(self._next)[0])
            self._next += 1
        return ready

    def _is_over_window(self) -> bool:
        if len(self._held) <= 1:
            return len(self._held) == 1 and self._window_ms == 0
        if len(self._held) > self._window:
            return True
        places = [at_ms for _, at_ms in self._held.values() if at_ms is not None]
        return bool(places) and max(places) - min(places) >= self._window_ms
