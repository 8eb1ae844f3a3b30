"""All measurements of a run, one after the other, each told as it comes.

This file must never stop for one server that fails: that is a finding, and is in the result with its reason.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.calls_per_core.found import Cost, Load, Ramp
from streamer.bench.load import Measured, Watch, trial
from streamer.bench.place import Place
from streamer.bench.plan import Plan
from streamer.bench.ramp import FINE, STEP, Bounds, Held, broken, held, largest, void
from streamer.bench.served import BenchError, Variant, streamer_variant

_MOST_CALLS = 2000
_ALMOST = 0.9
"""Share of its core at which the search for a server's bound begins, by what it cost in the first try."""
_AGAIN = 1.07
"""Step of the runs after the first, which begin where that ended."""
Say = Callable[[str], None]


class Campaign:
    """Servers, a broker, and what is measured of them.

    Parameters
    ----------
    where
        Where servers run.
    mqtt_port
        Of the broker, on loopback.
    say
        Told what happens.
    """

    def __init__(self, where: Place, mqtt_port: int, say: Say) -> None:
        self._where = where
        self._mqtt_port = mqtt_port
        self.say = say
        self._trials = 0
        self.left_out: list[str] = []

    def once(self, variant: Variant, plan: Plan, watch: Watch | None = None) -> Measured:
        """Measure a server under a load.

        Raises
        ------
        BenchError
            It did not come up, or fell.
        """
        self._trials += 1
        plan = msgspec.structs.replace(plan, run=f"bench{self._trials}")
        found = trial(variant, plan, self._where, self._mqtt_port, watch)
        outcome = found.outcome
        bad = broken(found, publishes=variant.publishes)
        said = void(found) if outcome.is_void else "; ".join(bad) or "carried"
        self.say(
            f"  {variant.name:<20}{plan.dialect:>8}{plan.frame_ms:>5} ms{outcome.legs:>6} legs"
            f"{1000 * found.cpu_per_leg:>8.3f} ms/leg/s{found.cpu_s / found.wall_s:>6.0%}  {said}"
        )
        return found

    def try_once(self, variant: Variant, plan: Plan, watch: Watch | None = None) -> Measured | None:
        """Measure a server under a load; None, noted with its reason, where that fails."""
        try:
            return self.once(variant, plan, watch)
        except BenchError as problem:
            self._leave_out(variant, problem)
            return None

    def load(self, variants: Sequence[Variant], plan: Plan, rounds: int) -> Load:
        """Measure servers under one load, in turns."""
        runs: dict[str, list[Measured]] = {one.name: [] for one in variants}
        for _ in range(rounds):
            for one in variants:
                if one.name in runs and (found := self._sound(one, plan)) is not None:
                    runs[one.name].append(found)
                elif one.name in runs and not runs[one.name]:
                    del runs[one.name]
        costs = tuple(Cost(name, tuple(found)) for name, found in runs.items() if found)
        return Load(plan.dialect, plan.frame_ms, plan.legs, costs)

    def _sound(self, variant: Variant, plan: Plan) -> Measured | None:
        """Measure, and once more where the generator was late."""
        found = self.try_once(variant, plan)
        if found is not None and found.outcome.is_void:
            found = self.try_once(variant, plan)
        return None if found is None or found.outcome.is_void else found

    def ramp(self, variant: Variant, plan: Plan, *, first_calls: int, runs: int) -> Ramp | None:
        """Search for the largest load, so many times; None where the server does not run at all.

        Parameters
        ----------
        variant
            The server.
        plan
            The load, whatever its number of calls.
        first_calls
            With how many it is found out where to begin.
        runs
            How often.
        """
        tried: list[Measured] = []

        def carries(calls: int) -> Held:
            found = self.once(variant, msgspec.structs.replace(plan, calls=calls))
            tried.append(found)
            return held(found, Bounds(), publishes=variant.publishes)

        try:
            carries(first_calls)
            guess = max(1, int(_ALMOST * tried[0].wall_s / tried[0].cpu_s * first_calls))
            bounds = []
            for number in range(runs):
                step, fine = (STEP, FINE) if number == 0 else (_AGAIN, _AGAIN - 1)
                bounds.append(largest(carries, guess, _MOST_CALLS, step=step, fine=fine))
                guess = max(1, bounds[-1].calls)
        except BenchError as problem:
            self._leave_out(variant, problem)
            return None
        failed = [one for one in tried if held(one, publishes=variant.publishes) is Held.NO]
        least = min(failed, key=lambda one: one.outcome.legs, default=None)
        return Ramp(
            server=variant.name,
            legs=tuple(2 * one.calls for one in bounds),
            is_bound=all(one.is_bound for one in bounds),
            why="; ".join(broken(least, publishes=variant.publishes)) if least else "",
            tried=tuple(tried),
        )

    def profile(self, legs: int, plan: Plan) -> dict[str, float]:
        """Return which part of our server uses how much of its time, as shares; empty where that fails."""
        with tempfile.TemporaryDirectory(prefix="emotion-streamer-bench-") as folder:
            out = Path(folder) / "shares.json"
            ours = streamer_variant("streamer, sampled")
            rest = ours.command[ours.command.index("serve") :]
            command = (sys.executable, "-m", "benchmarks.calls_per_core.sampled", str(out), *rest)
            numbers = {"begin": signal.SIGUSR1, "end": signal.SIGUSR2}
            found = self.try_once(
                Variant(ours.name, command, ours.environment, has_admin=True),
                msgspec.structs.replace(plan, calls=max(1, legs // 2)),
                lambda stage, pids: os.kill(pids[0], numbers[stage]),
            )
            return msgspec.json.decode(out.read_bytes(), type=dict[str, float]) if found and out.exists() else {}

    def _leave_out(self, variant: Variant, problem: BenchError) -> None:
        line = f"{variant.name}: {problem}"
        if line not in self.left_out:
            self.left_out.append(line)
        self.say(f"  {line}")
