"""Hostile peers, one kind after the other, while good calls go on: does it stand, does it swell, are they harmed.

    python -m benchmarks.hostile                                    # the whole: a million messages; as in docs/load.md
    python -m benchmarks.hostile --messages 20000 --reconnects 500  # a try

Method. A real Mosquitto, a real `streamer serve` with AudioSocket on, and good calls at the speed of life over the
native protocol, one after the other in each of `--calls` places. First they are alone (baseline), then under each
attack of `benchmarks/attacks.py` in turn, then alone again. The attacker is a process of its own, at a lower priority
than the callers, who share its cores: they must not be the slower side, and their own lateness is shown. Each attack
lasts until it has done what it was told, and at least as long as the baseline: it is begun again where it is over
sooner.

Latency of an event is from the end of the speech, on the caller's schedule, until the caller has read the event, so it
holds the hangover of 400 ms that no server can go below; beside it stands what the server adds to that. Memory is the
resident set of the node, looked at four times a second. "Harmed" is a good call that did not end as it should, or an
event latency (p99) that is twice the baseline's or more.

This file must never touch the node but as a peer, a scraper and the kernel do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.attacks import ATTACKS, PATIENCE_S
from benchmarks.calls import HANGOVER_MS, Clocks, Tape, conversation, demo_call, play, tape
from benchmarks.programs import (
    LOOPBACK,
    Broker,
    Node,
    free_port,
    machine,
    on_core,
    open_files,
    quantile,
    resident_bytes,
    total,
)

MIB: Final = 2**20
LAG: Final = "streamer_event_loop_lag_seconds"
MOST_RATIO: Final = 2.0
_LOOK_S: Final = 0.25
_TAPES: Final = 8


@dataclass
class Phase:
    """What was seen while one thing went on."""

    name: str
    did: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    events_ms: list[float] = field(default_factory=list)
    """Latencies beyond the hangover."""
    late_ms: list[float] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)
    lag_p99_ms: float | None = None
    files: int = 0
    """Open at the end."""

    def whole_ms(self, share: float) -> float | None:
        """Return a quantile of the latency of events, from the end of the speech."""
        own = self.own_ms(share)
        return None if own is None else own + HANGOVER_MS

    def own_ms(self, share: float) -> float | None:
        """Return a quantile of what comes behind the hangover."""
        return quantile_of(self.events_ms, share)


def quantile_of(values: Sequence[float], share: float) -> float | None:
    """Return a quantile, the greater neighbour where it lies between two; None of nothing."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else None


@dataclass(frozen=True)
class Plan:
    """What is done."""

    counts: dict[str, int]
    """Attack to how many."""
    calls: int = 20
    seconds: float = 60.0
    """Least length of a phase."""
    settle_s: float = 5.0
    """After each attack, for what it left behind to be noticed."""
    call_s: tuple[float, float] = (20.0, 40.0)
    """Shortest and longest good call."""
    seed: int = 1
    patience_s: float = PATIENCE_S
    """How long a silent attacker stays."""
    node_core: int | None = None


