"""`streamer serve` with a sampler inside: which part of the server uses the processor. Run as a program by a campaign.

    python -m benchmarks.calls_per_core.sampled OUT.json serve --port 8765 ...

A timer interrupts the main thread some five hundred times a second, at moments that dice choose: timers on processor
time come with the kernel's tick, to which the server's own rounds stand in a fixed relation for as long as it runs, so
that they are always met or never. Each sample counts for the innermost frame that belongs to a part: numpy, SQLite and
the kernel count for who called them. Where the thread stands in the event loop itself it may be at work or idle; how
long it was idle is known from its own clock, and taken off. What other threads used is taken from theirs. It begins
with SIGUSR1 and ends with SIGUSR2. A run with it must never be used for any other figure: it costs some per cent.
"""

from __future__ import annotations

import atexit
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

EVERY_S: Final = 0.002
"""Between two samples, on average."""
PARTS: Final = (
    ("dialect", ("/streamer/wire/",)),
    ("vad and segmenter", ("/streamer/speech/", "/webrtcvad")),
    ("features", ("/streamer/features/",)),
    ("decoding and media clock", ("/streamer/audio/",)),
    ("model", ("/streamer/emotion/",)),
    ("bus", ("/streamer/bus/", "/aiomqtt/", "/paho/")),
    ("transport", ("/streamer/listener", "/streamer/load/", "/streamer/cli.py", "/streamer/service.py")),
    ("call and session", ("/streamer/",)),
    ("transport", ("/websockets/", "/picows/", "/aiofastnet/", "/asyncio/", "/uvloop/")),
)
"""Parts of the server, and what stands in the names of their files; the first that fits counts.

The loop is entered from the command line's own file, so what is no deeper than that is the loop: transport.
"""
OTHER: Final = "other"
THREADS: Final = {"model": "model", "outbox": "bus"}
"""What stands in the name of a thread, and to which part its time belongs."""


def part(files: list[str]) -> str:
    """Return the part of a stack, given as its files, the innermost first."""
    for file in files:
        for name, marks in PARTS:
            if any(mark in file for mark in marks):
                return name
    return OTHER


LOOP: Final = ("/asyncio/runners.py", "/uvloop/__init__.py")
"""The innermost frame of a thread that stands in the event loop."""


def shares(
    counted: Counter[str], at_loop: int, busy: float, others_s: dict[str, float], main_s: float
) -> dict[str, float]:
    """Return the share of each part in the processor time of a process.

    Parameters
    ----------
    counted
        Samples of the main thread by part, those in the loop itself left out.
    at_loop
        Samples in the loop itself.
    busy
        Share of the time in which the main thread was not idle.
    others_s
        Processor time of other threads, by part, in s.
    main_s
        That of the main thread.
    """
    at_work = max(0.0, at_loop - (1 - busy) * (counted.total() + at_loop))
    samples = Counter({**counted, "transport": counted["transport"] + at_work})
    total = sum(samples.values())
    used_s = Counter({name: main_s * count / total for name, count in samples.items()} if total else {})
    used_s.update(others_s)
    whole_s = sum(used_s.values())
    return {name: spent_s / whole_s for name, spent_s in used_s.most_common() if spent_s}


class Sampler:
    """Samples this process from SIGUSR1 to SIGUSR2."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}
        self._counted: Counter[str] = Counter()
        self._at_loop = 0
        self._dice = random.Random(1)
        self._began: tuple[float, float, float, dict[str, float]] = (0.0, 0.0, 0.0, {})
        signal.signal(signal.SIGUSR1, self._begin)
        signal.signal(signal.SIGUSR2, self._end)

    def _begin(self, _number: int, _frame: FrameType | None) -> None:
        self._began = (time.monotonic(), time.thread_time(), _waited_s(), _threads_s())
        signal.signal(signal.SIGALRM, self._sample)
        self._arm()

    def _arm(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, EVERY_S * self._dice.uniform(0.5, 1.5))

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        files = []
        while frame is not None:
            files.append(frame.f_code.co_filename)
            frame = frame.f_back
        if files and files[0].endswith(LOOP):
            self._at_loop += 1
        else:
            self._counted[part(files)] += 1
        self._arm()

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        at_s, main_s, waited_s, threads_s = self._began
        wall_s, main_s, waited_s = time.monotonic() - at_s, time.thread_time() - main_s, _waited_s() - waited_s
        others_s: Counter[str] = Counter()
        for name, now_s in _threads_s().items():
            of = next((whose for mark, whose in THREADS.items() if mark in name), f"thread {name}")
            others_s[of] += now_s - threads_s.get(name, 0.0)
        self.found = shares(self._counted, self._at_loop, (main_s + waited_s) / wall_s, dict(others_s), main_s)


def _waited_s() -> float:
    """Return how long the main thread was ready but did not run, in s."""
    return int(Path(f"/proc/self/task/{os.getpid()}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9


def _threads_s() -> dict[str, float]:
    """Return how much processor time each thread but the main one has used, in s."""
    found: dict[str, float] = {}
    for one in threading.enumerate():
        if one is not threading.main_thread() and one.native_id is not None:
            fields = (
                Path(f"/proc/self/task/{one.native_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            )
            found[one.name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def main() -> None:
    """Serve, sampled."""
    out, *rest = sys.argv[1:]
    sampler = Sampler()
    atexit.register(lambda: Path(out).write_text(json.dumps(sampler.found), encoding="utf-8"))
    from streamer.cli import main as streamer  # noqa: PLC0415 - the sampler stands before all else

    sys.argv = ["streamer", *rest]
    streamer()


if __name__ == "__main__":
    main()
