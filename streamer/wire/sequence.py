"""Which numbered messages of a stream never came: counted, and taken back when they come late after all.

This file must never hold or drop a message: the media clock places audio, numbers only tell what is missing.
"""

from __future__ import annotations

from typing import Final

from streamer.wire.events import Missing


class MessageNumbers:
    """Numbers that should go up by one; remembers the last thousand missing ones."""

    _REMEMBERED: Final = 1000
    _RENUMBERED: Final = 100_000
    """A jump this far is no loss (a quarter of an hour of both tracks): the platform counts anew."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._missing: dict[int, None] = {}

    @property
    def next(self) -> int | None:
        """The number that should come next; None before the first."""
        return self._next

    def follow(self, messages: int) -> None:
        """Take so many messages that have the next numbers; the same as `receive` for each, for less."""
        if self._next is not None:
            self._next += messages

    def receive(self, number: int) -> list[Missing]:
        """Take the number of a message; return what it says about those before it."""
        if self._next is None or number == self._next:
            self._next = number + 1
            return []
        if number < self._next:
            # A number that was never missed is a duplicate: the media clock will notice.
            return [Missing(-1)] if self._missing.pop(number, 0) is None else []
        jump = number - self._next
        if jump >= self._RENUMBERED:
            self._next = number + 1
            return []
        for lost in range(max(self._next, number - self._REMEMBERED), number):
            self._missing[lost] = None
        while len(self._missing) > self._REMEMBERED:
            del self._missing[next(iter(self._missing))]
        self._next = number + 1
        return [Missing(jump)]