class Hostile:
    """The experiment.

    Parameters
    ----------
    plan
        What is done.
    folder
        Where node, broker and their logs lie.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._dice = random.Random(plan.seed)
        self._tcp = free_port()
        port = free_port()
        self._broker = Broker(folder / "broker", port=port)
        config = f"[dialects.audiosocket]\nport = {self._tcp}\n"
        self.node = Node(folder / "node", f"mqtt://{LOOPBACK}:{port}", config=config, before=on_core(plan.node_core))
        self._clocks = Clocks()
        self.phases: list[Phase] = []
        self.ended: Counter[str] = Counter()
        """How good calls ended."""
        self.errors: Counter[str] = Counter()
        """Lines of the node's log that are errors."""
        self.figures: dict[str, float] = {}
        self._leaving = asyncio.Event()

    async def run(self) -> None:
        """Do it; the node is ended in an orderly way."""
        with contextlib.ExitStack() as stack:
            for program in (self._broker, self.node):
                stack.callback(program.close)
                await program.start()
            source = demo_call()
            tapes = [
                tape("native", conversation(self._dice, self._dice.uniform(*self._plan.call_s), source), f"{n:032x}")
                for n in range(_TAPES)
            ]
            callers = [
                asyncio.create_task(self._call_again(tapes, number), name=f"place {number}")
                for number in range(self._plan.calls)
            ]
            await asyncio.sleep(self._plan.settle_s)  # the first utterances are under way
            await self._phase("alone")
            for attack in ATTACKS:
                if self._plan.counts.get(attack):
                    await self._phase(attack)
            await self._phase("alone again")
            self._leaving.set()
            await asyncio.gather(*callers)
            self.figures = await self.node.figures()
            self.node.terminate()
            self.ended[f"node: exit {await self.node.ended()}"] += 1
            self.errors = self.node.logged("error") + self.node.logged("critical")

    async def _call_again(self, tapes: Sequence[Tape], number: int) -> None:
        """Play one good call after the other."""
        dice = random.Random(self._plan.seed * 1000 + number)
        await asyncio.sleep(dice.uniform(0, self._plan.settle_s))
        for again in range(1_000_000):
            played = await play(self.node.url, dice.choice(tapes), f"good-{number}-{again}", clocks=self._clocks)
            self.ended[f"{played.ended} {played.code or ''}".strip()] += 1
            if self._leaving.is_set():
                return
            if played.ended != "ended":
                await asyncio.sleep(1)

    async def _phase(self, name: str) -> None:
        """See one thing through."""
        phase = Phase(name)
        self._clocks.take()
        before = await self.node.figures()
        began_s = time.monotonic()
        looking = asyncio.create_task(self._look(phase))
        try:
            if name in ATTACKS:
                turn = 0
                while not turn or time.monotonic() - began_s < self._plan.seconds:
                    phase.did += await self._attack(name, self._plan.seed + turn)
                    turn += 1
            else:
                await asyncio.sleep(self._plan.seconds)
            phase.seconds = time.monotonic() - began_s
            events_s, late_s = self._clocks.take()
            phase.events_ms = [1000 * value for value in events_s]
            phase.late_ms = [1000 * value for value in late_s]
            after = await self.node.figures()
            lag_s = quantile(before, after, LAG, 0.99)
            phase.lag_p99_ms = None if lag_s is None else 1000 * lag_s
            await asyncio.sleep(self._plan.settle_s if name in ATTACKS else 0)
        finally:
            looking.cancel()
        self.node.must_run()
        phase.rss.append(resident_bytes(self.node.pid))
        phase.files = open_files(self.node.pid)
        self.phases.append(phase)
        print(row(phase, self.phases[0]), flush=True)

    async def _attack(self, name: str, seed: int) -> Counter[str]:
        """Have it done by another process; return what it did."""
        given = {"--url": self.node.url, "--tcp": self._tcp, "--admin": self.node.admin_port}
        given |= {"--count": self._plan.counts[name], "--seed": seed, "--patience": self._plan.patience_s}
        flags = [str(word) for pair in given.items() for word in pair]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.attacks", name, *flags, stdout=asyncio.subprocess.PIPE
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, f"the attacker {name} broke: exit {process.returncode}"
        return Counter(json.loads(said.splitlines()[-1]))  # in front may be a log line of the library's

    async def _look(self, phase: Phase) -> None:
        while True:
            with contextlib.suppress(OSError):  # it has ended: `must_run` says so
                phase.rss.append(resident_bytes(self.node.pid))
            await asyncio.sleep(_LOOK_S)


