"""The largest load that a server carries: what carrying means, and the search for it.

Pure: a try is a function that is given. This file must never call a load carried of which something is not known: a
void run is neither good nor bad, and ends the search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from streamer.bench.load import Measured
from streamer.bench.outcome import LATE_MS

MOST_LAG_MS: Final = 20.0
"""Of the server's event loop, p99."""
MOST_EVENT_MS: Final = 50.0
"""Behind the hangover until the event is with a subscriber, p99."""
FULL: Final = 0.97
"""Share of its cores above which a program that says nothing of its lag counts as full."""
STEP: Final = 1.15
"""Between two tries while the bound is not yet passed."""
FINE: Final = 0.05
"""How near the largest load that held and the smallest that did not come to each other, as a share."""


class Held(Enum):
    """What a try says."""

    YES = auto()
    NO = auto()
    VOID = auto()
    """The generator was late: nothing is known of the server."""


@dataclass(frozen=True)
class Bounds:
    """What a server must keep."""

    lag_ms: float = MOST_LAG_MS
    event_ms: float = MOST_EVENT_MS
    full: float = FULL


def broken(found: Measured, bounds: Bounds = Bounds(), *, publishes: bool = True) -> list[str]:
    """Return what a server did not keep, in words; empty where it carried the load.

    Parameters
    ----------
    found
        What was measured.
    bounds
        What it must keep.
    publishes
        Whether events come of it; a sink has none.
    """
    outcome, said = found.outcome, []
    if found.cpu_s / found.wall_s > bounds.full * found.cores:
        said.append(f"its core is full ({found.cpu_s / found.wall_s:.0%})")
    if outcome.cut or outcome.stuck:
        said.append(f"{outcome.cut} calls cut, {outcome.stuck} not read to the end")
    if publishes:
        if outcome.lost or outcome.twice:
            said.append(f"{outcome.lost} of {outcome.expected} utterances lost, {outcome.twice} twice")
        if outcome.latency.p99 > bounds.event_ms:
            said.append(f"events {outcome.latency.p99:.0f} ms behind the hangover (p99)")
    if found.missing:
        said.append("messages or audio counted as missing")
    if found.lag_p99_ms is not None and found.lag_p99_ms > bounds.lag_ms:
        said.append(f"its loop lags {found.lag_p99_ms:.0f} ms (p99)")
    return said


def held(found: Measured, bounds: Bounds = Bounds(), *, publishes: bool = True) -> Held:
    """Return whether a load was carried; the parameters are those of `broken`."""
    if found.outcome.is_void:
        return Held.VOID
    return Held.NO if broken(found, bounds, publishes=publishes) else Held.YES


def void(found: Measured) -> str:
    """Return why nothing can be said."""
    return f"void: the generator was {found.outcome.late.p99:.1f} ms late (p99, at most {LATE_MS:g})"


@dataclass(frozen=True)
class Largest:
    """What a search came to."""

    calls: int
    """The most that were carried; 0 = not even one."""
    is_bound: bool
    """Whether more were tried and not carried; if not, the generator was the limit, or the most that was asked for."""


def largest(
    carries: Callable[[int], Held], guess: int, most: int, *, step: float = STEP, fine: float = FINE
) -> Largest:
    """Search for the most calls that are carried.

    Parameters
    ----------
    carries
        Tries so many calls.
    guess
        Where the search begins, 1 or more.
    most
        Where it ends.
    step
        Between two tries while the bound is not yet passed, above 1.
    fine
        How near the bound must be known, as a share.
    """
    low, high = 0, most + 1
    at = max(1, min(guess, most))
    while low < at < high:
        match carries(at):
            case Held.VOID:
                return Largest(low, is_bound=False)
            case Held.YES:
                low = at
            case Held.NO:
                high = at
        at = _next(low, high, most, step)
        if high - low <= max(1, round(fine * high)) and high <= most:
            break
    return Largest(low, is_bound=high <= most)


def _next(low: int, high: int, most: int, step: float) -> int:
    """Return where to try next: up or down in steps until the bound is passed, then in the middle."""
    if high > most:
        return min(most, max(low + 1, round(low * step)))
    if low == 0:
        return min(high - 1, round(high / step))
    return (low + high) // 2
