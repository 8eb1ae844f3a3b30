"""Admission of a worker: the node's counters decide, so that no limit is exceeded however many workers there are.

A worker asks the supervisor's ledger before it takes a call, and waits for the answer; what it holds is given back when
the call ends, or when the worker is gone. This file must never let a call in that the ledger has not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog

from streamer.limits import Admission, Slot
from streamer.workers.channel import ChannelError, Reports
from streamer.workers.ledger import Limit

CALLS: Final = "calls"
"""The counter of all calls of the node."""

log = structlog.get_logger()


class SharedAdmission(Admission):
    """As :class:`streamer.limits.Admission`, but counting over all workers of the node.

    Of itself it counts this worker's calls: when they have gone, the worker may.

    Parameters
    ----------
    reports
        To the ledger.
    max_calls, of_key, of_tenant
        As there.
    """

    def __init__(
        self,
        reports: Reports,
        max_calls: int,
        of_key: Mapping[str, int] | None = None,
        of_tenant: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(max_calls, of_key, of_tenant)
        self._reports = reports
        self._most = max_calls
        self._refused = ""
        """The counter that was full at the last refusal: why, for whoever asks then."""

    @property
    def full(self) -> bool:
        """Whether the call refused last found no room on the node."""
        return self._refused == CALLS

    def key_full(self, key: str) -> bool:
        """Whether the call refused last was one more than this key may have on the node."""
        return self._refused == _of_key(key)

    def tenant_full(self, tenant: str) -> bool:
        """Whether the call refused last was one more than this tenant may have on the node."""
        return self._refused == _of_tenant(tenant)

    def acquire(self, key: str = "", tenant: str = "") -> Slot | None:
        """Take a slot of the node, or return None where there is none, or the worker is draining or overloaded."""
        self._refused = ""
        if self.draining or self.overloaded:
            return None
        try:
            self._refused = self._reports.ask("take", self._limits(key, tenant))
        except ChannelError as problem:
            log.error("the supervisor is gone; no more calls are taken", problem=str(problem))  # noqa: TRY400 - said in words, without a traceback
            self.drain()
            return None
        if self._refused:
            return None
        self._count(key, tenant, 1)
        self._empty.clear()
        return Slot(self, key, tenant)

    @contextmanager
    def relaying(self) -> Iterator[None]:
        """Count a stream that is handed on to another worker: it needs no slot, but it needs this process."""
        self._active += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._active -= 1
            if self._active == 0:
                self._empty.set()

    def _give_back(self, key: str, tenant: str) -> None:
        self._reports.tell("give", [name for name, _ in self._limits(key, tenant)])
        super()._give_back(key, tenant)

    def _limits(self, key: str, tenant: str) -> list[Limit]:
        """Return the counters that a call is of, and what each may reach."""
        limits: list[Limit] = [(CALLS, self._most)]
        for name, limit in (
            (_of_key(key), self.limit_of(key)),
            (_of_tenant(tenant), self.limit_of_tenant(tenant)),
        ):
            if limit is not None:
                limits.append((name, limit))
        return limits


def _of_key(key: str) -> str:
    return f"key {key}"


def _of_tenant(tenant: str) -> str:
    return f"tenant {tenant}"
