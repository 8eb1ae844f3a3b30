"""What servers cost at a fixed number of legs, as a ratio to the first one named; run as a program.

    .bench/bin/python -m benchmarks.calls_per_core.ratio --legs 200 --dialect twilio --frame-ms 20 \
        --servers websockets-sink,picows-sink,streamer --rounds 3

Servers take turns under the same load; the median of the rounds is shown. A table only; this file must never judge.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

from benchmarks.calls_per_core.servers import named
from streamer.bench.load import Measured, trial
from streamer.bench.place import place
from streamer.bench.plan import Plan
from streamer.bench.served import BenchError, tidy
from streamer.bench.tape import DIALECTS
from streamer.demo.broker import running_broker

HEAD = (
    f"{'server':<22}{'ms/leg/s':>10}{'ratio':>8}{'core':>7}{'waited':>8}{'lost':>9}"
    f"{'event p50':>11}{'p99 ms':>9}{'lag p99':>9}{'late p99':>10}  MiB"
)


def row(name: str, found: Sequence[Measured], base: float) -> str:
    """Return a line of the table: medians over the rounds."""

    def middle(values: Sequence[float | None]) -> float:
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else float("nan")

    cost = middle([one.cpu_per_leg for one in found])
    last = found[-1].outcome
    heard = any(one.outcome.latency.count for one in found)
    lost = f"{sum(one.outcome.lost for one in found)}/{sum(one.outcome.expected for one in found)}" if heard else "-"
    void = "  VOID: the generator was late" if any(one.outcome.is_void for one in found) else ""
    more = [f"{count} {what}" for what in ("cut", "stuck", "twice", "unexpected") if (count := getattr(last, what))]
    return (
        f"{name:<22}{1000 * cost:>10.3f}{cost / base if base else 1:>8.2f}{cost * last.legs:>7.0%}"
        f"{middle([one.waited_s / one.wall_s for one in found]):>8.1%}{lost:>9}"
        f"{middle([one.outcome.latency.p50 for one in found]):>11.1f}"
        f"{middle([one.outcome.latency.p99 for one in found]):>9.1f}{middle([one.lag_p99_ms for one in found]):>9.1f}"
        f"{middle([one.outcome.late.p99 for one in found]):>10.2f}"
        f"{found[-1].memory_bytes / 2**20:>5.0f}{void}{'  ' if more else ''}{', '.join(more)}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--legs", type=int, default=200, help="two for each call")
    parser.add_argument("--dialect", choices=DIALECTS, default="twilio")
    parser.add_argument("--frame-ms", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long is measured, for each server and round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--servers", default="websockets-sink,picows-sink,streamer")
    asked = parser.parse_args()
    plan = Plan(
        port=0,
        mqtt_port=0,
        dialect=asked.dialect,
        frame_ms=asked.frame_ms,
        calls=asked.legs // 2,
        seconds=asked.seconds,
    )
    try:
        variants = named(asked.servers)
        found: dict[str, list[Measured]] = {one.name: [] for one in variants}
        with tidy(), place() as where, running_broker() as broker:
            mqtt_port = int(broker.url.rpartition(":")[2])
            print(
                f"{plan.legs} legs (two a call), {asked.dialect}, {asked.frame_ms} ms frames, {plan.seconds:g} s; "
                f"server on core {sorted(where.server)}, the rest on {sorted(where.load)}; "
                f"{'before other programs' if where.is_preferred else 'among other programs'}; {broker.software}"
            )
            print(HEAD)
            for _ in range(asked.rounds):
                for one in variants:
                    try:
                        found[one.name].append(trial(one, plan, where, mqtt_port))
                    except BenchError as problem:
                        if one is variants[0]:
                            raise  # nothing to hold the others against
                        print(f"{one.name:<22}{problem}", flush=True)
                        continue
                    base = statistics.median(each.cpu_per_leg for each in found[variants[0].name])
                    print(row(one.name, found[one.name], base), flush=True)
    except BenchError as problem:
        sys.exit(f"bench: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
