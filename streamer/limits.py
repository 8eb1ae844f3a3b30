"""How many calls there are, counted exactly: one counter, taken and given back in one place.

This file must never know what a call is, and nothing else in the server may count calls: two counters drift apart.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Slot:
    """The right to serve one call. Use it as a context manager; leaving the block gives it back."""

    __slots__ = ("_admission",)

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission

    def release(self) -> None:
        """Give the slot back. A second time does nothing, so that every way out of a call may say it."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission._give_back()  # noqa: SLF001 - the one place where the counter goes down

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Admission:
    """Admits calls up to a limit, or none while the server drains. For one event loop; not thread-safe.

    Parameters
    ----------
    max_calls
        Calls at the same time, 1 or more.

    Raises
    ------
    ValueError
        `max_calls` is below 1.
    """

    def __init__(self, max_calls: int) -> None:
        if max_calls < 1:
            raise ValueError(f"server.max_calls: got {max_calls}, expected 1 or more")
        self._max_calls = max_calls
        self._active = 0
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def active(self) -> int:
        """Slots taken and not given back."""
        return self._active

    @property
    def full(self) -> bool:
        """Whether the limit is reached (close code 1013)."""
        return self._active >= self._max_calls

    @property
    def draining(self) -> bool:
        """Whether new calls are refused because the server is going away (close code 1001)."""
        return self._draining

    def acquire(self) -> Slot | None:
        """Take a slot, or return None where the server is full or draining."""
        if self._draining or self.full:
            return None
        self._active += 1
        self._empty.clear()
        return Slot(self)

    def drain(self) -> None:
        """Refuse every call from now on; those that are live keep their slots."""
        self._draining = True

    async def wait_empty(self) -> None:
        """Return once no call holds a slot."""
        await self._empty.wait()

    def _give_back(self) -> None:
        self._active -= 1
        if self._active == 0:
            self._empty.set()
