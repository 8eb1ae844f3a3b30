"""The engine of one machine: a process for each core, or this one.

A worker is a fresh interpreter with a model of its own; with one worker all is done in this process. This file must
never leave a process behind.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Final, Protocol

from streamer.archive.analysis import Analysed, Job, NotAnalysedError
from streamer.archive.engine import Begun, Gone, Refused, Said
from streamer.errors import StreamerError

_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PARTING_S: Final = 5.0


class Analyses(Protocol):
    """Whoever analyses; in a worker, an `Analyst`."""

    def analyse(self, job: Job) -> Analysed:
        """Return the events of a recording, or raise `NotAnalysedError`."""
        ...


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def result_of(analyst: Analyses, job: Job) -> Analysed | str:
    """Return the result of a job, or why there is none."""
    try:
        return analyst.analyse(job)
    except NotAnalysedError as problem:
        return str(problem)


class Alone:
    """The process that asks, as its own engine and only worker.

    Parameters
    ----------
    make
        Makes whoever analyses.
    """

    size: Final = 1

    def __init__(self, make: Callable[[], Analyses]) -> None:
        self._make = make
        self._analyst: Analyses | None = None
        self._job: Job | None = None

    def hire(self) -> Alone:
        """Return itself."""
        return self

    def heard(self, workers: Sequence[Alone]) -> Sequence[Alone]:
        """Return itself: it works when it is asked what came out."""
        return workers

    def give(self, job: Job) -> None:
        """Take note of it."""
        self._job = job

    def take(self) -> Said:
        """Do it now."""
        if self._analyst is None:
            self._analyst = self._make()
            return Begun()
        if self._job is None:
            raise RuntimeError("a worker without a job was asked for a result: a defect of ours")
        return result_of(self._analyst, self._job)

    def close(self) -> None:
        """Nothing is to be ended."""


class Pool:
    """Processes of this machine.

    Parameters
    ----------
    make
        Makes whoever analyses, in the process where it works; can be pickled.
    workers
        How many processes, at least 1.
    """

    def __init__(self, make: Callable[[], Analyses], workers: int) -> None:
        self._make = make
        self.size: Final = workers

    def hire(self) -> Process:
        """Begin a process."""
        return Process(self._make)

    def heard(self, workers: Sequence[Process]) -> list[Process]:
        """Wait for news of these, or the end of one."""
        ready = set(wait([worker.connection for worker in workers]))
        return [worker for worker in workers if worker.connection in ready]


class Process:
    """One process, seen from the one that began it."""

    def __init__(self, make: Callable[[], Analyses]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, make), daemon=True, name="archive worker")
        before = {name: os.environ.get(name) for name in _ONE_THREAD}
        os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))  # one process uses one core; libraries read this at import
        try:
            self._process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
        theirs.close()

    def give(self, job: Job) -> None:
        """Let it work."""
        with suppress(OSError):  # it is gone, which `take` finds out and says
            self.connection.send(job)

    def take(self) -> Said:
        """Return what it says, or that it is gone."""
        try:
            said: Said = self.connection.recv()
        except (EOFError, OSError):
            self._process.join(_PARTING_S)
            code = self._process.exitcode
            return Gone(f"signal {-code}" if code is not None and code < 0 else f"status {code}")
        return said

    def close(self) -> None:
        """End it, whatever it does."""
        self.connection.close()
        self._process.terminate()
        self._process.join(_PARTING_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _work(connection: Connection, make: Callable[[], Analyses]) -> None:
    """Be a worker: until the other end is gone, one recording after the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who began this; it ends the workers
    try:
        try:
            analyst = make()
        except StreamerError as problem:
            connection.send(Refused(str(problem)))
            return
        connection.send(Begun())
        while True:
            connection.send(result_of(analyst, connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
