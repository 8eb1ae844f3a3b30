"""How many calls there are, in all and of each key, counted exactly: taken and given back in one place.

This file must never know what a call is, and nothing else in the server may count calls: two counters drift apart.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self


class Slot:
    """The right to serve one call. Use it as a context manager; leaving the block gives it back."""

    __slots__ = ("_admission", "_key")

    def __init__(self, admission: Admission, key: str) -> None:
        self._admission: Admission | None = admission
        self._key = key

    def release(self) -> None:
        """Give the slot back. A second time does nothing, so that every way out of a call may say it."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission._give_back(self._key)  # noqa: SLF001 - the one place where the counters go down

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
    of_key
        Id of a key to how many of those may be its own; a key that is not named has no limit of its own.

    Raises
    ------
    ValueError
        A limit is below 1.
    """

    def __init__(self, max_calls: int, of_key: Mapping[str, int] | None = None) -> None:
        if max_calls < 1:
            raise ValueError(f"server.max_calls: got {max_calls}, expected 1 or more")
        for key, limit in (of_key or {}).items():
            if limit < 1:
                raise ValueError(f"keys: {key!r}: max_calls: got {limit}, expected 1 or more")
        self._max_calls = max_calls
        self._of_key = dict(of_key or {})
        self._active_of_key: Counter[str] = Counter()
        self._active = 0
        self._draining = asyncio.Event()
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
        return self._draining.is_set()

    def limit_of(self, key: str) -> int | None:
        """Return how many calls a key may have at the same time; None where it has no limit of its own."""
        return self._of_key.get(key)

    def key_full(self, key: str) -> bool:
        """Whether a key has all the calls that it may have (close code 1013)."""
        limit = self._of_key.get(key)
        return limit is not None and self._active_of_key[key] >= limit

    def acquire(self, key: str = "") -> Slot | None:
        """Take a slot, or return None where the server is draining or full, or the key has all that it may have.

        Parameters
        ----------
        key
            Id of the key that the call came in by; empty where none was needed.
        """
        if self.draining or self.full or self.key_full(key):
            return None
        self._active += 1
        if key in self._of_key:
            self._active_of_key[key] += 1
        self._empty.clear()
        return Slot(self, key)

    def drain(self) -> None:
        """Refuse every call from now on; those that are live keep their slots."""
        self._draining.set()

    async def wait_draining(self) -> None:
        """Return once calls are refused because the server is going away."""
        await self._draining.wait()

    async def wait_empty(self) -> None:
        """Return once no call holds a slot."""
        await self._empty.wait()

    def _give_back(self, key: str) -> None:
        self._active -= 1
        if key in self._of_key:
            self._active_of_key[key] -= 1
        if self._active == 0:
            self._empty.set()
