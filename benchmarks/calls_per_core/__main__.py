"""Calls per core, from the first figure to page and pictures; run as a program, by ``make bench``.

    python -m benchmarks.calls_per_core                    everything; the best part of an hour
    python -m benchmarks.calls_per_core --quick            a little of everything, nothing is written; some minutes
    python -m benchmarks.calls_per_core --read FILE        page and pictures anew, of an earlier run's figures

Figures are kept in ``benchmarks/results/calls_per_core.json``, the page beside it, pictures in ``docs/pictures``. This
file must never write a page of a run that was cut short.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.calls_per_core import pictures, servers
from benchmarks.calls_per_core.campaign import Campaign
from benchmarks.calls_per_core.found import BASE, Found, Load, Ramp
from benchmarks.calls_per_core.page import page
from streamer.bench.place import Place, place
from streamer.bench.plan import Plan
from streamer.bench.report import machine
from streamer.bench.served import BenchError, Variant, tidy
from streamer.demo.broker import running_broker

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "benchmarks" / "results"
PICTURES: Final = ROOT / "docs" / "pictures"
FORMATS: Final = (("twilio", 20), ("native", 20), ("twilio", 100), ("native", 100))
GROWTH: Final = (10, 50, 100, 400, 1000)
WORKERS_LEGS: Final = 100
"""Of each worker."""
FIRST_CALLS: Final = {True: 20, False: 3}
"""With how many the search begins, of ours and the sinks, and of peers, some of which carry a dozen."""


def measured(asked: argparse.Namespace, where: Place, mqtt_port: int, software: str) -> Found:
    """Measure everything that was asked for."""
    wanted = set(filter(None, asked.parts.split(",")))
    campaign = Campaign(where, mqtt_port, lambda line: print(line, flush=True))
    plan = Plan(port=0, mqtt_port=mqtt_port, calls=asked.legs // 2, seconds=asked.seconds)
    ours, sinks, peers = servers.ours(), servers.sinks(), servers.peers()
    pair = [*sinks.values(), ours["streamer"], ours["streamer-picows"]]
    loads: list[Load] = []
    if "cost" in wanted:
        for number, (dialect, frame_ms) in enumerate(FORMATS[:1] if asked.quick else FORMATS):
            print(f"cost at {asked.legs} legs: {dialect}, {frame_ms} ms")
            more = [ours["streamer-both"]] if number == 0 and not asked.quick else []
            at = msgspec.structs.replace(plan, dialect=dialect, frame_ms=frame_ms)
            loads.append(campaign.load([*pair, *more], at, asked.rounds if number == 0 else 1))
    ramps: list[Ramp] = []
    if "ramp" in wanted:
        print("largest loads: twilio, 20 ms")
        chosen = [*pair, *peers.values()] if not asked.quick else [ours["streamer"]]
        for one in chosen:
            is_ours = one.name in ours or one.name in sinks
            runs = asked.runs if one.name in ours else 1
            if (ramp := campaign.ramp(one, plan, first_calls=FIRST_CALLS[is_ours], runs=runs)) is not None:
                ramps.append(ramp)
    eighty = [
        found
        for ramp in ramps
        if ramp.server in ours and "eighty" in wanted
        for found in [campaign.try_once(ours[ramp.server], _of(plan, int(0.8 * ramp.median), 2 * asked.seconds))]
        if found
    ]
    large = msgspec.structs.replace(plan, dialect="native", frame_ms=100)
    numbers = (GROWTH[:3] if asked.quick else GROWTH) if "growth" in wanted else ()
    growth = _each(campaign, ours["streamer"], large, numbers)
    floor = _each(campaign, sinks[BASE["streamer"]], large, numbers)
    workers = []
    if "workers" in wanted:
        print("two workers against one")
        workers = _each(campaign, ours["streamer"], large, [WORKERS_LEGS])
        with place(2) as both:
            shared = Campaign(both, mqtt_port, campaign.say)
            workers += _each(shared, ours["streamer-2-workers"], large, [2 * WORKERS_LEGS])
            campaign.left_out += shared.left_out
    shares = campaign.profile(asked.legs, plan) if "profile" in wanted else {}
    return Found(
        machine=machine(),
        method=_method(where, software, asked),
        loads=tuple(loads),
        ramps=tuple(ramps),
        growth=tuple(growth),
        floor=tuple(floor),
        eighty=tuple(eighty),
        workers=tuple(workers),
        profiles={f"streamer, {asked.legs} legs, twilio, 20 ms": shares} if shares else {},
        left_out=tuple(campaign.left_out),
    )


def _each(campaign: Campaign, variant: Variant, plan: Plan, legs: Sequence[int]) -> list:
    found = (campaign.try_once(variant, _of(plan, number, plan.seconds)) for number in legs)
    return [one for one in found if one is not None]


def _of(plan: Plan, legs: int, seconds: float) -> Plan:
    return msgspec.structs.replace(plan, calls=max(1, legs // 2), seconds=seconds)


def _method(where: Place, software: str, asked: argparse.Namespace) -> tuple[str, ...]:
    first = "before all other programs of the machine" if where.is_preferred else "among the machine's other programs"
    server, load = (", ".join(map(str, sorted(cores))) for cores in (where.server, where.load))
    rounds = f"Costs are of {asked.rounds} rounds with Twilio at 20 ms, of 1 otherwise"
    runs = f"largest loads of {asked.runs} searches for our server, 1 for sinks and peers"
    return (
        f"The server alone on core {server}; generator and broker ({software}) on core {load}; {first}.",
        f"Each load is measured for {asked.seconds:g} s after 6 s of warming up, with a server started for it.",
        f"{rounds}, {runs}.",
    )


def write(found: Found) -> None:
    """Write figures, page and pictures."""
    (RESULTS / "calls_per_core.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    (RESULTS / "calls_per_core.md").write_text(page(found), encoding="utf-8")
    if found.ramps:
        rows = sorted(found.ramps, key=lambda one: -one.median)
        values = [(one.server, one.median, one.server.startswith("streamer")) for one in rows]
        picture = pictures.bars("Legs per core, Twilio, 20 ms frames", "legs", values)
        (PICTURES / "legs-per-core.svg").write_text(picture, encoding="utf-8")
    if len(found.growth) > 1:
        points = [(one.outcome.legs, 1000 * one.cpu_per_leg) for one in found.growth]
        picture = pictures.line("Cost per leg over legs", "legs", "ms of CPU per leg and second", points)
        (PICTURES / "cost-per-leg.svg").write_text(picture, encoding="utf-8")


def main() -> None:
    """Measure, print, and write unless it is a quick run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls_per_core", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a little of everything; writes nothing")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing, draw anew")
    parser.add_argument("--parts", default="cost,ramp,eighty,growth,workers,profile", help="which measurements")
    parser.add_argument("--legs", type=int, default=100, help="of the costs")
    parser.add_argument("--seconds", type=float, help="how long each load is measured (10; quick 5)")
    parser.add_argument("--rounds", type=int, help="of the costs (3; quick 1)")
    parser.add_argument("--runs", type=int, help="of the searches (3; quick 1)")
    asked = parser.parse_args()
    if asked.read is not None:
        write(msgspec.json.decode(asked.read.read_bytes(), type=Found))
        return
    for name, full, quick in (("seconds", 10.0, 5.0), ("rounds", 3, 1), ("runs", 3, 1)):
        if getattr(asked, name) is None:
            setattr(asked, name, quick if asked.quick else full)
    try:
        with tidy(), running_broker() as broker, place() as where:
            found = measured(asked, where, int(broker.url.rpartition(":")[2]), broker.software)
    except BenchError as problem:
        sys.exit(f"bench: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(page(found))
    if not asked.quick:
        write(found)


if __name__ == "__main__":
    main()
