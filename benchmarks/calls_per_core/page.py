"""What was found, as a page of Markdown: the method, the targets, the tables. Pure.

This file must never show a figure without the run it comes from, nor leave out one that speaks against us.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.calls_per_core.found import BASE, Found, Load, Ramp, growth_of_cost, memory_per_leg
from streamer.bench.load import STAGES, Measured
from streamer.bench.outcome import LATE_MS, Spread
from streamer.bench.ramp import FULL, MOST_EVENT_MS, MOST_LAG_MS
from streamer.bench.speech import SPEECH_SHARE

UNKNOWN: Final = "not measured"
KIB: Final = 1024
PEERS: Final = (("executor_hop", 4.0), ("naive", 30.0), ("sherpa", 3.0))
"""Peers that a target names, and how many times their legs per core ours should be."""

Row = tuple[str, str, str, str]


def page(found: Found) -> str:
    """Return the page."""
    parts = [
        [
            "# Calls per core",
            "",
            "Written by `make bench`; [capacity](../../docs/capacity.md) says how to measure yours.",
            "",
        ],
        [f"{found.machine}.", ""],
        _method(found),
        _targets(found),
        _beside_targets(found),
        *(_load(one) for one in found.loads),
        _ramps(found.ramps),
        _eighty(found.eighty),
        _growth(found.growth, found.floor),
        _workers(found.workers),
        _profiles(found),
        _left_out(found),
    ]
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _method(found: Found) -> list[str]:
    return [
        "## Method",
        "",
        *(f"- {line}" for line in found.method),
        (
            "- An open loop: each frame has its moment on the clock, each leg its own within the period, whatever the "
            f"server does. A load whose frames left more than {LATE_MS:g} ms late (p99) is void."
        ),
        (
            f"- Calls of two parties who take turns, each speaking {SPEECH_SHARE:.0%} of the time, with speech that "
            "ends at known samples; mu-law at 8 kHz. Emotions are named of the customer's leg only, as the server "
            "comes; VAD, segmenter and talk time run on both."
        ),
        (
            "- Carried means: every utterance came once, nothing counted as missing, loop lag p99 under "
            f"{MOST_LAG_MS:g} ms, and p99 from the frame with the last sample of the hangover to the event at an MQTT "
            f"subscriber under {MOST_EVENT_MS:g} ms. Sinks and peers do not tell their lag; a sink is full at "
            f"{FULL:.0%} of its core."
        ),
        (
            "- CPU is user and system time of the server's processes, by the kernel, while it was measured. Ratios are "
            "made within a round, servers in turns under the same load, and the median of the rounds is shown. Waited "
            "is how long the server's threads were ready while others had the core: other programs, or each other."
        ),
        "",
    ]


def _targets(found: Found) -> list[str]:
    lines = ["## Targets", "", "| | target | found | met |", "|---|---|---|---|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in _judged(found)), ""]


def _judged(found: Found) -> Iterator[Row]:
    load = next((one for one in found.loads if (one.dialect, one.frame_ms) == ("twilio", 20)), None)
    for server, most in (("streamer", 1.35), ("streamer-picows", 1.8)):
        ratio = load.over(server, BASE[server]) if load else None
        yield _row(f"CPU of {server} over {BASE[server]}, 20 ms frames", "<=", most, ratio, "")
    ours = found.ramp("streamer")
    for peer, least in PEERS:
        theirs = found.ramp(peer)
        ratio = ours.median / theirs.median if ours and theirs and theirs.median else None
        yield _row(f"legs per core of streamer over {peer}", ">=", least, ratio, "")
    late = next((one.outcome.latency.p99 for one in found.eighty if one.variant == "streamer"), None)
    yield _row("event latency behind the hangover, p99, at 80 % of the largest load", "<=", MOST_EVENT_MS, late, " ms")
    memory = memory_per_leg(one for one in found.growth if 50 <= one.outcome.legs <= 400)
    yield _row("memory per additional leg", "<=", 48, memory and memory / KIB, " KiB")
    yield _row("two workers against one, by CPU per leg", ">=", 1.8, _two_over_one(found.workers), "")
    grown = growth_of_cost(found.growth)
    yield _row(
        "cost per leg, dearest over cheapest number of legs", "<=", 15, None if grown is None else 100 * grown, " %"
    )


def _beside_targets(found: Found) -> list[str]:
    """Return what other figures of the run say of the targets; empty where there are none."""
    lines = [*_beyond_transport(found), *_by_cpu(found)]
    return ["What else this run says of them:", "", *(f"- {line}" for line in lines), ""] if lines else []


def _beyond_transport(found: Found) -> Iterator[str]:
    """Yield what the server costs without receiving anything, against the sink that does nothing else."""
    load = next((one for one in found.loads if (one.dialect, one.frame_ms) == ("twilio", 20)), None)
    shares = next(iter(found.profiles.values()), None)
    ours, sink = (load.of("streamer"), load.of("picows-sink")) if load else (None, None)
    if shares and ours and sink:
        rest = (1 - shares.get("transport", 0.0)) * ours.ms_per_leg
        yield (
            f"**picows**: by the profile at the end, {rest:.2f} ms of a leg are not transport but what is done with "
            f"its audio. That alone is {rest / sink.ms_per_leg:.2f} times what the bare picows sink costs."
        )


def _by_cpu(found: Found) -> Iterator[str]:
    """Yield what servers cost at their largest load, where that is another ratio than that of the loads."""
    ours, sink = found.ramp("streamer"), found.ramp("websockets-sink")
    if ours is None or (mine := _at_largest(ours)) is None:
        return
    for peer, _ in PEERS:
        theirs = found.ramp(peer)
        if theirs is None or (cost := _at_largest(theirs)) is None:
            continue
        line = (
            f"**{peer}**: at their largest loads a leg costs it {1000 * cost:.2f} ms of CPU, ours {1000 * mine:.2f}: "
            f"{cost / mine:.1f} times."
        )
        if sink is not None and theirs.median:
            line += f" The bare sink carries {sink.median / theirs.median:.1f} times as many legs as it."
        yield line


def _at_largest(ramp: Ramp) -> float | None:
    """Return the CPU of a leg at the median of the largest loads, in s; None where that was not tried."""
    costs = [one.cpu_per_leg for one in ramp.tried if one.outcome.legs == ramp.median]
    return statistics.median(costs) if costs else None


def _row(what: str, sign: str, bound: float, value: float | None, unit: str) -> Row:
    if value is None:
        return what, f"{sign} {bound:g}{unit}", UNKNOWN, "-"
    is_met = value <= bound if sign == "<=" else value >= bound
    return what, f"{sign} {bound:g}{unit}", f"{value:.2f}{unit}", "yes" if is_met else "**no**"


def _load(load: Load) -> list[str]:
    lines = [
        f"## {load.dialect}, {load.frame_ms} ms frames, {load.legs} legs",
        "",
        "| server | CPU, ms per leg and s | / websockets-sink | / picows-sink | event p50 | p99 | lag p99 | waited |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cost in load.costs:
        last = cost.runs[-1]
        heard = last.outcome.latency
        events = f"{heard.p50:.1f} ms | {heard.p99:.1f} ms" if heard.count else "- | -"
        ratios = " | ".join(_ratio(load.over(cost.server, f"{base}-sink")) for base in ("websockets", "picows"))
        lag = "-" if last.lag_p99_ms is None else f"{last.lag_p99_ms:.1f} ms"
        lines.append(f"| {cost.server} | {cost.ms_per_leg:.3f} | {ratios} | {events} | {lag} | {_waited(last)} |")
    return [*lines, ""]


def _waited(found: Measured) -> str:
    return f"{found.waited_s / found.wall_s:.1%}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _ramps(ramps: Sequence[Ramp]) -> list[str]:
    if not ramps:
        return []
    lines = [
        "## Legs per core",
        "",
        "Twilio, 20 ms frames.",
        "",
        "![Legs per core](../../docs/pictures/legs-per-core.svg)",
        "",
        "| server | legs per core (median) | each run | the next load broke |",
        "|---|---|---|---|",
    ]
    for ramp in ramps:
        least = "" if ramp.is_bound else "at least "
        runs = ", ".join(map(str, ramp.legs))
        lines.append(f"| {ramp.server} | {least}{ramp.median:.0f} | {runs} | {ramp.why or '-'} |")
    return [*lines, ""]


def _eighty(eighty: Sequence[Measured]) -> list[str]:
    lines: list[str] = []
    for one in eighty:
        outcome = one.outcome
        spent = {name: stage for name, stage in one.stages.items() if name != "audio"}
        known = sum(stage.mean or 0.0 for stage in spent.values())
        lines += [
            f"## Event latency of {one.variant} at 80 % of its largest load ({outcome.legs} legs)",
            "",
            (
                "From the frame with the last sample of the hangover to the event at a subscriber. Whole latency, "
                "`queue_ms` and `compute_ms` are exact, of the same events; stages are the server's histograms, whose "
                "quantiles are estimates."
            ),
            "",
            "| | mean | p50 | p99 | p99.9 |",
            "|---|---|---|---|---|",
            f"| hangover | {one.plan.hangover_ms} ms | | | |",
            f"| behind it, {outcome.latency.count} events | | {_spread(outcome.latency)} |",
            f"| of that, `queue_ms` | | {_spread(outcome.queue)} |",
            f"| of that, `compute_ms` (the model) | | {_spread(outcome.compute)} |",
        ]
        for name in STAGES:
            stage = one.stages.get(name)
            if stage and stage.mean is not None:
                lines.append(f"| stage `{name}` | {stage.mean:.1f} ms | {stage.p50:.1f} ms | {stage.p99:.1f} ms | |")
        lines += [
            "",
            (
                f"Queue, model, outbox and publish are {known:.1f} ms on average; the rest of the latency is the way "
                "of the frame into the server, the work that it waits for there, and the broker's way to the "
                "subscriber, which cannot be told apart from outside. `audio` is all work on a call's audio since its "
                "utterance before: features are in it, and most of it was done before the wait began. The detector "
                f"heard the end of speech {outcome.tail.p50:.0f} ms (p50) and {outcome.tail.p99:.0f} ms (p99) behind "
                "its place."
            ),
            "",
        ]
    return lines


def _spread(one: Spread) -> str:
    return f"{one.p50:.1f} ms | {one.p99:.1f} ms | {one.p999:.1f} ms"


def _growth(growth: Sequence[Measured], floor: Sequence[Measured]) -> list[str]:
    if not growth:
        return []
    plan = growth[0].plan
    sinks = {one.outcome.legs: one for one in floor}
    lines = [
        "## Cost and memory over the number of legs",
        "",
        (
            f"{growth[0].variant}, {plan.dialect}, {plan.frame_ms} ms frames; behind it what the bare sink on the same "
            "library costs under the same load. Memory is the process's (PSS)."
        ),
        "",
        "![Cost per leg](../../docs/pictures/cost-per-leg.svg)",
        "",
        "| legs | ms of CPU per leg and s | sink | above it | core | waited | memory | event p99 | lag p99 | lost |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in growth:
        lag = "-" if one.lag_p99_ms is None else f"{one.lag_p99_ms:.1f} ms"
        sink = sinks.get(one.outcome.legs)
        beside = "- | -" if sink is None else " | ".join(_beside(one, sink))
        lines.append(
            f"| {one.outcome.legs} | {1000 * one.cpu_per_leg:.3f} | {beside} | {one.cpu_s / one.wall_s:.0%} | "
            f"{_waited(one)} | {one.memory_bytes / 2**20:.1f} MiB | {one.outcome.latency.p99:.1f} ms | {lag} | "
            f"{one.outcome.lost} |"
        )
    return [*lines, "", *_falls(growth, sinks)]


def _beside(one: Measured, sink: Measured) -> tuple[str, str]:
    return f"{1000 * sink.cpu_per_leg:.3f}", f"{1000 * (one.cpu_per_leg - sink.cpu_per_leg):.3f}"


def _falls(growth: Sequence[Measured], sinks: dict[int, Measured]) -> list[str]:
    """Return what of the fall from few legs to many is the sink's own, in words; empty where that is not known."""
    few, many = growth[0], growth[-1]
    least, most = sinks.get(few.outcome.legs), sinks.get(many.outcome.legs)
    if few is many or least is None or most is None:
        return []
    ours, theirs = (pair[0].cpu_per_leg / pair[1].cpu_per_leg for pair in ((few, many), (least, most)))
    return [
        (
            f"With {few.outcome.legs} legs a leg costs {ours:.1f} times what it does with {many.outcome.legs}; in the "
            f"sink, which does nothing with it, {theirs:.1f} times. So the fall is that of waking up for one message "
            "at a time, with a loop, a kernel and caches that have gone cold, more than of what is done with it."
            if theirs > ours
            else f"With {few.outcome.legs} legs a leg costs {ours:.1f} times what it does with {many.outcome.legs}; in "
            f"the sink, which does nothing with it, {theirs:.1f} times."
        ),
        "",
    ]


