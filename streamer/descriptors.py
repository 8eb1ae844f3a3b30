"""How many files and sockets the process may hold open, and how many it needs.

Systems start programs with a soft limit of 1024, for old programs that break above it, and a hard limit far higher; a
program that can do with more is expected to raise the one to the other (systemd.exec(5), LimitNOFILE). Where even the
hard limit is too low, connections fail in the middle of the day. This file must never lower a limit.
"""

from __future__ import annotations

from typing import Final

import structlog

from streamer.config import Settings

try:
    import resource
except ImportError:  # Windows, where sockets are no descriptors and nothing is to be raised
    LIMITED = False
else:
    LIMITED = True

PER_CALL: Final = 2
"""Some platforms open a stream for each party."""
OF_ITS_OWN: Final = 64
"""Listeners, the outbox, the broker, the health port, libraries."""

log = structlog.get_logger()


def needed(settings: Settings) -> int:
    """Return how many open files `server.max_calls` and those who have not begun a call yet may take."""
    return PER_CALL * settings.server.max_calls + settings.limits.max_waiting + OF_ITS_OWN


def allowed() -> tuple[float, float]:
    """Return the soft and the hard limit of this process; infinite where there is none."""
    if not LIMITED:
        return float("inf"), float("inf")
    soft, hard = (
        float("inf") if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return soft, hard


def raise_to_the_most() -> None:
    """Raise the soft limit of this process as far as it may."""
    if LIMITED:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def provide(settings: Settings) -> None:
    """Raise the soft limit of this process to what is needed, as far as it may; say so where that is not enough."""
    wanted = needed(settings)
    soft, hard = allowed()
    if soft >= wanted:
        return
    _, unchanged = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(min(wanted, hard)), unchanged))
    if hard < wanted:
        log.warning(
            "too few open files are allowed for server.max_calls: raise the limit (LimitNOFILE=, ulimit -n)",
            allowed=int(hard),
            needed=wanted,
        )
