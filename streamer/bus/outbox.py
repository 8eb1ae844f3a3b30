"""The outbox: what has been put into it reaches the broker, whatever happens to broker, network and process.

One thread of its own does all the disk work, so that the event loop never waits for a disk; what waits for it at one
moment is written in one transaction (group commit), so that a hundred verdicts cost one write to the disk, not a
hundred. This file must never say that a message is safe before its transaction has been committed.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import structlog

from streamer.bus.cloudevents import Outgoing
from streamer.bus.store import OutboxError, Row, Store, explain
from streamer.metrics import Metrics

__all__ = ["Outbox", "OutboxError", "Row"]

_LARGEST_BATCH: Final = 512
_QUIET_S: Final = 60.0
"""Drops with less than this between them are one burst, and one line in the log."""

_log = structlog.get_logger("streamer.bus.outbox")
_T = TypeVar("_T")


class _Work:
    """Something to be done in a transaction, and who waits for it."""

    __slots__ = ("brings", "future", "problem", "result", "run")

    def __init__(self, run: Callable[[Store], Any], future: asyncio.Future[Any], *, brings: bool = False) -> None:
        self.run = run
        self.future = future
        self.brings = brings
        """Whether it brings messages that the publisher should know of."""
        self.result: Any = None
        self.problem: Exception | None = None

    def settle(self) -> None:
        """Tell the waiter; in its own event loop. One that was cancelled is not told: the work is done all the same."""
        if self.future.done():
            return
        if self.problem is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.problem)


class Outbox:
    """Messages on their way to the broker, kept on disk. Make one with :meth:`open`; for one event loop."""

    def __init__(self, path: Path, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._path = path
        self._metrics = metrics
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._depth = 0
        self._oldest_s: float | None = None
        self._last_drop = -_QUIET_S
        self._listener: Callable[[], None] | None = None
        self.empty = asyncio.Event()
        """Set while no message waits."""

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        metrics: Metrics,
        max_rows: int = 1_000_000,
        max_age_s: float = 604_800,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Open the file, or make it, and start the thread.

        Parameters
        ----------
        path
            The file; its folder must exist, on a local disk.
        metrics
            Where depth, age and drops are shown.
        max_rows
            Messages kept at most. Beyond it the oldest partials go, then the oldest of the rest, alerts never.
        max_age_s
            Age in s at which a message other than an alert is given up.
        clock
            Seconds since 1970.

        Raises
        ------
        OutboxError
            The file cannot be opened, is no outbox, is of a newer version, or is in use by another process.
        """
        self = cls(Path(path), metrics, clock)
        opened: asyncio.Future[None] = self._loop.create_future()
        # A daemon: a process that ends without close() must not hang on it. What was committed is safe anyway.
        self._thread = threading.Thread(
            target=self._work, args=(max_rows, max_age_s, opened), name="outbox", daemon=True
        )
        self._thread.start()
        await opened
        return self

    async def put(self, messages: Sequence[Outgoing]) -> None:
        """Keep messages until the broker has acknowledged them; returns when they are on the disk.

        A message that waits already (same id and topic) is not kept twice. They are sent in the order of puts.

        Raises
        ------
        OutboxError
            They could not be written (the disk is full, ...): none of them is kept.
        """
        if messages:
            await self._do(lambda store: store.put(messages, self._clock()), brings=True)

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a function called, in the event loop, whenever messages have been put. There is one listener."""
        self._listener = listener

    async def pending(self, after_seq: int, limit: int) -> list[Row]:
        """Return the oldest messages behind `after_seq`, in order, once those that are too old are given up."""

        def read(store: Store) -> list[Row]:
            store.trim(self._clock())
            return store.pending(after_seq, limit)

        return await self._do(read)

    async def acknowledge(self, seqs: Iterable[int]) -> None:
        """Delete messages that the broker has acknowledged, or will never take."""
        done = tuple(seqs)
        await self._do(lambda store: store.remove(done))

    async def remove_call(self, call_key: str) -> int:
        """Delete all that waits of a call, for a person who objects; returns how many messages went.

        Once this returns no message of that call that was put before leaves any more; what is on its way to the broker
        at that moment cannot be called back. The clearing of the call's state stays.
        """
        return await self._do(lambda store: store.remove_call(call_key))

    async def clear_left_behind(self) -> int:
        """Put the clearing of every call state that an earlier process left on the broker; returns how many.

        For the start of the server, before its first call: it takes every state it finds for left behind.
        """
        return await self._do(lambda store: store.clear_left_behind(self._clock()), brings=True)

    async def meta(self, key: str) -> str | None:
        """Return a value kept under a key, or None."""
        return await self._do(lambda store: store.meta(key))

    async def set_meta(self, key: str, value: str) -> None:
        """Keep a value under a key across restarts (the salt of the pseudonyms, for one)."""
        await self._do(lambda store: store.set_meta(key, value))

    def depth(self) -> int:
        """Return how many messages wait, as of the last commit."""
        return self._depth

    def oldest_age_s(self) -> float:
        """Return the age of the first message that waits, in s; 0 where none does."""
        return max(0.0, self._clock() - self._oldest_s) if self._oldest_s is not None else 0.0

    async def close(self) -> None:
        """Finish what has been asked for and let go of the file. Twice is once."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def _do(self, run: Callable[[Store], _T], *, brings: bool = False) -> _T:
        if self._closed:
            raise OutboxError(f"outbox {self._path}: is closed; nothing can be put or read any more")
        future: asyncio.Future[_T] = self._loop.create_future()
        self._queue.put(_Work(run, future, brings=brings))
        return await future

    def _work(self, max_rows: int, max_age_s: float, opened: asyncio.Future[None]) -> None:
        """Do what is asked until closed; the body of the thread."""
        opening = _Work(lambda _: None, opened)
        try:
            store = Store(self._path, max_rows, max_age_s)
        except OutboxError as problem:
            opening.problem = problem
            self._loop.call_soon_threadsafe(opening.settle)
            return
        batch: list[_Work] = [opening]
        going_on = True
        try:
            while going_on:
                started = time.perf_counter()
                self._commit(store, batch)
                took_s = time.perf_counter() - started
                dropped = Counter(store.dropped)
                store.dropped.clear()
                self._loop.call_soon_threadsafe(self._settle, batch, store.depth, store.oldest_s(), dropped, took_s)
                batch, going_on = self._next_batch()
            self._commit(store, batch)
            self._loop.call_soon_threadsafe(self._settle, batch, store.depth, store.oldest_s(), Counter[str](), 0.0)
        finally:
            store.close()

    def _next_batch(self) -> tuple[list[_Work], bool]:
        """Return all that waits to be done, at least one, and whether more will come."""
        batch: list[_Work] = []
        work = self._queue.get()
        while work is not None:
            batch.append(work)
            if len(batch) == _LARGEST_BATCH:
                return batch, True
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _commit(self, store: Store, batch: Sequence[_Work]) -> None:
        """Do a batch in one transaction; where that fails, each alone, so that only the one at fault fails."""
        try:
            with store.transaction():
                for work in batch:
                    work.result = work.run(store)
        except Exception as problem:  # noqa: BLE001 - handed to whoever waits for the work
            if len(batch) == 1:
                batch[0].problem = explain(problem, self._path) if isinstance(problem, sqlite3.Error) else problem
                return
            for work in batch:
                self._commit(store, [work])

    def _settle(
        self, batch: Sequence[_Work], depth: int, oldest_s: float | None, dropped: Counter[str], took_s: float
    ) -> None:
        """Show where things stand after a commit, then tell those who wait; in the event loop."""
        self._depth, self._oldest_s = depth, oldest_s
        if depth:
            self.empty.clear()
        else:
            self.empty.set()
        self._metrics.outbox_rows.set(depth)
        self._metrics.outbox_oldest_age.set(self.oldest_age_s())
        self._metrics.outbox_commit.observe(took_s)
        if dropped:
            self._report(dropped)
        for work in batch:
            work.settle()
        if self._listener is not None and any(work.brings for work in batch):
            self._listener()

    def _report(self, dropped: Counter[str]) -> None:
        for name, count in dropped.items():
            kind, _, reason = name.partition("/")
            self._metrics.outbox_dropped.labels(kind, reason).inc(count)
        now = self._loop.time()
        if now - self._last_drop >= _QUIET_S:
            _log.warning(
                "outbox is full: the oldest messages are given up; see streamer_outbox_dropped_total, "
                "check the broker, or raise outbox.max_rows or outbox.max_age_s",
                dropped=dict(dropped),
                waiting=self._depth,
            )
        self._last_drop = now
