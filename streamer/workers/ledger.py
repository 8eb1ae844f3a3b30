"""What the workers of a node must agree on: how many calls there are, and which worker carries which call.

It is kept in one process, the supervisor, and nowhere else, so it is exact; what a worker holds is given back when the
worker is gone, however it went. Pure: no socket, no clock, no process. This file must never know what a call is, nor
what a counter stands for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

Limit = tuple[str, int]
"""A counter's name, and the value that it may reach."""


class Ledger:
    """Counters that are taken together or not at all, and claims of which each has one holder."""

    def __init__(self) -> None:
        self._taken: dict[int, Counter[str]] = {}
        """Worker to what it holds of each counter."""
        self._claims: dict[str, tuple[int, int]] = {}
        """Name to the worker that holds it and how many times."""

    def take(self, worker: int, limits: Sequence[Limit]) -> str:
        """Take one of each counter; return the first that is full, with none taken then, or an empty text.

        Parameters
        ----------
        worker
            Who takes.
        limits
            The counters and what each may reach. They come with every request: while a node restarts its workers with
            another configuration, each asks by its own.
        """
        for name, limit in limits:
            if self.count(name) >= limit:
                return name
        self._taken.setdefault(worker, Counter()).update(name for name, _ in limits)
        return ""

    def give_back(self, worker: int, names: Sequence[str]) -> None:
        """Give back one of each counter.

        Raises
        ------
        ValueError
            The worker holds none of one of them: somebody's counting is wrong, and nothing is given back.
        """
        held = self._taken.get(worker, Counter())
        for name in names:
            if held[name] < 1:
                raise ValueError(f"worker {worker} gives back {name!r}, of which it holds none")
        held.subtract(names)

    def count(self, name: str) -> int:
        """Return how many of a counter are taken, by all workers."""
        return sum(held[name] for held in self._taken.values())

    def claim(self, worker: int, name: str) -> int:
        """Claim a name, once more where it is the worker's own; return who holds it now, another perhaps."""
        holder, times = self._claims.get(name, (worker, 0))
        if holder == worker:
            self._claims[name] = worker, times + 1
        return holder

    def disclaim(self, worker: int, name: str) -> None:
        """Give up a claim as often as it was made; the last time the name is free.

        Raises
        ------
        ValueError
            The worker does not hold it.
        """
        holder, times = self._claims.get(name, (-1, 0))
        if holder != worker:
            raise ValueError(f"worker {worker} gives up a claim that it does not hold")
        if times > 1:
            self._claims[name] = worker, times - 1
        else:
            del self._claims[name]

    def forget(self, worker: int) -> int:
        """Give back all that a worker held, because it is gone; return how many counters and claims that were."""
        held = self._taken.pop(worker, Counter())
        mine = [name for name, (holder, _) in self._claims.items() if holder == worker]
        for name in mine:
            del self._claims[name]
        return held.total() + len(mine)
