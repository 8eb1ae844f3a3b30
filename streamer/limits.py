"""How many calls there are, in all, of each key and of each tenant, counted exactly: taken and given back in one place.

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

    __slots__ = ("_admission", "_key", "_tenant")

    def __init__(self, admission: Admission, key: str, tenant: str) -> None:
        self._admission: Admission | None = admission
        self._key = key
        self._tenant = tenant

    def release(self) -> None:
        """Give the slot back. A second time does nothing, so that every way out of a call may say it."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission._give_back(self._key, self._tenant)  # noqa: SLF001 - the one place where the counters go down

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class _Share:
    """How many calls of one kind, keys or tenants, there are of each name, and how many there may be."""

    def __init__(self, limits: Mapping[str, int], where: str) -> None:
        for name, limit in limits.items():
            if limit < 1:
                raise ValueError(f"{where.format(name)}: got {limit}, expected 1 or more")
        self._limits = dict(limits)
        self._active: Counter[str] = Counter()

    def limit(self, name: str) -> int | None:
        return self._limits.get(name)

    def full(self, name: str) -> bool:
        limit = self._limits.get(name)
        return limit is not None and self._active[name] >= limit

    def add(self, name: str, calls: int) -> None:
        if name in self._limits:  # nothing else is remembered, so this never grows
            self._active[name] += calls


class Admission:
    """Admits calls up to a limit, or none while the server drains or has too much to do. Not thread-safe.

    Parameters
    ----------
    max_calls
        Calls at the same time, 1 or more.
    of_key
        Id of a key to how many of those may be its own; a key that is not named has no limit of its own.
    of_tenant
        Likewise of a tenant, whichever of its keys its calls come in by.

    Raises
    ------
    ValueError
        A limit is below 1.
    """

    def __init__(
        self, max_calls: int, of_key: Mapping[str, int] | None = None, of_tenant: Mapping[str, int] | None = None
    ) -> None:
        if max_calls < 1:
            raise ValueError(f"server.max_calls: got {max_calls}, expected 1 or more")
        self._max_calls = max_calls
        self._keys = _Share(of_key or {}, "keys: {!r}: max_calls")
        self._tenants = _Share(of_tenant or {}, "limits.calls_per_tenant: {!r}")
        self._active = 0
        self.overloaded = False
        """New calls are refused because the node has too much to do with those it has (close code 1013)."""
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
        return self._keys.limit(key)

    def limit_of_tenant(self, tenant: str) -> int | None:
        """Return how many calls a tenant may have at the same time; None where it has no limit of its own."""
        return self._tenants.limit(tenant)

    def key_full(self, key: str) -> bool:
        """Whether a key has all the calls that it may have (close code 1013)."""
        return self._keys.full(key)

    def tenant_full(self, tenant: str) -> bool:
        """Whether a tenant has all the calls that it may have (close code 1013)."""
        return self._tenants.full(tenant)

    def acquire(self, key: str = "", tenant: str = "") -> Slot | None:
        """Take a slot, or return None where the server is draining, overloaded or full, or key or tenant is.

        Parameters
        ----------
        key
            Id of the key that the call came in by; empty where none was needed.
        tenant
            Whose call it is.
        """
        if self.draining or self.overloaded or self.full or self.key_full(key) or self.tenant_full(tenant):
            return None
        self._count(key, tenant, 1)
        self._empty.clear()
        return Slot(self, key, tenant)

    def drain(self) -> None:
        """Refuse every call from now on; those that are live keep their slots."""
        self._draining.set()

    async def wait_draining(self) -> None:
        """Return once calls are refused because the server is going away."""
        await self._draining.wait()

    async def wait_empty(self) -> None:
        """Return once no call holds a slot."""
        await self._empty.wait()

    def _give_back(self, key: str, tenant: str) -> None:
        self._count(key, tenant, -1)
        if self._active == 0:
            self._empty.set()

    def _count(self, key: str, tenant: str, calls: int) -> None:
        self._active += calls
        self._keys.add(key, calls)
        self._tenants.add(tenant, calls)
