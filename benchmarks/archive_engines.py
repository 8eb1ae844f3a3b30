"""What spreading an archive over Ray costs and gains, beside the processes of one machine, in one run.

Method: one archive as `archive.py` makes it, each engine with one and with two workers over all of it, in turn and
`--rounds` times; a Ray is begun and ended within each of its runs, as `--on ray` does. Every run's events must be the
same bytes. For each run are taken: the time on the wall; the recordings per second from the first result in the journal
to the last, which leaves out beginning and report; the CPU time of all processes of the run, Ray's own with them, read
from /proc ten times a second (what a process uses in its last tenth is lost), in all and from the first result to the
last: a Ray costs the first once, an archive the second for each recording. Tables show the median of the rounds.

On a machine that others use, believe the CPU times and their ratios, not the wall. Give it to itself for speed-ups:

    .ray/bin/python -m benchmarks.archive --engine ray --calls 300 --rounds 3 --result benchmarks/results/archive_ray.md
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

STREAMER = Path(sys.executable).with_name("streamer")
TICK_S = 0.1
ENGINES: tuple[tuple[str, tuple[str, ...]], ...] = (("processes", ()), ("ray", ("--on", "ray")))
WORKERS = (1, 2)


class Run(NamedTuple):
    """What one run of the command took."""

    wall_s: float
    steady_per_s: float
    """Recordings, from the first result to the last."""
    cpu_s: float
    """Of all processes."""
    driver_s: float
    """CPU of the command itself, of `cpu_s`."""
    each_s: float
    """CPU of all processes for a recording, from the first result to the last."""


def cpu_of(session: int) -> Iterator[tuple[int, float]]:
    """Yield each process of a session and its CPU time so far, in seconds."""
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile
            if int(fields[3]) == session:
                yield int(folder.name), (int(fields[11]) + int(fields[12])) * tick_s


def run(command: list[str | Path], out: Path) -> Run:
    """Run the command to its end."""
    began_s = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, start_new_session=True, stderr=said)
        used: dict[int, float] = {}
        ticks: list[tuple[float, float]] = []
        while process.poll() is None:
            used.update(cpu_of(process.pid))
            ticks.append((time.time(), sum(used.values())))
            time.sleep(TICK_S)
        wall_s = time.monotonic() - began_s
        said.seek(0)
        assert process.returncode == 0, said.read().decode()
    with closing(sqlite3.connect(out / "journal.sqlite")) as journal:
        first_s, last_s, count = journal.execute("SELECT min(done_s), max(done_s), count(*) FROM recordings").fetchone()
    between_s = next(cpu for at, cpu in ticks if at >= last_s) - next(cpu for at, cpu in ticks if at >= first_s)
    steady_per_s = (count - 1) / (last_s - first_s)
    return Run(wall_s, steady_per_s, sum(used.values()), used.get(process.pid, 0.0), between_s / (count - 1))


def compared(archive: Path, calls: int, audio_s: float, rounds: int) -> Iterator[str]:
    """Yield the lines of the table."""
    taken: dict[tuple[str, int], list[Run]] = {}
    events: set[bytes] = set()
    for number in range(rounds):
        for workers in WORKERS:
            for name, flags in ENGINES:
                out = archive.parent / f"out-{number}-{name}-{workers}"
                command = [STREAMER, "analyse", archive, "--report", out, "--workers", str(workers), *flags]
                taken.setdefault((name, workers), []).append(run(command, out))
                events.add((out / "events.jsonl").read_bytes())
                print(f"round {number + 1}: {name}, {workers}: {taken[name, workers][-1]}", file=sys.stderr)
    assert len(events) == 1, "two engines came to different events"
    middle = {key: Run(*(median(column) for column in zip(*runs, strict=True))) for key, runs in taken.items()}
    yield f"{calls} recordings, {audio_s / 3600:.1f} h of audio, two parties each, the customer analysed;"
    yield f"rounds: {rounds}, the median; {os.cpu_count()} cores; Ray {version('ray')}, begun within each run."
    yield "The events of all runs were the same bytes."
    yield ""
    yield (
        "| engine | workers | wall s | recordings/s, first to last result | speed-up | CPU s, all processes | "
        "of it the command | CPU ms a recording, first to last result | recordings per CPU s, all in |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for (name, workers), one in sorted(middle.items()):
        speed_up = one.steady_per_s / middle[name, 1].steady_per_s
        yield (
            f"| {name} | {workers} | {one.wall_s:.1f} | {one.steady_per_s:.2f} | {speed_up:.2f} | {one.cpu_s:.1f} | "
            f"{one.driver_s:.1f} | {one.each_s * 1000:.0f} | {calls / one.cpu_s:.2f} |"
        )
    yield ""
    each = [f"{middle['ray', n].each_s / middle['processes', n].each_s:.2f} ({n})" for n in WORKERS]
    yield f"CPU for a recording on Ray over that on processes, by workers: {', '.join(each)}."