HEAD: Final = (
    "| phase | what was done | s | events | latency p50 | p99 | to the baseline | of it behind the hangover p99 | "
    "loop lag p99 | memory at most | at the end | open files |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def row(phase: Phase, first: Phase) -> str:
    """Return a line of the table."""
    did = ", ".join(f"{count:,} {what}" for what, count in sorted(phase.did.items())) or "-"
    p99, base = phase.whole_ms(0.99), first.whole_ms(0.99)
    ratio = f"{p99 / base:.2f}" if p99 is not None and base else "-"
    cells = [
        phase.name,
        did,
        f"{phase.seconds:.0f}",
        str(len(phase.events_ms)),
        _ms(phase.whole_ms(0.5)),
        _ms(p99),
        ratio,
        _ms(phase.own_ms(0.99)),
        _ms(phase.lag_p99_ms),
        f"{max(phase.rss) / MIB:.0f} MiB",
        f"{phase.rss[-1] / MIB:.0f} MiB",
        str(phase.files),
    ]
    return f"| {' | '.join(cells)} |"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def harm(hostile: Hostile) -> list[str]:
    """Return what is not as it should be; empty where all is."""
    first = hostile.phases[0]
    found = [f"good calls: {count} {how}" for how, count in hostile.ended.items() if how not in _FINE]
    base = first.whole_ms(0.99)
    for phase in hostile.phases[1:]:
        p99 = phase.whole_ms(0.99)
        if base is not None and p99 is not None and p99 >= MOST_RATIO * base:
            found.append(f"{phase.name}: event latency p99 {p99:.0f} ms, baseline {base:.0f} ms")
    found += [f"error in the log, {count} times: {event}" for event, count in hostile.errors.items()]
    return found


_FINE: Final = {"ended 1000", "node: exit 0"}


def report(hostile: Hostile, command: str) -> str:
    """Return what came out, as a page."""
    figures = hostile.figures
    late = [value for phase in hostile.phases for value in phase.late_ms]
    counted = {
        "streams refused or ended for what their peers said": total(figures, "streamer_protocol_faults_total"),
        "connections refused for their credentials": total(figures, "streamer_auth_failures_total"),
        "connections cut off before they carried a call": total(figures, "streamer_connections_cut_total"),
        "seconds for which peers were not read, as they sent too much": total(
            figures, "streamer_held_back_seconds_total"
        ),
        "partial verdicts and calls shed": total(figures, "streamer_shed_total"),
        "final events lost": total(figures, "streamer_events_lost_total"),
    }
    bad = harm(hostile)
    return "\n".join(
        [
            "# Hostile peers",
            "",
            f"Written by `{command}`; what it does stands at the top of [`hostile.py`](../hostile.py).",
            "",
            f"{machine()}. Load of the machine at the end: {os.getloadavg()[0]:.1f}.",
            "",
            HEAD,
            *(row(phase, hostile.phases[0]) for phase in hostile.phases),
            "",
            f"The callers' own lateness: p99 {_ms(quantile_of(late, 0.99))}, p50 {_ms(quantile_of(late, 0.5))}.",
            "",
            "Good calls: " + ", ".join(f"{count} {how}" for how, count in sorted(hostile.ended.items())) + ".",
            "",
            *(f"- {what}: {count:,.0f}" for what, count in counted.items()),
            "",
            "**Nothing was harmed.**" if not bad else "**Harmed:**",
            *(f"- {what}" for what in bad),
            "",
        ]
    )


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--messages", type=int, default=1_000_000, help="hostile messages over all endpoints")
    parser.add_argument("--floods", type=int, default=1_000_000, help="messages of which no single one is wrong")
    parser.add_argument("--silent", type=int, default=1000, help="connections that never speak")
    parser.add_argument("--slow", type=int, default=400, help="connections that speak a byte a second")
    parser.add_argument("--reconnects", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=20, help="good calls at the same time")
    parser.add_argument("--seconds", type=float, default=60.0, help="least length of a phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--node-core", type=int, default=0, help="the node has it alone; -1 = whichever is free")
    parser.add_argument("--result", type=Path, help="where the page goes beside the screen")
    return parser.parse_args(arguments)


def main() -> None:
    """Run, print, and exit with 1 if anything was harmed."""
    given = parsed()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the node inherits it
    cores = os.sched_getaffinity(0)
    apart = given.node_core in cores and len(cores) > 1
    if apart:
        os.sched_setaffinity(0, cores - {given.node_core})
    plan = Plan(
        counts={attack: getattr(given, attack) for attack in ATTACKS},
        calls=given.calls,
        seconds=given.seconds,
        seed=given.seed,
        node_core=given.node_core if apart else None,
    )

    async def run(folder: Path) -> Hostile:
        hostile = Hostile(plan, folder)
        await hostile.run()
        return hostile

    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        hostile = asyncio.run(run(Path(folder)))
    text = report(hostile, " ".join(["python -m benchmarks.hostile", *sys.argv[1:]]))
    print(text)
    if given.result:
        given.result.write_text(text, encoding="utf-8")
    sys.exit(bool(harm(hostile)))


if __name__ == "__main__":
    main()
