"""An hour of real life at 60 % of what the machine can carry: does anything grow, does anything come late.

    python -m benchmarks.soak                        # finds the capacity, then an hour; as in docs/reliability.md
    python -m benchmarks.soak --minutes 3 --legs 40  # a try, at 40 legs
    python -m benchmarks.soak --read samples.csv     # the verdict again, from what has been sampled so far

Method. The node has a core to itself; Mosquitto and the callers share another, and the callers play calls made
beforehand, so that they are not the slower side; their own lateness is measured and shown. A leg is one party's audio:
a call has two, of which the customer's is analysed, as by default.

Capacity is the most legs, out of steps that grow by a quarter, at which the loop's lag (p99), the events' latency (p99,
from the audio that ends an utterance's hangover to the event at the caller) and the core's use stay within the bounds
of `benchmarks/samples.py`, and no call is refused. Then legs are kept at a share of it for the time that is asked:
calls of 1 to 3 minutes come and go; some hang up in the middle without a goodbye, some connect again under the same id,
some fall silent for a while, and now and then somebody comes who should not (`benchmarks/crowd.py`).

Every few seconds memory, descriptors, tasks and lag are sampled into a CSV, each line flushed at once, so that a run
that is broken off has its verdict too; the verdict is made from that file. This file must never touch the node but as a
platform, a scraper and the kernel do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import math
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.calls import shelf
from benchmarks.crowd import Crowd, Manners
from benchmarks.programs import (
    LOOPBACK,
    Broker,
    Node,
    ProgramError,
    command_line,
    cpu_s,
    free_port,
    machine,
    on_core,
    open_files,
    quantile,
    resident_bytes,
    total,
)
from benchmarks.samples import (
    LAG,
    LAG_BUCKET,
    UNKNOWN,
    Sample,
    Step,
    judge,
    p99,
    progress,
    read,
    report,
    step_row,
)

STEP: Final = 1.25
LEGS_A_CALL: Final = 2
TASKS: Final = "streamer_asyncio_tasks"


@dataclass(frozen=True)
class Plan:
    """What is done."""

    minutes: float = 60.0
    legs: int = 0
    """0 = find the capacity first, and take a share of it."""
    share: float = 0.6
    first_calls: int = 16
    """With which the ramp begins."""
    most_legs: int = 4000
    """Where it ends, whatever the node says."""
    settle_s: float = 8.0
    """Before a step is measured: its callers have come by then."""
    step_s: float = 30.0
    every_s: float = 5.0
    seed: int = 5
    seconds: tuple[float, float] = (60.0, 180.0)
    tapes: int = 12
    node_core: int | None = None
    gone_s: float = 25.0
    """What the node gets to let go of everything; a connection that never spoke is thrown out after 15 s."""
    manners: Manners = field(default_factory=Manners)


class Soak:
    """One run.

    Parameters
    ----------
    plan
        What is done.
    folder
        Where all files lie; empty.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.steps: list[Step] = []
        self.legs = plan.legs
        self.csv = folder / "samples.csv"
        self.stop = asyncio.Event()
        """Set it to end the soak early; what was sampled stands."""
        self._dice = random.Random(plan.seed)
        port = free_port()
        self._broker = Broker(folder / "broker", port=port)
        mqtt, before = f"mqtt://{LOOPBACK}:{port}", on_core(plan.node_core)
        self._node = Node(folder / "node", mqtt, config="[server]\nmax_calls = 100000\n", before=before)
        self._tapes = shelf(self._dice, plan.tapes, plan.seconds)
        self.crowd = self._new_crowd()
        self._began_s = self._looked_s = self._cpu_s = 0.0

    async def run(self) -> None:
        """Do it all; the samples are in the CSV then."""
        try:
            await self._broker.start()
            if not self.legs:
                await self._node.start()
                capacity = await self._capacity()
                if not capacity:
                    raise ProgramError("not even the first step holds: is the machine busy? --legs N needs no ramp")
                self.legs = max(1, round(capacity * self.plan.share / LEGS_A_CALL)) * LEGS_A_CALL
                print(f"capacity {capacity} legs; the soak has {self.legs}", flush=True)
                await self.crowd.leave()
                self.crowd = self._new_crowd()
                await self._node.kill()  # the soak's node has not seen the ramp
            await self._node.start()
            await self._soak()
        finally:
            self._node.close()
            self._broker.close()

    def _new_crowd(self) -> Crowd:
        return Crowd(self._node.url, self._tapes, self._dice, self.plan.manners)

    async def _capacity(self) -> int:
        """Return the most legs of all steps that held."""
        calls, held = self.plan.first_calls, 0
        while calls * LEGS_A_CALL <= self.plan.most_legs and not self.stop.is_set():
            self.crowd.grow(calls)
            await self._wait(self.plan.settle_s)
            step = await self._step(calls * LEGS_A_CALL)
            if step.breaks:  # a step has a few score looks at the lag: one hiccup of the machine is no limit
                print(f"{step_row(step)} measured once more", flush=True)
                step = await self._step(calls * LEGS_A_CALL)
            self.steps.append(step)
            print(step_row(step), flush=True)
            if step.breaks:
                break
            held, calls = step.legs, math.ceil(calls * STEP)
        return held

    async def _step(self, legs: int) -> Step:
        self.crowd.clocks.take()
        before, before_cpu_s, before_s = await self._node.figures(), cpu_s(self._node.pid), time.monotonic()
        troubles = self.crowd.troubles
        await self._wait(self.plan.step_s)
        after = await self._node.figures()
        cpu = (cpu_s(self._node.pid) - before_cpu_s) / (time.monotonic() - before_s)
        event_s, late_s = self.crowd.clocks.take()
        return Step(
            legs=legs,
            lag_p99_s=_or_unknown(quantile(before, after, LAG, 0.99)),
            event_p99_s=p99(event_s),
            cpu=cpu,
            late_p99_s=p99(late_s),
            troubles=self.crowd.troubles - troubles,
        )

    async def _soak(self) -> None:
        """Keep the legs for the time asked, sampling; before and after, look at the node with nobody there."""
        plan = self.plan
        self._began_s = self._looked_s = time.monotonic()
        self._cpu_s = cpu_s(self._node.pid)
        with self.csv.open("w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, [field.name for field in fields(Sample)])
            rows.writeheader()

            async def look(phase: str) -> Sample:
                sample = await self._sample(phase)
                rows.writerow(asdict(sample))
                file.flush()
                return sample

            await self._wait(plan.every_s)
            await look("idle before")
            self.crowd.grow(self.legs // LEGS_A_CALL)
            until_s = time.monotonic() + 60 * plan.minutes
            said_s = time.monotonic()
            while (left_s := until_s - time.monotonic()) > 0 and not self.stop.is_set():
                await self._wait(min(plan.every_s, left_s))
                sample = await look("soak")
                if time.monotonic() - said_s >= 60:
                    said_s = time.monotonic()
                    print(progress(sample), flush=True)
            await self.crowd.leave()
            await asyncio.sleep(plan.gone_s)
            await look("idle after")

    async def _sample(self, phase: str) -> Sample:
        node, now_s = self._node, time.monotonic()
        figures, used_s = await node.figures(), cpu_s(node.pid)
        event_s, late_s = self.crowd.clocks.take()
        cpu = (used_s - self._cpu_s) / max(1e-9, now_s - self._looked_s)
        self._cpu_s, self._looked_s = used_s, now_s
        return Sample(
            phase=phase,
            at_s=round(now_s - self._began_s, 1),
            rss_bytes=resident_bytes(node.pid),
            files=open_files(node.pid),
            tasks=figures.get(TASKS, UNKNOWN),
            calls=total(figures, "streamer_calls_active"),
            outbox_rows=figures.get("streamer_outbox_rows", UNKNOWN),
            cpu=round(cpu, 3),
            event_p99_s=round(p99(event_s), 4),
            late_p99_s=round(p99(late_s), 4),
            played=self.crowd.outcomes.total(),
            troubles=self.crowd.troubles,
            lag=" ".join(
                f"{key.removeprefix(LAG_BUCKET)[:-2]}={value:.0f}"
                for key, value in figures.items()
                if key.startswith(LAG_BUCKET)
            ),
        )

    async def _wait(self, seconds: float) -> None:
        """Wait, but not once the soak shall stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stop.wait()


def _or_unknown(value: float | None) -> float:
    return UNKNOWN if value is None else value


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False
    )
    usual = Plan()
    parser.add_argument("--minutes", type=float, default=usual.minutes)
    parser.add_argument("--legs", type=int, default=0, help="audio streams of one party; found out if not given")
    parser.add_argument("--share", type=float, default=usual.share, help="of the capacity")
    parser.add_argument("--step-s", type=float, default=usual.step_s, help="length of a step of the ramp")
    parser.add_argument("--every-s", type=float, default=usual.every_s, help="between two samples")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--node-core", type=int, default=1, help="-1 = any")
    parser.add_argument("--callers-core", type=int, default=0, help="-1 = any")
    parser.add_argument("--folder", type=Path, help="where files, logs and the CSV stay; a new one if not given")
    parser.add_argument("--result", type=Path, help="write the report there, such as benchmarks/results/soak.md")
    parser.add_argument("--read", type=Path, help="only judge a CSV that was sampled before")
    return parser.parse_args(arguments)


def main() -> None:
    """Run, print, and exit with 1 if anything grows or comes late."""
    given = parsed()
    command = command_line("benchmarks.soak", sys.argv[1:])
    story = [f"Written by `{command}`; what it does stands at the top of [`soak.py`](../soak.py).", "", f"{machine()}."]
    steps: list[Step] = []
    if given.read:
        samples = read(given.read)
    else:
        try:
            soak = _run(given)
        except ProgramError as problem:
            sys.exit(f"soak: {problem}")
        samples, steps = read(soak.csv), soak.steps
        share = f", {given.share:.0%} of the capacity" if steps else ""
        story += ["", f"{soak.legs} legs{share}. {soak.crowd.story}"]
    text = report(samples, steps, story)
    print(text)
    if given.result:
        given.result.write_text(text, encoding="utf-8")
    sys.exit(not judge(samples).holds)


def _run(given: argparse.Namespace) -> Soak:
    """Do a soak as the command line says; Ctrl-C and SIGTERM end it early, with what was sampled."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the node inherits it
    apart = {given.node_core, given.callers_core} <= os.sched_getaffinity(0)
    if apart:
        os.sched_setaffinity(0, {given.callers_core})
    else:
        print("cores are not kept apart: this machine has not those that were named", flush=True)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"the folder {folder} is not empty; name a new one")
    plan = Plan(
        minutes=given.minutes,
        legs=given.legs,
        share=given.share,
        step_s=given.step_s,
        every_s=given.every_s,
        seed=given.seed,
        node_core=given.node_core if apart else None,
    )

    async def run() -> Soak:
        soak = Soak(plan, folder)
        print(f"samples go to {soak.csv}", flush=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, soak.stop.set)
        await soak.run()
        return soak

    return uvloop.run(run())


if __name__ == "__main__":
    main()
