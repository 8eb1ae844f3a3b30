"""The engine of many machines: workers are actors of a Ray cluster, one for each processor that it has free.

An actor holds one model and has one recording at a time; Ray is asked never to restart one or repeat a task, for that
is decided in `engine.py`, where it is counted. Everything here speaks of Ray, and nothing else in this package does.
This file must never be imported where Ray is not wanted, nor let a message of Ray's reach people without saying what to
do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Final

import msgspec

from streamer import __version__
from streamer.archive.analysis import Job
from streamer.archive.engine import EngineError, Gone, Refused, Said
from streamer.archive.reach import Ray, Where, connected, line, ray_module
from streamer.archive.remote import Parcel, Remote, Unseen

_WAIT_S: Final = 10.0
"""After so long without one worker that could begin, it is said why nothing happens."""
_LACKS: Final = f"a node of the cluster has no emotion-streamer; install {__version__} on every node, its head as well"


@contextmanager
def cluster(
    where: Where, workers: int | None, pack: Callable[[], Parcel], say: Callable[[str], None]
) -> Iterator[Cluster]:
    """Connect, or begin a Ray of our own; leave it, or end it, afterwards.

    Parameters
    ----------
    where
        Which.
    workers
        How many at most; one for each processor of the cluster if not given.
    pack
        Makes what each worker is sent; called when the connection stands.
    say
        Tells people.

    Raises
    ------
    EngineError
        Ray is not installed, does not answer, or is of another version.
    """
    ray = ray_module(where)
    with connected(ray, where, workers):
        yield Cluster(ray, where, workers, pack(), say)


class Cluster:
    """Workers of a Ray that is connected."""

    def __init__(self, ray: Ray, where: Where, workers: int | None, parcel: Parcel, say: Callable[[str], None]) -> None:
        self._ray = ray
        self._where = where
        self._say = say
        self._silent_since_s: float | None = time.monotonic()
        """None once a worker has begun, or it was said that none can."""
        with self._speaking():
            self._parcel = ray.put(parcel.packed)  # once into the cluster, whatever the number of workers
            self._kind = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Remote)
            self.size: Final[int] = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))

    def hire(self) -> Actor:
        """Ask for an actor; it begins when a processor is free."""
        with self._speaking():
            return Actor(self._ray, self._kind.remote(__version__, self._parcel), self._speaking)

    def heard(self, workers: Sequence[Actor]) -> list[Actor]:
        """Wait for news of these, or the end of one."""
        by_ref = {worker.ref: worker for worker in workers}
        with self._speaking():
            ready: list[Any] = []
            while not ready:
                ready, rest = self._ray.wait(list(by_ref), num_returns=1, timeout=_WAIT_S)
                self._explain(ready)
            if rest:  # who else is ready: two questions for all of them, and not two for each
                ready += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
            for ref, said in zip(ready, self._fetched(ready), strict=True):
                by_ref[ref].said = said
        return [by_ref[ref] for ref in ready]

    def _fetched(self, refs: Sequence[Any]) -> list[Any]:
        """Return what these say; for an actor that is no more, that it is gone."""
        errors = self._ray.exceptions
        try:
            return list(self._ray.get(list(refs)))
        except errors.RayError:
            if len(refs) > 1:
                return [said for ref in refs for said in self._fetched([ref])]
        try:
            return [self._ray.get(refs[0])]
        except (errors.RayTaskError, errors.RayActorError, errors.WorkerCrashedError, errors.ObjectLostError) as end:
            return [Gone(_how(end))]
        except errors.OutOfMemoryError:
            return [Gone("the node ran out of memory")]

    def _explain(self, ready: Sequence[Any]) -> None:
        if ready:
            self._silent_since_s = None
        elif self._silent_since_s is not None and time.monotonic() - self._silent_since_s >= _WAIT_S:
            self._silent_since_s = None
            self._say("waiting for Ray: no worker could begin yet, the cluster has no free processor or is starting")

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Say in words where the cluster can no longer be spoken to."""
        try:
            yield
        except (ConnectionError, self._ray.exceptions.RaySystemError) as problem:
            raise self._lost(problem) from problem
        except ModuleNotFoundError as problem:
            raise EngineError(_LACKS) from problem
        except self._ray.exceptions.RayError as problem:
            raise EngineError(f"Ray could not do it: {line(problem)}") from problem
        except EngineError:
            raise
        except Exception as problem:  # what is no more is spoken of by a bare Exception, or none at all
            if self._ray.is_initialized():
                raise
            raise self._lost(problem) from problem

    def _lost(self, problem: Exception) -> EngineError:
        return EngineError(
            f"lost the connection to Ray at {self._where.url if self._where.host else 'this machine'} "
            f"({line(problem)}); what is in a report is kept, go on with the same command and --resume"
        )


class Actor:
    """One actor, seen from here."""

    def __init__(self, ray: Ray, handle: Ray, speaking: Callable[[], AbstractContextManager[None]]) -> None:
        self._ray = ray
        self._handle = handle
        self._speaking = speaking
        self.ref: Any = handle.begin.remote()
        """What it is asked for."""
        self.said: Any = None

    def give(self, job: Job) -> None:
        """Let it work; its paths are those of this machine, whatever folder the worker is in."""
        source = msgspec.structs.replace(job.source, paths=tuple(path.absolute() for path in job.source.paths))
        with self._speaking():
            self.ref = self._handle.analyse.remote(msgspec.structs.replace(job, source=source))

    def take(self) -> Said:
        """Return what it said."""
        said, self.said = self.said, None
        if isinstance(said, Gone) and "No module named 'streamer" in said.how:
            return Refused(_LACKS)
        return _judged(said) if isinstance(said, Unseen) else said

    def close(self) -> None:
        """End it, whatever it does."""
        with suppress(EngineError), self._speaking():  # it is gone, or all of Ray is
            self._ray.kill(self._handle)


def _judged(unseen: Unseen) -> Refused | str:
    """Tell a recording that cannot be read from a node that does not see the archive."""
    try:
        unseen.path.open("rb").close()
    except OSError:
        return f"cannot read {unseen.path}: {unseen.reason}"
    return Refused(
        f"node {unseen.node} cannot open {unseen.path} ({unseen.reason}), which this machine can: workers read the "
        "recordings themselves, so mount the archive under the same path on every node, readable by Ray's user"
    )


def _how(end: Exception) -> str:
    """Return in a few words how an actor ended."""
    words = line(getattr(end, "cause", None) or end)
    for mark, short in (
        ("No module named", words[words.find("No module named") :]),
        ("memory", "the node ran short of memory" if "running low" in words else ""),
        ("worker process has died", "its process died"),
        ("node", "its node died" if "node has died" in words or "node was" in words else ""),
    ):
        if mark in words and short:
            return short[:200]
    return words[:200]
