"""What a campaign found: values that can be written to a file and read again, to draw a page anew. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from streamer.bench.load import Measured

BASE: Final = {"streamer": "websockets-sink", "streamer-picows": "picows-sink"}
"""The sink that a server is held against: the one on its own library."""


class Cost(msgspec.Struct, frozen=True):
    """What a server cost at a number of legs, run by run."""

    server: str
    runs: tuple[Measured, ...]

    @property
    def ms_per_leg(self) -> float:
        """Milliseconds of a core for each leg and second; the median of the runs."""
        return 1000 * statistics.median(run.cpu_per_leg for run in self.runs)


class Load(msgspec.Struct, frozen=True):
    """Servers under one load, in turns."""

    dialect: str
    frame_ms: int
    legs: int
    costs: tuple[Cost, ...]

    def of(self, server: str) -> Cost | None:
        """Return what a server cost; None where it did not run."""
        return next((cost for cost in self.costs if cost.server == server), None)

    def over(self, server: str, base: str) -> float | None:
        """Return how many times what `base` cost a server did: the median of the runs' ratios, each within its run."""
        one, floor = self.of(server), self.of(base)
        if one is None or floor is None:
            return None
        pairs = zip(one.runs, floor.runs, strict=False)
        return statistics.median(run.cpu_per_leg / sink.cpu_per_leg for run, sink in pairs)


class Ramp(msgspec.Struct, frozen=True):
    """The largest load of a server, run by run."""

    server: str
    legs: tuple[int, ...]
    """Of each run."""
    is_bound: bool
    """Whether more were tried and not carried; if not, the generator was the limit."""
    why: str
    """What the smallest load that was not carried broke."""
    tried: tuple[Measured, ...]

    @property
    def median(self) -> float:
        """Legs; the median of the runs."""
        return statistics.median(self.legs)


class Found(msgspec.Struct, frozen=True):
    """Everything."""

    machine: str
    method: tuple[str, ...]
    loads: tuple[Load, ...] = ()
    ramps: tuple[Ramp, ...] = ()
    growth: tuple[Measured, ...] = ()
    """One server from few legs to many."""
    floor: tuple[Measured, ...] = ()
    """Its sink at the same numbers of legs."""
    eighty: tuple[Measured, ...] = ()
    """At 80 % of the largest load."""
    workers: tuple[Measured, ...] = ()
    """One worker, then two, with as many legs for each."""
    profiles: dict[str, dict[str, float]] = {}
    """Of a server, the share of its time in each part."""
    left_out: tuple[str, ...] = ()
    """What could not be measured, and why."""

    def ramp(self, server: str) -> Ramp | None:
        """Return the ramp of a server; None where there is none."""
        return next((one for one in self.ramps if one.server == server), None)


def memory_per_leg(growth: Iterable[Measured]) -> float | None:
    """Return how much memory each further leg takes, in bytes: the slope of the line of least squares."""
    points = [(one.outcome.legs, one.memory_bytes) for one in growth]
    if len({legs for legs, _ in points}) < 2:
        return None
    return statistics.linear_regression([legs for legs, _ in points], [size for _, size in points]).slope


def growth_of_cost(growth: Sequence[Measured]) -> float | None:
    """Return the largest cost per leg over the smallest, less one; None of fewer than two loads."""
    costs = [one.cpu_per_leg for one in growth]
    return max(costs) / min(costs) - 1 if len(costs) > 1 else None
