"""Where programs run: one core for the server, another for all that loads it, before everything else on the machine.

This file must never fail where a system does not allow it: it says what was done, and the report repeats that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

PRIORITY: Final = -15
"""Before ordinary programs; the kernel's own threads stay in front."""


@dataclass(frozen=True)
class Place:
    """What a server and its load are given of the machine."""

    server: frozenset[int]
    """Cores."""
    load: frozenset[int]
    """Cores of generator and broker."""
    is_preferred: bool
    """Whether they run before other programs."""

    @property
    def is_apart(self) -> bool:
        """Whether they disturb each other less than they could."""
        return bool(self.server) and not self.server & self.load

    def settle(self, pid: int) -> None:
        """Give a server its cores."""
        if self.server:
            os.sched_setaffinity(pid, self.server)


@contextmanager
def place(workers: int = 1) -> Iterator[Place]:
    """Take the first core of this process for the load and give the last ones to the server; undo it at the end.

    Who is started inside inherits what this process has: the load's core, and its priority. Where there are too few
    cores for all workers, the first is shared.

    Parameters
    ----------
    workers
        Cores that the server can use.
    """
    if hasattr(os, "sched_getaffinity"):
        ours = sorted(os.sched_getaffinity(0))
    else:  # neither macOS nor Windows lets a program say where it runs
        yield Place(frozenset(), frozenset(), is_preferred=False)
        return
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    except PermissionError:
        is_preferred = False
    else:
        is_preferred = True
    os.sched_setaffinity(0, ours[:1])
    try:
        yield Place(frozenset(ours[-workers:]), frozenset(ours[:1]), is_preferred)
    finally:
        os.sched_setaffinity(0, ours)
        if is_preferred:
            os.setpriority(os.PRIO_PROCESS, 0, before)
