"""What `streamer bench` says: how it measured, each try in a line, and what the machine carries; as JSON, too.

Pure. This file must never round up, and never leave out how a figure came about.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import msgspec

from streamer.bench.load import Measured
from streamer.bench.place import Place
from streamer.bench.plan import Plan
from streamer.bench.ramp import Bounds, Largest, broken, held, void

ROOM: Final = 0.8
"""Of the largest load, what to plan with: calls do not come evenly."""
HEAD: Final = (
    f"{'legs':>6}{'calls':>7}{'core':>7}{'waited':>8}{'ms/leg/s':>10}"
    f"{'event p50':>11}{'p99 ms':>9}{'lag p99':>9}{'late p99':>10}"
)


def machine() -> str:
    """Return what this runs on."""
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    return f"{os.cpu_count()} cores of {platform.machine()}, {system}, Python {platform.python_version()}"


def method(plan: Plan, where: Place, broker: str) -> list[str]:
    """Return how it is measured, in lines.

    Parameters
    ----------
    plan
        Any of the loads; their number of calls is not looked at.
    where
        Where things run.
    broker
        Its software.
    """
    cores = f"the server on core {_cores(where.server)}, the load and {broker} on core {_cores(where.load)}"
    shared = "" if where.is_apart else "; they SHARE a core, so that the result is too low"
    first = "before other programs" if where.is_preferred else "among other programs (root may be before them)"
    speech = f"{plan.dialect}, {plan.frame_ms} ms frames, both parties streamed, each speaking 40 % of the time"
    heard = f"events wanted of: {', '.join(plan.roles)}. {plan.seconds:g} s are measured after {plan.begins_s:g} s"
    return [f"Machine: {machine()}; {cores}{shared}; {first}.", f"Load: {speech}; {heard}."]


def row(found: Measured, bounds: Bounds) -> str:
    """Return a try as a line of the table."""
    outcome = found.outcome
    lag = "-" if found.lag_p99_ms is None else f"{found.lag_p99_ms:.1f}"
    said = void(found) if outcome.is_void else "; ".join(broken(found, bounds)) or "carried"
    return (
        f"{outcome.legs:>6}{found.plan.calls:>7}{found.cpu_s / found.wall_s:>7.0%}"
        f"{found.waited_s / found.wall_s:>8.0%}{1000 * found.cpu_per_leg:>10.2f}"
        f"{outcome.latency.p50:>11.1f}{outcome.latency.p99:>9.1f}{lag:>9}{outcome.late.p99:>10.2f}  {said}"
    )


def result(largest: Largest, plan: Plan, bounds: Bounds) -> list[str]:
    """Return what a search came to, in lines."""
    if not largest.calls:
        return ["Not one call was carried; the last column says why."]
    least = "" if largest.is_bound else "at least "
    calls, planned = largest.calls, int(ROOM * largest.calls)
    carried = f"{least}{calls} calls of two parties ({2 * calls} legs) are carried: nothing is lost, events come within"
    late = f"{bounds.event_ms:g} ms behind the {plan.hangover_ms} ms of hangover"
    return [
        f"{carried} {late}, and the loop lags under {bounds.lag_ms:g} ms (p99).",
        f"Plan with {ROOM:.0%} of that, {planned} calls, and set server.max_calls to no more than {calls}.",
    ]


def as_json(
    tried: Sequence[Measured], largest: Largest | None, where: Place, broker: str, bounds: Bounds
) -> dict[str, Any]:
    """Return everything that was found, as plain values.

    Parameters
    ----------
    tried
        All tries.
    largest
        What the search came to; None where one load was asked for.
    where, broker
        Where things ran.
    bounds
        What had to be kept.
    """
    return {
        "machine": machine(),
        "server_cores": sorted(where.server),
        "load_cores": sorted(where.load),
        "before_other_programs": where.is_preferred,
        "broker": broker,
        "bounds": asdict(bounds),
        "tries": [_try(one, bounds) for one in tried],
        "largest": largest and {"calls": largest.calls, "legs": 2 * largest.calls, "is_bound": largest.is_bound},
    }


def _try(found: Measured, bounds: Bounds) -> dict[str, Any]:
    return {
        "calls": found.plan.calls,
        "legs": found.outcome.legs,
        "dialect": found.plan.dialect,
        "frame_ms": found.plan.frame_ms,
        "seconds": found.wall_s,
        "held": held(found, bounds).name.lower(),
        "broken": broken(found, bounds),
        "cpu_s_per_leg_and_s": found.cpu_per_leg,
        "cores_used": found.cpu_s / found.wall_s,
        "cores_waited_for": found.waited_s / found.wall_s,
        "memory_bytes": found.memory_bytes,
        "lag_p99_ms": found.lag_p99_ms,
        "outcome": msgspec.to_builtins(found.outcome),
        "stages_ms": {name: asdict(stage) for name, stage in found.stages.items()},
    }


def _cores(cores: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(cores)))
