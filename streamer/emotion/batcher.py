"""One thread for the model: utterances of all calls queue here, and each comes back as a future.

The event loop must never wait for the network, and the network must never be run by two threads at once: ONNX Runtime
releases the interpreter lock while it computes, so one thread beside the loop uses the core well. Verdicts are handed
back several with one wake-up of the loop, while more wait and a few milliseconds have not passed. Each utterance is a
run of its own: a batch would have to be padded, and a verdict would then depend, in its last digits, on what other
calls happened to say at that moment. This file must never drop a job: a future always ends, with a verdict or with the
reason why not. So the queue has no bound of its own. What bounds it is who submits: so many calls are admitted, each
with so many utterances that are not judged yet (`conversation.UNJUDGED`), and a node whose queue takes long refuses new
calls (`streamer.load.shedding`).

A caller's statistics are read when an utterance's turn comes, and a finished utterance is remembered in them before the
next job begins: jobs are taken in the order of `submit`, so each is judged by what its caller had said before it, and a
replay as fast as can be gives what the live call gave. From its first job on, this thread alone touches them.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.emotion.model import EmotionModel, ModelError, Verdict
from streamer.features import RunningNormaliser

YIELDS = 5
"""By how much the thread of the model is nicer than the rest of the process, where the system has that (Linux)."""
HELD_S = 0.004
"""For so long a verdict may wait for others to be handed back with it, and then for the run that goes on."""


class Judged(msgspec.Struct, frozen=True):
    """A verdict and what it took."""

    verdict: Verdict
    queue_ms: float
    """From `submit` until the model began."""
    compute_ms: float
    """The run of the model."""


class _Job(msgspec.Struct, frozen=True, eq=False):
    features: NDArray[np.float32]
    caller: RunningNormaliser
    final: bool
    submitted_s: float
    future: asyncio.Future[Judged]


class Batcher:
    """The model behind a queue.

    Parameters
    ----------
    model
        What judges.
    clock
        Monotonic seconds.
    """

    def __init__(self, model: EmotionModel, clock: Callable[[], float] = time.perf_counter) -> None:
        self._model = model
        self._clock = clock
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._submitted_s: deque[float] = deque()
        """When those that are not begun were submitted, the oldest first; each thread has one end of it."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="emotion-model", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Utterances that the model has not begun with."""
        return len(self._submitted_s)

    @property
    def waited_s(self) -> float:
        """For how long the oldest of them has been waiting; 0 where none does."""
        try:
            return max(0.0, self._clock() - self._submitted_s[0])
        except IndexError:  # the thread may take the last one at any moment
            return 0.0

    def submit(
        self, features: NDArray[np.float32], caller: RunningNormaliser, *, final: bool
    ) -> asyncio.Future[Judged]:
        """Queue an utterance.

        Parameters
        ----------
        features
            float32[frames, features] as the model's front end gives them.
        caller
            The statistics of its speaker; not to be touched any more by who submits it.
        final
            Whether the utterance is at its end, and so counts for what this caller says next if the run succeeds. The
            beginning of one never counts: its frames come again.

        Returns
        -------
        asyncio.Future
            Ends with the verdict, or with `ModelError` if the model failed on this utterance.
        """
        future: asyncio.Future[Judged] = self._loop.create_future()
        submitted_s = self._clock()
        self._submitted_s.append(submitted_s)
        self._jobs.put(_Job(features, caller, final, submitted_s, future))
        return future

    async def close(self) -> None:
        """Judge what still waits, then end the thread."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        _let_the_loop_go_first()
        while self._round():
            pass  # nothing of a call may be held here while the thread waits for the next one

    def _round(self) -> bool:
        """Judge jobs and hand them back; waits only for the first. False once there will be no more."""
        job = self._jobs.get()
        results: list[tuple[asyncio.Future[Judged], Judged | ModelError]] = []
        began_s = self._clock()
        while job is not None:
            results.append((job.future, self._judge(job)))
            if self._jobs.empty() or self._clock() - began_s >= HELD_S:
                break
            job = self._jobs.get()
        if results:
            self._loop.call_soon_threadsafe(_hand_back, results)
        return job is not None

    def _judge(self, job: _Job) -> Judged | ModelError:
        self._submitted_s.popleft()
        if job.future.cancelled():
            return ModelError("nobody waits for this verdict: the person has objected")
        began_s = self._clock()
        try:
            judgement = self._model.judge(job.features, job.caller)
            if job.final:
                job.caller.remember(judgement.moments)
        except ModelError as problem:
            return problem
        except Exception as problem:  # noqa: BLE001 - ONNX Runtime's exceptions have no common base but Exception
            return ModelError(f"the model failed on {job.features.shape[0]} frames: {problem}")
        done_s = self._clock()
        return Judged(
            judgement.verdict,
            queue_ms=(began_s - job.submitted_s) * 1000,
            compute_ms=(done_s - began_s) * 1000,
        )


def _let_the_loop_go_first() -> None:
    """Make the present thread nicer: on one core a run of 10 ms must not make the audio of all calls wait for it.

    A thread has a niceness of its own on Linux alone; elsewhere it would be the process's (setpriority(2), BUGS).
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):  # a sandbox may forbid it, and then the scheduler shares as it likes
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + YIELDS)


def _hand_back(results: list[tuple[asyncio.Future[Judged], Judged | ModelError]]) -> None:
    for future, result in results:
        if future.done():  # its call has gone
            continue
        if isinstance(result, ModelError):
            future.set_exception(result)
        else:
            future.set_result(result)
