"""Recordings to results, whatever does the work: one outcome for each, and no recording that can end the run.

An engine hires workers: processes of this machine (`pool.py`) or of a Ray cluster (`cluster.py`). A worker has one
recording at a time, so that no more is under way than there are workers. Where one dies, its recording is done again by
another; what kills its worker every time is set aside with the reason. This file must never know what a worker is, keep
a result, or let two workers have the same recording.

A worker, as it is seen from here:

    begins --Begun--> idle --give--> busy --a result--> idle
       |                               |
       +--Gone: hired anew             +--Gone: its recording goes to the end of the queue
       +--Refused: the run ends        +--Refused: the run ends
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from streamer.archive.analysis import Analysed, Job
from streamer.errors import StreamerError

TRIES: Final = 3
"""How often a recording may lose its worker, and how many workers one after the other may die before they begin."""


class EngineError(StreamerError):
    """No work can be done there; the message says why and what to do."""


class Begun(msgspec.Struct, frozen=True):
    """A worker can be given recordings."""


class Gone(msgspec.Struct, frozen=True):
    """A worker is no more."""

    how: str
    """In a few words."""


class Refused(msgspec.Struct, frozen=True):
    """A worker is there and must not, or cannot, do this work; another like it could not either."""

    why: str


Said = Begun | Gone | Refused | Analysed | str
"""What a worker says; a text is why a recording has no result."""


class Worker(Protocol):
    """Whoever analyses, one recording at a time."""

    def give(self, job: Job) -> None:
        """Let it work; returns at once."""
        ...

    def take(self) -> Said:
        """Return what it said, once it has been heard."""
        ...

    def close(self) -> None:
        """End it, whatever it does."""
        ...


W = TypeVar("W", bound=Worker)


class Engine(Protocol[W]):
    """Where workers come from."""

    @property
    def size(self) -> int:
        """How many workers there may be, at least 1."""
        ...

    def hire(self) -> W:
        """Return a worker that begins; it says `Begun` when it is ready."""
        ...

    def heard(self, workers: Sequence[W]) -> Iterable[W]:
        """Wait until one of these, at least, has said something; return those that have."""
        ...


class Outcome(msgspec.Struct, frozen=True):
    """What became of a job."""

    job: Job
    result: Analysed | str
    """A text says why there is none."""
    tries: int = 1
    """Above 1 where a worker died over it."""


def run(jobs: Iterable[Job], engine: Engine[W]) -> Generator[Outcome, None, None]:
    """Yield one outcome for each job, as they come.

    Parameters
    ----------
    jobs
        In the order in which they are begun.
    engine
        Who does them. Its workers are ended when this generator is, however that comes about.

    Raises
    ------
    EngineError
        A worker refused, or none can begin.
    """
    shift = _Shift(jobs, engine)
    try:
        while shift.left:
            yield from shift.turn()
    finally:
        shift.close()


class _Task:
    """A job and how often it was begun."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.tries = 0


class _Shift(Generic[W]):
    """The workers of one run and what each is at."""

    def __init__(self, jobs: Iterable[Job], engine: Engine[W]) -> None:
        self._engine = engine
        self._todo = deque(_Task(job) for job in jobs)
        self._staff: dict[W, _Task | None] = {}
        """None for one that begins or is idle."""
        self._idle: list[W] = []
        self._failed = 0
        self.left = len(self._todo)
        """Jobs without an outcome."""

    def turn(self) -> list[Outcome]:
        """Wait for news; return what came out of it, with every worker at work again."""
        self._hand_out()
        outcomes = []
        for worker in self._engine.heard([one for one in self._staff if one not in self._idle]):
            outcome = self._listen(worker)
            if outcome is not None:
                outcomes.append(outcome)
        self.left -= len(outcomes)
        self._hand_out()  # before whoever asked takes the time to keep a result
        return outcomes

    def close(self) -> None:
        """End all workers."""
        for worker in self._staff:
            worker.close()
        self._staff.clear()

    def _hand_out(self) -> None:
        while len(self._staff) < min(self._engine.size, self.left):
            self._staff[self._engine.hire()] = None
        while self._idle and self._todo:
            worker, task = self._idle.pop(), self._todo.popleft()
            task.tries += 1
            self._staff[worker] = task
            worker.give(task.job)

    def _listen(self, worker: W) -> Outcome | None:
        said, task = worker.take(), self._staff[worker]
        if isinstance(said, Refused):
            raise EngineError(said.why)
        if isinstance(said, Gone):
            del self._staff[worker]
            worker.close()
            return self._lost(task, said)
        self._staff[worker] = None
        self._idle.append(worker)
        if isinstance(said, Begun):
            self._failed = 0
            return None
        if task is None:
            raise RuntimeError("a worker without a job had a result: a defect of ours")
        return Outcome(task.job, said, task.tries)

    def _lost(self, task: _Task | None, gone: Gone) -> Outcome | None:
        if task is None:
            self._failed += 1
            if self._failed >= TRIES:
                raise EngineError(f"{TRIES} workers one after the other ended before they could begin: {gone.how}")
            return None
        if task.tries < TRIES:
            self._todo.append(task)  # behind the others: what needs much memory may find more of it then
            return None
        reason = (
            f"{task.job.source.path}: set aside, the process that worked on it ended {TRIES} times ({gone.how}); "
            "is there memory enough?"
        )
        return Outcome(task.job, reason, task.tries)