def _two_over_one(workers: Sequence[Measured]) -> float | None:
    """Return how many times what one worker carries two do, if a core each is theirs: by what a leg costs."""
    if len(workers) != 2:
        return None
    one, two = workers
    return 2 * one.cpu_per_leg / two.cpu_per_leg


def _workers(workers: Sequence[Measured]) -> list[str]:
    if len(workers) != 2:
        return []
    one, two = workers
    shared = (
        "On two cores the second worker shares its core with generator and broker, so the largest load of two says "
        "nothing. What a leg costs does: with a core for each worker, two carry so many times more than one."
    )
    return [
        "## Two workers against one",
        "",
        shared,
        "",
        "| workers | legs | ms of CPU per leg and second, all processes | lost | event p99 |",
        "|---|---|---|---|---|",
        *(
            f"| {number} | {each.outcome.legs} | {1000 * each.cpu_per_leg:.3f} | {each.outcome.lost} | "
            f"{each.outcome.latency.p99:.1f} ms |"
            for number, each in ((1, one), (2, two))
        ),
        "",
        f"2 x {1000 * one.cpu_per_leg:.3f} / {1000 * two.cpu_per_leg:.3f} = {_two_over_one(workers):.2f}.",
        "",
    ]


def _profiles(found: Found) -> list[str]:
    lines: list[str] = []
    for name, shares in found.profiles.items():
        lines += [
            f"## Where the time goes: {name}",
            "",
            (
                "Sampled on processor time by `benchmarks/calls_per_core/sampled.py`, in a run of its own; each sample "
                "counts for the innermost frame of the server, libraries for who called them."
            ),
            "",
            "| part | share of CPU |",
            "|---|---|",
            *(f"| {part} | {share:.1%} |" for part, share in sorted(shares.items(), key=lambda one: -one[1])),
            "",
        ]
    return lines


def _left_out(found: Found) -> list[str]:
    return ["## Not measured", "", *(f"- {line}" for line in found.left_out), ""] if found.left_out else []
