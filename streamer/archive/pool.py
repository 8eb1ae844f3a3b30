"""Recordings to results on every core: a process for each, and no recording that can end the run.

A worker is a fresh interpreter with a model of its own; it is given one recording at a time. Where it dies, the
recording that it had is named, and another worker takes its place. This file must never keep a result, and never let
two workers have the same recording.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Final, Protocol

import msgspec

from streamer.archive.analysis import Analysed, Job, NotAnalysedError

_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PARTING_S: Final = 5.0


class Analyses(Protocol):
    """Whoever analyses; in a worker, an `Analyst`."""

    def analyse(self, job: Job) -> Analysed:
        """Return the events of a recording, or raise `NotAnalysedError`."""
        ...


class Outcome(msgspec.Struct, frozen=True):
    """What became of a job."""

    job: Job
    result: Analysed | str
    """A text says why there is none."""


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(jobs: Iterable[Job], make: Callable[[], Analyses], workers: int) -> Generator[Outcome, None, None]:
    """Yield the outcome of each job, as they come.

    Parameters
    ----------
    jobs
        In the order in which they are begun.
    make
        Makes whoever analyses, in the process where it works; can be pickled where there are several workers.
    workers
        How many processes, at least 1; with one, all is done in this one.
    """
    if workers == 1:
        analyst = make()
        for job in jobs:
            yield _outcome(analyst, job)
        return
    yield from _spread(deque(jobs), make, workers)


def _outcome(analyst: Analyses, job: Job) -> Outcome:
    try:
        return Outcome(job, analyst.analyse(job))
    except NotAnalysedError as problem:
        return Outcome(job, str(problem))


def _spread(jobs: deque[Job], make: Callable[[], Analyses], workers: int) -> Generator[Outcome, None, None]:
    staff = [_Worker(make) for _ in range(min(workers, len(jobs)))]
    try:
        for worker in staff:
            worker.give(jobs.popleft())
        while busy := [worker for worker in staff if worker.job is not None]:
            ready = set(wait([worker.connection for worker in busy]))
            for place, worker in enumerate(staff):
                if worker.job is None or worker.connection not in ready:
                    continue
                outcome = worker.take()
                if worker.is_gone:
                    worker.close()
                    staff[place] = worker = _Worker(make)  # noqa: PLW2901 - its place is what is kept
                if jobs:
                    worker.give(jobs.popleft())
                yield outcome
    finally:
        for worker in staff:
            worker.close()


class _Worker:
    """One process, seen from the one that began it."""

    def __init__(self, make: Callable[[], Analyses]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.job: Job | None = None
        self.is_gone = False
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
        self.job = job
        with suppress(OSError):  # it is gone, which `take` finds out and says
            self.connection.send(job)

    def take(self) -> Outcome:
        """Return what it says, or that it is gone."""
        job, self.job = self.job, None
        if job is None:
            raise RuntimeError("a worker without a job was asked for an outcome: a defect of ours")
        try:
            result: Analysed | str = self.connection.recv()
        except (EOFError, OSError):
            self.is_gone = True
            self._process.join(_PARTING_S)
            code = self._process.exitcode
            how = f"signal {-code}" if code is not None and code < 0 else f"status {code}"
            result = f"{job.source.path}: the process that worked on it ended ({how}); is there memory enough?"
        return Outcome(job, result)

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
    analyst = make()
    while True:
        try:
            job = connection.recv()
            connection.send(_outcome(analyst, job).result)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
