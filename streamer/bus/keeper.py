"""What keeps the messages: the file and, while the disk fails, the memory of this process.

Blocking, for one thread; `outbox` owns that thread. It reads no clock. This file must never let a message go that is in
neither place without counting it, and never give out a message of a call before an older one of that call.

Theory of operation. There are two stores of one kind, with one set of statements and one policy: one on the disk, one
in memory, which is there only while the disk fails. Whatever the disk cannot take waits in memory, in order, within
bounds of its own, and is written when the disk works again, oldest first, under the numbers it has been given.

========= ================================================== ========= ===============================================
state     what happens                                       next      then
========= ================================================== ========= ===============================================
well      the disk fails (full, read-only, does not answer)  ailing    what comes goes into memory
well      the file is found to be damaged                    well      set aside, what can be read taken over, go on
well      the file has been moved or deleted by somebody     ailing    the open file is read until it is empty
ailing    the disk takes everything that waits in memory     well      memory is empty and let go
ailing    the disk takes some of it                          ailing    the rest waits; order is kept
========= ================================================== ========= ===============================================

While the disk ails, messages are given out from memory, too. To hold them back would protect nothing: they are in one
place as it is, and the broker is a second. Their ids are those they have for good, so that whatever is sent again after
a crash is known to be the same. What keeps order: rows on the disk are given out first; and where they cannot be read,
nothing is given out from memory as long as any stand there. What is acknowledged, cleared or objected to on a disk that
does not take it is remembered, and done when it does: nothing is sent twice, nor after an objection, by this process.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from streamer.bus.cloudevents import Outgoing, clear
from streamer.bus.database import (
    DAMAGE,
    MEMORY,
    DiskError,
    OutboxDamagedError,
    OutboxError,
    code_behind,
    damaged,
    is_outbox,
    known,
)
from streamer.bus.debts import Debts
from streamer.bus.salvage import Salvaged, set_aside, take_over
from streamer.bus.store import MAX_BYTES, Live, Record, Row, Store

_CHUNK: Final = 256
"""Rows that are moved from store to store in one transaction."""
_DAMAGED_AGAIN_S: Final = 60.0
"""A disk that damages a file sooner than this after the last one is left alone for as long."""
_KEPT_OPEN: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY})
"""Troubles in which the open file can still be read; after others it is opened again."""


class Bounds(msgspec.Struct, frozen=True):
    """How much is kept. Beyond, the oldest partials go, then the oldest of the rest, alerts never."""

    max_rows: int = 1_000_000
    max_age_s: float = 604_800
    max_bytes: int = MAX_BYTES
    """Size of the messages as stored: payload, topic and properties."""
    memory_rows: int = 100_000
    """Messages that wait in memory at most, while the disk fails."""
    memory_bytes: int = 64 * 2**20


class Keeper:
    """Keeps messages as well as the disk lets it.

    Parameters
    ----------
    path
        The file; see :class:`~streamer.bus.store.Store`.
    bounds
        How much is kept.
    now_s
        Seconds since 1970.

    Raises
    ------
    OutboxError
        It is the wrong file, or there is none and none can be made: then nothing says that the disk ever worked. A file
        that is there and cannot be used just now is trouble, and no error.
    """

    def __init__(self, path: Path, bounds: Bounds, now_s: float) -> None:
        self._path = path
        self._bounds = bounds
        self._disk: Store | None = None
        self._memory: Store | None = None
        """While the disk fails."""
        self._debts = Debts()
        """What the disk is still to be told."""
        self._unopened = 0
        """Messages in the file while it is not open, as far as is known."""
        self._wrecks: list[tuple[Path, int]] = []
        """Damaged files that have been set aside and not been read yet, and how many messages were in each."""
        self._damaged_s = -_DAMAGED_AGAIN_S
        """When a file was set aside last."""
        self._shunned_s: float | None = None
        """Since when nothing is expected of a disk that damages one file after the other."""
        self._lives_unknown = False
        """What an earlier process left at the broker could not be read yet, though it was asked for."""
        self.trouble = ""
        """What is wrong with the disk, in words; empty while all is well."""
        self.news: list[Salvaged] = []
        """What happened, for whoever tells people."""
        self._dropped: Counter[str] = Counter()
        existed = path.exists()
        try:
            self._disk = self._opened(now_s)
        except DiskError as problem:
            if not existed:
                raise
            self._ail(str(problem), now_s)
        else:
            self.retry(now_s)  # of use where a damaged file has been set aside

    @property
    def in_memory(self) -> int:
        """How many messages wait in memory alone."""
        return self._memory.depth if self._memory else 0

    @property
    def strained(self) -> bool:
        """Whether memory is more than half full, so that messages will be lost unless disk or broker come back."""
        memory, bounds = self._memory, self._bounds
        return memory is not None and (2 * memory.depth > bounds.memory_rows or 2 * memory.bytes > bounds.memory_bytes)

    @property
    def overfull(self) -> bool:
        """Whether what may never be given up is alone more than the bounds allow."""
        store = self._memory or self._disk
        return store is not None and store.overfull

    @property
    def depth(self) -> int:
        """How many messages wait, wherever."""
        return self._on_disk + self.in_memory

    @property
    def bytes(self) -> int:
        """Their size as stored; what is done with and could not be deleted included."""
        return sum(store.bytes for store in (self._disk, self._memory) if store)

    @property
    def _on_disk(self) -> int:
        behind = sum(count for _, count in self._wrecks) + self._unopened
        return max(0, behind + (self._disk.depth if self._disk else 0) - len(self._debts.gone))

    def oldest_s(self) -> float | None:
        """Return when the first message in order was put, or None where none waits or it cannot be read."""
        stores = [self._disk if self._on_disk else None, self._memory]
        with contextlib.suppress(sqlite3.Error):  # said already; the disk's part is unknown then
            found = [store.oldest_s() for store in stores if store]
            return min((age for age in found if age is not None), default=None)
        return self._memory.oldest_s() if self._memory else None

    def take_dropped(self) -> Counter[str]:
        """Return what has been given up since the last time, by ``kind/reason``; reason ``memory``: it was full."""
        dropped, self._dropped = self._dropped, Counter()
        if self._disk:
            dropped.update(self._disk.dropped)
            self._disk.dropped.clear()
        if self._memory:
            for name, count in self._memory.dropped.items():
                dropped[name.replace("/full", "/memory")] += count
            self._memory.dropped.clear()
        return dropped

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep what is done inside as one, or nothing of it."""
        with self._serving().transaction():
            yield

    def put(self, messages: Sequence[Outgoing], now_s: float) -> None:
        """Append messages, those that wait already (same id and topic) left out; then keep the bounds."""
        if self._memory:
            messages = [message for message in messages if not self._stands_on_disk(message)]
        self._serving().put(messages, now_s)

    def keep(self, records: Iterable[Record], now_s: float) -> bool:
        """Append rows of another outbox, under new numbers; return whether they are on the disk."""
        self._serving().keep(records, now_s, numbered=False)
        return self._memory is None

    def records(self, after_seq: int, limit: int) -> list[Record]:
        """Return the oldest rows behind `after_seq` as they are stored; only while the disk is well."""
        return self._well().records(after_seq, limit)

    def discard(self, seqs: Iterable[int]) -> None:
        """Delete rows that another outbox has now; only while the disk is well."""
        self._well().discard(seqs)

    def pending(self, after_seq: int, limit: int, now_s: float) -> list[Row]:
        """Return the oldest messages behind `after_seq`, in order, once those that are too old are given up."""
        self._serving().trim(now_s)
        if not self._memory:
            return self._well().pending(after_seq, limit)
        rows = self._readable(after_seq, limit)
        if rows is None:
            if self._on_disk:
                return []  # an older message of the same call may stand where nobody can read it
            rows = []
        return rows + self._memory.pending(after_seq, limit - len(rows)) if len(rows) < limit else rows

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """Delete messages that are done with, at once or when the disk lets us."""
        if not self._memory:
            self._well().remove(seqs)
            return
        for seq in seqs:
            if self._memory.has(seq):
                topic = self._memory.cleared_by(seq)
                if topic:
                    self._debts.cleared.append((topic, seq))
                self._memory.remove([seq])
            elif self._may_stand_on_disk(seq):
                self._debts.gone.add(seq)

    def remove_call(self, call_key: str) -> int:
        """Delete all that waits of a call but the clearing of its state; returns how many, as far as is known."""
        if not self._memory:
            return self._well().remove_call(call_key)
        self._debts.objected.add(call_key)
        count = self._memory.remove_call(call_key)
        if self._disk:
            with contextlib.suppress(sqlite3.Error):  # said already; `objected` keeps them back
                here = set(self._disk.seqs_of_call(call_key)) - self._debts.gone
                self._debts.gone |= here
                count += len(here)
        return count

    def clear_left_behind(self, now_s: float) -> int:
        """Put a clearing message for every state that an earlier process left; returns how many calls there were."""
        if not self._memory:
            return self._well().clear_left_behind(now_s)
        try:
            lives = self._disk.lives() if self._disk else None
        except sqlite3.Error:
            lives = None
        if lives is None:
            self._lives_unknown = True
            return 0
        self._memory.put([_clearing(live) for live in lives], now_s)
        return len(lives)

    def meta(self, key: str) -> str | None:
        """Return a value that was kept, or None.

        Raises
        ------
        DiskError
            It cannot be read.
        """
        if key in self._debts.metas:
            return self._debts.metas[key]
        if self._disk is None:
            raise DiskError(self.trouble)
        return self._disk.meta(key)

    def set_meta(self, key: str, value: str) -> None:
        """Keep a value, in place of the one before."""
        if self._memory:
            self._debts.metas[key] = value
        else:
            self._well().set_meta(key, value)

    def look(self, now_s: float) -> None:
        """Notice that somebody has moved or deleted the file; to be called before it is written."""
        if self._memory is None and self._well().moved():
            moved = "somebody has moved or deleted it; a new one is made when all that waits in it has been delivered"
            self._ail(f"outbox {self._path}: {moved}", now_s)

    def gives_in(self, problem: Exception, now_s: float) -> bool:
        """Do what can be done about an error of the disk; return whether the work may be tried again."""
        found = known(problem, self._path)
        if self._memory is not None or not isinstance(found, DiskError | OutboxDamagedError):
            return False
        self._ail(str(found), now_s)
        self._respond(problem, now_s)
        if isinstance(found, OutboxDamagedError):
            self.retry(now_s)
        return True

    def retry(self, now_s: float) -> None:
        """Try whether the disk works again and, if so, write what waits."""
        try:
            if self._memory is None or self._is_shunned(now_s) or self._waits_for_moved_file():
                return
            if self._disk is None:
                self._disk = self._opened(now_s)
                self._unopened = 0
            self._disk.last_seq = self._memory.last_seq = max(self._disk.last_seq, self._memory.last_seq)
            self._take_over(self._disk, self._memory, now_s)
            self._write(self._disk, self._memory, now_s)
            self._memory.close()
            self._memory = None
            self.trouble = ""
        except (OutboxError, sqlite3.Error) as problem:
            self._respond(problem, now_s)

    def tidy(self, now_s: float, *, idle: bool) -> None:
        """Do what is done between transactions, so that nothing that is deleted or too old stays; never raises.

        Parameters
        ----------
        now_s
            Seconds since 1970.
        idle
            Whether it is time to look at how old messages are: where nothing is asked for, nobody else does.
        """
        try:
            if idle:
                with self.transaction():
                    self._serving().trim(now_s)
            if self._memory is None:
                self._well().tidy(idle=idle)
        except (OutboxError, sqlite3.Error) as problem:
            self.gives_in(problem, now_s)

    def give_space_back(self) -> None:
        """Give the disk back what a large backlog has taken, where nothing waits any more."""
        if self._memory is None:
            self._well().give_space_back()

    def close(self) -> Counter[str]:
        """Let go of the file; return what was in memory alone and is lost with it, by kind."""
        lost: Counter[str] = Counter()
        if self._memory:
            lost = self._memory.kinds()
            self._memory.close()
        if self._disk:
            with contextlib.suppress(sqlite3.Error):  # what was committed stands in the log, for the next start
                self._disk.close()
        return lost

    def remove_file(self) -> None:
        """Delete the file, in which nothing may wait; `close` lets go of it."""
        self._well().remove_file()

    def _serving(self) -> Store:
        return self._memory or self._well()

    def _well(self) -> Store:
        if self._disk is None or self._memory is not None:
            raise DiskError(self.trouble)
        return self._disk

    def _ail(self, trouble: str, now_s: float) -> None:
        """Go on in memory."""
        self.trouble = trouble
        if self._memory is not None:
            return
        bounds = self._bounds
        self._memory = Store(MEMORY, bounds.memory_rows, bounds.max_age_s, bounds.memory_bytes)
        # Numbers must not be those of rows in a file that nobody has read yet: the time is beyond what any has reached.
        self._memory.last_seq = self._disk.last_seq if self._disk else int(now_s * 1000) << 10

    def _let_go(self) -> None:
        """Close a file that may not be what it was."""
        if self._disk:
            self._unopened = self._disk.depth
            self._dropped.update(self._disk.dropped)
            with contextlib.suppress(sqlite3.Error):  # what is wrong with it has been said
                self._disk.close()
            self._disk = None

    def _respond(self, problem: Exception, now_s: float) -> None:
        """Say what is wrong, and leave the file in a state from which another try may succeed."""
        found = known(problem, self._path)
        self.trouble = str(found)
        if isinstance(found, OutboxDamagedError) and self._disk is not None:
            try:
                self._lay_aside(self.trouble, now_s)
            except DiskError as further:
                self.trouble = str(further)
        elif code_behind(problem) not in _KEPT_OPEN:
            self._let_go()

    def _is_shunned(self, now_s: float) -> bool:
        if self._shunned_s is not None and not 0 <= now_s - self._shunned_s < _DAMAGED_AGAIN_S:
            self._shunned_s = None
        return self._shunned_s is not None

    def _waits_for_moved_file(self) -> bool:
        """Return whether a file that no longer stands at its path is still being emptied; let go of an empty one."""
        disk, memory = self._disk, self._memory
        if disk is None or memory is None or not disk.moved():
            return False
        if self._on_disk:
            return True
        memory.keep_live([live for live in disk.lives() if live.topic not in {one.topic for one in memory.lives()}])
        self._let_go()
        self._unopened = 0
        self._debts.gone.clear()
        return False

    def _opened(self, now_s: float) -> Store:
        """Open the file; one of ours that is damaged is set aside for a new one."""
        bounds = self._bounds
        for last in (False, True):
            try:
                return Store(self._path, bounds.max_rows, bounds.max_age_s, bounds.max_bytes)
            except OutboxError as problem:
                is_damaged = isinstance(problem, OutboxDamagedError) or code_behind(problem) in DAMAGE
                if last or not is_damaged or not self._is_ours():
                    raise
                trouble = damaged(self._path, problem)
                self._ail(trouble, now_s)
                self._lay_aside(trouble, now_s)
        raise AssertionError("the second try returns or raises")

    def _is_ours(self) -> bool:
        try:
            return is_outbox(self._path) or not self._path.stat().st_size
        except OSError:
            return False

    def _lay_aside(self, trouble: str, now_s: float) -> None:
        """Set the damaged file aside, to be read when there is a new one.

        Raises
        ------
        DiskError
            It cannot be set aside, or has only just been.
        """
        if 0 <= now_s - self._damaged_s < _DAMAGED_AGAIN_S:
            self._let_go()
            self._shunned_s = now_s
            raise DiskError(f"{trouble}; the second time within {_DAMAGED_AGAIN_S:g} s: check the disk")
        self._let_go()
        try:
            aside = set_aside(self._path, now_s)
        except OSError as problem:
            raise DiskError(f"{trouble}; it cannot be set aside ({problem.strerror})") from problem
        self._damaged_s = now_s
        self._wrecks.append((aside, self._unopened - len(self._debts.gone)))
        self._unopened = 0

    def _take_over(self, disk: Store, memory: Store, now_s: float) -> None:
        """Read what can be read of damaged files into the new one; a second time changes nothing."""
        while self._wrecks:
            aside, expected = self._wrecks[0]
            salvaged = take_over(
                aside,
                disk,
                now_s,
                expected=expected,
                wanted=lambda row: self._debts.lets_go(row.seq, row.call_key, row.kind),
            )
            disk.last_seq = memory.last_seq = max(disk.last_seq, memory.last_seq)
            self.news.append(salvaged)
            del self._wrecks[0]

    def _write(self, disk: Store, memory: Store, now_s: float) -> None:
        """Do on the disk what could not be done, then move what waits, oldest first."""
        with disk.transaction():
            if self._lives_unknown:
                memory.put([_clearing(live) for live in disk.lives()], now_s)
            self._debts.pay(disk)
            disk.keep_live(memory.lives())
        self._lives_unknown = False
        self._debts.clear()
        while records := memory.records(0, _CHUNK):
            with disk.transaction():
                disk.keep(records, now_s, numbered=True)
            memory.discard(record.seq for record in records)

    def _readable(self, after_seq: int, limit: int) -> list[Row] | None:
        """Return what waits on the disk while it fails, or None where some of it cannot be read."""
        if self._wrecks or self._disk is None:
            return None
        found: list[Row] = []
        lets_go = self._debts.lets_go
        try:
            while len(found) < limit and (rows := self._disk.pending(after_seq, limit)):
                after_seq = rows[-1].seq
                found += [row for row in rows if lets_go(row.seq, row.message.call_key, row.message.kind)]
        except (sqlite3.Error, OutboxDamagedError) as problem:
            self.trouble = str(known(problem, self._path))
            return None
        return found[:limit]

    def _may_stand_on_disk(self, seq: int) -> bool:
        if self._disk is None:
            return True
        try:
            return self._disk.has(seq)
        except sqlite3.Error:  # what is wrong with it has been said
            return True

    def _stands_on_disk(self, message: Outgoing) -> bool:
        if self._disk is None:
            return False
        try:
            seq = self._disk.has_message(message)
        except sqlite3.Error:  # then it may go twice, under one id
            return False
        return seq != 0 and seq not in self._debts.gone


def _clearing(live: Live) -> Outgoing:
    return clear(live.topic, live.call_key, live.id)
