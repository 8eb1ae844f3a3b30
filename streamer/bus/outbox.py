"""The outbox: what has been put into it reaches the broker, whatever happens to broker, network and process.

One thread of its own does all the disk work, so that the event loop never waits for a disk; what waits for it at one
moment is written in one transaction (group commit), so that a hundred verdicts cost one write to the disk, not a
hundred. This file must never say that a message is safe before its transaction has been committed, unless it has said
that the disk fails.

While the disk fails (full, read-only, broken, or its file damaged), calls go on: what comes waits in memory, within
bounds, is published from there if the broker is there, and is written when the disk works again. `keeper` says how.
Nothing of this is an exception to those who put: `trouble` says it to the operator, and whatever could be kept neither
on the disk nor in memory is counted and logged as lost.
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

import msgspec
import structlog

from streamer.bus.cloudevents import Kind, Outgoing, call_of
from streamer.bus.database import OutboxError
from streamer.bus.keeper import Bounds, Keeper
from streamer.bus.salvage import Salvaged
from streamer.bus.store import Record, Row
from streamer.metrics import Metrics

__all__ = ["Bounds", "Outbox", "OutboxError", "Row"]

_LARGEST_BATCH: Final = 512
_QUIET_S: Final = 60.0
"""Drops, or times that the disk fails, with less than this between them are one burst, and one line in the log."""
_BACKLOG_BYTES: Final = 32 * 2**20
"""A backlog of less leaves a file that is small anyway."""
_RETRY_S: Final = 1.0
"""Pause between tries of a disk that fails."""
_IDLE_S: Final = 60.0
"""How often what is too old is given up, and what was deleted wiped, although nobody asks for anything."""

_NOT_FINAL: Final = frozenset({Kind.PARTIAL, Kind.STATE, Kind.CLEAR, Kind.STATUS})

_log = structlog.get_logger("streamer.bus.outbox")
_T = TypeVar("_T")


class _Work:
    """Something to be done in a transaction, and who waits for it."""

    __slots__ = ("brings", "future", "problem", "result", "run")

    def __init__(self, run: Callable[[Keeper], Any], future: asyncio.Future[Any], *, brings: bool = False) -> None:
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


class _Standing(msgspec.Struct, frozen=True):
    """How things stand after a commit."""

    depth: int
    bytes: int
    oldest_s: float | None
    in_memory: int
    strained: bool
    overfull: bool
    trouble: str
    dropped: Counter[str]
    news: tuple[Salvaged, ...]
    took_s: float


class _Burst:
    """Says whether something is worth a line in the log: the first time, and again after a quiet time."""

    def __init__(self) -> None:
        self._last = -_QUIET_S

    def begins(self, now: float) -> bool:
        begins = now - self._last >= _QUIET_S
        self._last = now
        return begins


class Outbox:
    """Messages on their way to the broker, kept on disk. Make one with :meth:`open`; for one event loop."""

    def __init__(
        self, path: Path, bounds: Bounds, metrics: Metrics, clock: Callable[[], float], retry_s: float
    ) -> None:
        self.path = path
        self._bounds = bounds
        self._metrics = metrics
        self.clock = clock
        self._retry_s = retry_s
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._remove_file = False
        self._had_backlog = False
        self._depth = 0
        self._oldest_s: float | None = None
        self._drops, self._losses, self._alerts, self._troubles = _Burst(), _Burst(), _Burst(), _Burst()
        self._said_trouble = ""
        self._listener: Callable[[], None] | None = None
        self.trouble = ""
        """What is wrong with the disk, in words; empty while all is well."""
        self.strained = False
        """Whether the disk fails and memory is more than half full: final events will be lost unless disk or broker
        come back, so no new call should be taken."""
        self.empty = asyncio.Event()
        """Set while no message waits."""
        self.well = asyncio.Event()
        """Set while the disk takes what comes."""

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        metrics: Metrics,
        bounds: Bounds | None = None,
        clock: Callable[[], float] = time.time,
        retry_s: float = _RETRY_S,
    ) -> Self:
        """Open the file, or make it, and start the thread.

        Parameters
        ----------
        path
            The file; its folder must exist, on a local disk.
        metrics
            Where depth, age and drops are shown.
        bounds
            How much is kept.
        clock
            Seconds since 1970.
        retry_s
            Pause in s between tries of a disk that fails.

        Raises
        ------
        OutboxError
            It is no outbox, is of a newer version, is in use by another process, or there is no file and none can be
            made. A file of ours that is damaged, or cannot be written just now, is no error: see `trouble`.
        """
        self = cls(Path(path), bounds or Bounds(), metrics, clock, retry_s)
        opened: asyncio.Future[None] = self._loop.create_future()
        # A daemon: a process that ends without close() must not hang on it. What was committed is safe anyway.
        self._thread = threading.Thread(target=self._work, args=(opened,), name="outbox", daemon=True)
        self._thread.start()
        await opened
        return self

    async def put(self, messages: Sequence[Outgoing]) -> None:
        """Keep messages until the broker has acknowledged them; returns when they are on the disk.

        While the disk fails, it returns when they are in memory; what that has no room for is counted and logged as
        lost. A message that waits already (same id and topic) is not kept twice. They are sent in the order of puts.

        Raises
        ------
        OutboxError
            The outbox is closed.
        """
        if messages:
            await self._do(lambda keeper: keeper.put(messages, self.clock()), brings=True)

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a function called, in the event loop, whenever messages have been put. There is one listener."""
        self._listener = listener

    async def pending(self, after_seq: int, limit: int) -> list[Row]:
        """Return the oldest messages behind `after_seq`, in order, once those that are too old are given up."""
        return await self._do(lambda keeper: keeper.pending(after_seq, limit, self.clock()))

    async def acknowledge(self, seqs: Iterable[int]) -> None:
        """Delete messages that the broker has acknowledged, or will never take."""
        done = tuple(seqs)
        await self._do(lambda keeper: keeper.acknowledge(done))

    async def remove_call(self, call_key: str) -> int:
        """Delete all that waits of a call, for a person who objects; returns how many messages went.

        Once this returns no message of that call that was put before leaves any more; what is on its way to the broker
        at that moment cannot be called back. The clearing of the call's state stays. On a disk that cannot be written
        the rows stay until it can, and do not leave; of that, only this process knows.
        """
        removed = await self._do(lambda keeper: keeper.remove_call(call_key))
        if self.trouble:
            _log.error(
                "an objection cannot be carried out on the disk yet; nothing of the call leaves, and what stands of it "
                "there goes when the disk works again",
                call=call_of(call_key),
            )
        return removed

    async def clear_left_behind(self) -> int:
        """Put the clearing of every call state that an earlier process left on the broker; returns how many.

        For the start of the server, before its first call: it takes every state it finds for left behind.
        """
        return await self._do(lambda keeper: keeper.clear_left_behind(self.clock()), brings=True)

    async def records(self, limit: int) -> list[Record]:
        """Return the oldest rows as they are stored, to move them into another outbox.

        Raises
        ------
        OutboxError
            The disk fails.
        """
        return await self._do(lambda keeper: keeper.records(0, limit))

    async def keep(self, records: Sequence[Record]) -> bool:
        """Append rows of another outbox; return whether they are on the disk, so that the other may discard them."""
        return await self._do(lambda keeper: keeper.keep(records, self.clock()), brings=True)

    async def discard(self, seqs: Iterable[int]) -> None:
        """Delete rows that another outbox has on its disk."""
        gone = tuple(seqs)
        await self._do(lambda keeper: keeper.discard(gone))

    async def meta(self, key: str) -> str | None:
        """Return a value kept under a key, or None."""
        return await self._do(lambda keeper: keeper.meta(key))

    async def set_meta(self, key: str, value: str) -> None:
        """Keep a value under a key across restarts (the salt of the pseudonyms, for one)."""
        await self._do(lambda keeper: keeper.set_meta(key, value))

    def depth(self) -> int:
        """Return how many messages wait, as of the last commit."""
        return self._depth

    def oldest_age_s(self) -> float:
        """Return the age of the first message that waits, in s; 0 where none does."""
        return max(0.0, self.clock() - self._oldest_s) if self._oldest_s is not None else 0.0

    async def close(self, *, remove_file: bool = False) -> None:
        """Finish what has been asked for and let go of the file. Twice is once.

        Parameters
        ----------
        remove_file
            Whether to delete the file, where nothing waits in it and the disk is well.
        """
        if self._closed:
            return
        self._closed = True
        self._remove_file = remove_file
        self._queue.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def _do(self, run: Callable[[Keeper], _T], *, brings: bool = False) -> _T:
        if self._closed:
            raise OutboxError(f"outbox {self.path}: is closed; nothing can be put or read any more")
        future: asyncio.Future[_T] = self._loop.create_future()
        self._queue.put(_Work(run, future, brings=brings))
        return await future

    def _work(self, opened: asyncio.Future[None]) -> None:
        """Do what is asked until closed; the body of the thread."""
        opening = _Work(lambda _: None, opened)
        try:
            keeper = Keeper(self.path, self._bounds, self.clock())
        except Exception as problem:  # noqa: BLE001 - handed to whoever opens
            opening.problem = problem
            self._loop.call_soon_threadsafe(opening.settle)
            return
        batch: list[_Work] = [opening]
        going_on = True
        lost: Counter[str] = Counter()
        tidied = time.perf_counter()
        try:
            while True:
                started = time.perf_counter()
                self._commit(keeper, batch)
                idle = not batch or started - tidied >= _IDLE_S
                tidied = started if idle else tidied
                keeper.tidy(self.clock(), idle=idle)
                took_s = time.perf_counter() - started
                self._shrink(keeper)
                self._loop.call_soon_threadsafe(self._settle, batch, _standing(keeper, took_s))
                if not going_on:
                    break
                batch, going_on = self._next_batch(self._retry_s if keeper.trouble else _IDLE_S)
                if keeper.trouble:
                    keeper.retry(self.clock())
            if self._remove_file and not keeper.depth and not keeper.trouble:
                keeper.remove_file()
        finally:
            lost = keeper.close()
        if lost:
            self._loop.call_soon_threadsafe(self._report_lost, lost, "the server ends while the disk fails")

    def _next_batch(self, wait_s: float) -> tuple[list[_Work], bool]:
        """Return all that waits to be done, at least one unless `wait_s` is over, and whether more will come."""
        batch: list[_Work] = []
        try:
            work = self._queue.get(timeout=wait_s)
            while work is not None:
                batch.append(work)
                if len(batch) == _LARGEST_BATCH:
                    return batch, True
                work = self._queue.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _commit(self, keeper: Keeper, batch: Sequence[_Work]) -> None:
        """Do a batch in one transaction; where one in it fails, each alone, so that only the one at fault fails."""
        now_s = self.clock()
        keeper.look(now_s)
        try:
            with keeper.transaction():
                for work in batch:
                    work.result = work.run(keeper)
        except Exception as problem:  # noqa: BLE001 - handed to whoever waits for the work
            if keeper.gives_in(problem, now_s):
                self._commit(keeper, batch)
            elif len(batch) == 1:
                batch[0].problem = problem
            else:
                for work in batch:
                    self._commit(keeper, [work])

    def _shrink(self, keeper: Keeper) -> None:
        """Once all is delivered, see that the file does not stay as large as the longest backlog made it."""
        if keeper.depth:
            self._had_backlog = self._had_backlog or keeper.bytes >= _BACKLOG_BYTES
        elif self._had_backlog:
            self._had_backlog = False
            try:
                keeper.give_space_back()
            except sqlite3.Error as problem:
                keeper.gives_in(problem, self.clock())

    def _settle(self, batch: Sequence[_Work], now: _Standing) -> None:
        """Show where things stand after a commit, then tell those who wait; in the event loop."""
        self._depth, self._oldest_s = now.depth, now.oldest_s
        if now.depth:
            self.empty.clear()
        else:
            self.empty.set()
        self._metrics.outbox_rows.set(now.depth)
        self._metrics.outbox_bytes.set(now.bytes)
        self._metrics.outbox_memory_rows.set(now.in_memory)
        self._metrics.outbox_oldest_age.set(self.oldest_age_s())
        if batch:
            self._metrics.outbox_commit.observe(now.took_s)
        self._report(now)
        changed = bool(self.trouble) != bool(now.trouble)
        self._tell_trouble(now)
        for work in batch:
            work.settle()
        if self._listener is not None and (changed or any(work.brings for work in batch)):
            self._listener()

    def _tell_trouble(self, now: _Standing) -> None:
        """Say that the disk fails, or works again; a disk that does so by turns is one line a minute."""
        self.trouble, self.strained = now.trouble, now.strained
        self._metrics.outbox_healthy.set(not now.trouble)
        if not now.trouble:
            self.well.set()
            if self._said_trouble:
                self._said_trouble = ""
                _log.info("the outbox's disk works again; what waited in memory is on it", waiting=now.depth)
            return
        self.well.clear()
        begins = self._troubles.begins(self._loop.time())
        if now.trouble != self._said_trouble and (begins or self._said_trouble):
            self._said_trouble = now.trouble
            _log.error(
                f"{now.trouble}. Calls go on: what is final waits in memory, is published from there, and is written "
                "when the disk works again; if this process ends before, what then still waits is lost",
                in_memory=now.in_memory,
                waiting=now.depth,
            )

    def _report(self, now: _Standing) -> None:
        """Count what was given up, and say it once a burst."""
        lost = Counter[str]()
        for name, count in now.dropped.items():
            kind, _, reason = name.partition("/")
            self._metrics.outbox_dropped.labels(kind, reason).inc(count)
            if reason == "memory":
                lost[kind] += count
        if now.dropped and not lost and self._drops.begins(self._loop.time()):
            _log.warning(
                "outbox is full: the oldest messages are given up; see streamer_outbox_dropped_total, "
                "check the broker, or raise outbox.max_rows, outbox.max_bytes or outbox.max_age_s",
                dropped=dict(now.dropped),
                waiting=now.depth,
            )
        if lost:
            self._report_lost(lost, "the disk fails and memory is full")
        if now.overfull and self._alerts.begins(self._loop.time()):
            _log.error(
                "alerts alone exceed the bounds of the outbox; they are kept all the same, and it goes on growing: "
                "check the broker",
                waiting=now.depth,
                bytes=now.bytes,
            )
        for found in now.news:
            self._metrics.outbox_damaged.inc()
            self._metrics.events_lost.inc(found.lost)
            _log.error(
                f"the outbox was damaged: its file was set aside as {found.aside}, what could be read of it is in a "
                "new one; keep it, `sqlite3 FILE .recover` may find more, and check the disk",
                saved=found.saved,
                lost=found.lost,
            )

    def _report_lost(self, lost: Counter[str], why: str) -> None:
        """Count and log final events that are gone for good."""
        final = Counter({kind: count for kind, count in lost.items() if kind not in _NOT_FINAL})
        self._metrics.events_lost.inc(final.total())
        if final and self._losses.begins(self._loop.time()):
            _log.error(f"final events are lost: {why}; see streamer_events_lost_total", lost=dict(final))


def _standing(keeper: Keeper, took_s: float) -> _Standing:
    news, keeper.news = tuple(keeper.news), []
    return _Standing(
        depth=keeper.depth,
        bytes=keeper.bytes,
        oldest_s=keeper.oldest_s(),
        in_memory=keeper.in_memory,
        strained=keeper.strained,
        overfull=keeper.overfull,
        trouble=keeper.trouble,
        dropped=keeper.take_dropped(),
        news=news,
        took_s=took_s,
    )
