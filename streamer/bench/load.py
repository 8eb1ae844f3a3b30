"""One measurement: a server, a load, and what both cost and came to.

This file must never judge: `Measured` says what was found, `ramp` what that means.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

import msgspec

from streamer.bench.figures import (
    Figures,
    family_cpu_s,
    mean,
    proportional_bytes,
    quantile,
    read_figures,
    total,
    waited_s,
)
from streamer.bench.outcome import Outcome
from streamer.bench.place import Place
from streamer.bench.plan import Plan
from streamer.bench.served import BenchError, Served, Variant, served

LAG: Final = "streamer_event_loop_lag_seconds"
STAGE: Final = "streamer_stage_latency_seconds"
STAGES: Final = ("audio", "queue", "model", "outbox", "publish")
Watch = Callable[[str, list[int]], None]
MISSING: Final = ("streamer_messages_missing_total", "streamer_audio_fault_seconds_total", "streamer_events_lost_total")
"""What a server counts of what it missed."""


@dataclass(frozen=True)
class Stage:
    """What an utterance spends in one part of its way, by the server's own histogram, in ms."""

    mean: float | None
    p50: float | None
    p99: float | None


@dataclass(frozen=True)
class Measured:
    """What was found."""

    variant: str
    plan: Plan
    outcome: Outcome
    cpu_s: float
    """Of the server's processes, while it was measured."""
    wall_s: float
    waited_s: float
    """How long the server's threads were ready but had no core: other programs, or each other."""
    memory_bytes: int
    """Of the server's processes at the end of it (PSS)."""
    cores: int
    """That the server may use."""
    lag_p99_ms: float | None
    """Of the server's loop; None where it does not say."""
    missing: float
    """What the server counts of what it missed; 0 of one that does not count."""
    stages: dict[str, Stage]

    @property
    def cpu_per_leg(self) -> float:
        """Seconds of a core for each leg and second."""
        return self.cpu_s / self.wall_s / self.outcome.legs


def trial(
    variant: Variant,
    plan: Plan,
    where: Place,
    mqtt_port: int,
    watch: Watch | None = None,
) -> Measured:
    """Start a server, load it, end it, and return what was found.

    Parameters
    ----------
    variant
        Which server.
    plan
        The load, whatever its ports are.
    where
        Where the server runs.
    mqtt_port
        Of the broker.
    watch
        As `measure` takes it.

    Raises
    ------
    BenchError
        Server or generator failed.
    """
    with served(variant, mqtt_port, where) as one:
        return measure(one, msgspec.structs.replace(plan, port=one.port, mqtt_port=mqtt_port), watch)


def measure(one: Served, plan: Plan, watch: Watch | None = None) -> Measured:
    """Load a server and return what was found.

    Parameters
    ----------
    one
        The server.
    plan
        The load; its ports are those of the server and the broker already.
    watch
        Called with ``begin`` and ``end`` when the measuring does, and with the server's processes; must not wait.

    Raises
    ------
    BenchError
        Server or generator failed.
    """
    generator, said = _generator(plan)
    try:
        _stage(said, "begin", one)
        page = one.metrics()
        pids = one.pids
        began_s, before_s, waited_before_s = time.monotonic(), family_cpu_s(pids), sum(map(waited_s, pids))
        if watch is not None:
            watch("begin", pids)
        _stage(said, "end", one)
        wall_s, cpu_s = time.monotonic() - began_s, family_cpu_s(pids) - before_s
        waiting_s = sum(map(waited_s, pids)) - waited_before_s
        if watch is not None:
            watch("end", pids)
        memory = sum(map(proportional_bytes, pids))
        page_after = one.metrics()
        outcome = msgspec.json.decode(_line(said, one), type=Outcome)
        # Whatever the end of the load brings is seen, too: losses and, of the last utterances, their stages.
        first, last = read_figures(page), read_figures(page_after)
    finally:
        generator.kill()
        generator.wait()
        said.close()
    return Measured(
        variant=one.variant.name,
        plan=plan,
        outcome=outcome,
        cpu_s=cpu_s,
        wall_s=wall_s,
        waited_s=waiting_s,
        memory_bytes=memory,
        cores=one.cores,
        lag_p99_ms=_ms(quantile(first, last, LAG, 0.99)),
        missing=sum(total(last, name) for name in MISSING),
        stages={name: _of_stage(first, last, name) for name in STAGES} if one.variant.has_admin else {},
    )


def _of_stage(first: Figures, last: Figures, name: str) -> Stage:
    labels = f'stage="{name}"'
    return Stage(
        mean=_ms(mean(first, last, STAGE, labels)),
        p50=_ms(quantile(first, last, STAGE, 0.5, labels)),
        p99=_ms(quantile(first, last, STAGE, 0.99, labels)),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def _generator(plan: Plan) -> tuple[subprocess.Popen[bytes], BinaryIO]:
    """Start a generator; return it, and what it says."""
    with tempfile.TemporaryFile() as told:
        told.write(msgspec.json.encode(plan) + b"\n")
        told.seek(0)
        reading, writing = os.pipe()
        try:
            command = [sys.executable, "-P", "-m", "streamer.bench.generator"]
            process = subprocess.Popen(command, stdin=told, stdout=writing)  # noqa: S603 - our own
        finally:
            os.close(writing)
    return process, os.fdopen(reading, "rb")


def _stage(said: BinaryIO, name: str, one: Served) -> None:
    line = _line(said, one)
    if line.strip() != f'{{"at":"{name}"}}'.encode():
        raise BenchError(f"the generator said {line[:80]!r}; expected the stage {name}")


def _line(said: BinaryIO, one: Served) -> bytes:
    line = said.readline()
    if not line:
        one.must_run()
        raise BenchError("the generator ended before its time; it says why above")
    return line
