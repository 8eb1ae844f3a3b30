"""A log under a flood: the first lines of a kind are written, the rest are counted, and the count is said.

A thousand connections refused in a second must not fill a disk or hold up the event loop; one line of another kind
among them must still be seen. A kind is a level and the event's words, so a flood of one hides no other, and of errors,
too, the first are always written. This file must never drop a line without counting it.

Theory of operation. The first line of a kind begins an interval. Of that interval as many lines as allowed are written;
the others are counted. When it is over, one line says how many more there were; the next line of that kind begins a new
interval. A timer sees to it that the count is said even if no further line ever comes, and `flush` says all at the end
of the process. Kinds beyond `MOST_KINDS` in an interval share one allowance, so that words that are never the same
twice cost neither memory nor disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

MOST_KINDS: Final = 500
"""Kinds of lines that are told apart at once."""
OTHERS: Final = "lines of many other kinds"
COUNT: Final = "_is_count"
"""A line with this key is a count: it is written without the key, and counted nowhere."""

Line = MutableMapping[str, Any]
Say = Callable[[str, str, int], None]
"""Writes that of a level and a kind so many more lines have come."""


class _Interval:
    """What has come of a kind since its interval began."""

    __slots__ = ("began_s", "lines")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.lines = 0


class Flood:
    """A processor of structlog, behind `add_log_level`. Safe to be used by several threads.

    Parameters
    ----------
    lines
        Lines of a kind that are written in an interval, 1 or more.
    every_s
        How long an interval is.
    say
        Writes a count; it is called without any lock held and may log.
    clock
        Monotonic seconds.
    later
        Has a function called after so many seconds.
    """

    def __init__(
        self,
        lines: int,
        every_s: float,
        *,
        say: Say,
        clock: Callable[[], float],
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._lines = lines
        self._every_s = every_s
        self._say = say
        self._clock = clock
        self._later = later
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, str], _Interval] = {}
        self._is_timed = False

    def __call__(self, _logger: object, _method: str, line: Line) -> Line:
        """Return the line if it is to be written.

        Raises
        ------
        structlog.DropEvent
            It is one of too many, and has been counted.
        """
        if line.pop(COUNT, False):
            return line
        with self._lock:
            now_s = self._clock()
            over = self._take_over(now_s) if self._is_due(now_s, line) else []
            interval = self._interval(now_s, str(line.get("level", "")), str(line.get("event", "")))
            interval.lines += 1
            is_written = interval.lines <= self._lines
            must_time = not is_written and not self._is_timed
            self._is_timed = self._is_timed or must_time
        if must_time:
            self._later(self._every_s, self._on_time)
        self._say_all(over)
        if not is_written:
            raise structlog.DropEvent
        return line

    def flush(self) -> None:
        """Say every count now, and begin anew."""
        with self._lock:
            over = self._take_over(float("inf"))
        self._say_all(over)

    def _on_time(self) -> None:
        with self._lock:
            over = self._take_over(self._clock())
            self._is_timed = must_time = any(one.lines > self._lines for one in self._kinds.values())
        if must_time:
            self._later(self._every_s, self._on_time)
        self._say_all(over)

    def _is_due(self, now_s: float, line: Line) -> bool:
        """Whether intervals must be closed before this line is taken: its own is over, or there is no room."""
        own = self._kinds.get((str(line.get("level", "")), str(line.get("event", ""))))
        if own is None:
            return len(self._kinds) >= MOST_KINDS
        return now_s - own.began_s >= self._every_s

    def _interval(self, now_s: float, level: str, event: str) -> _Interval:
        key = (level, event)
        if key not in self._kinds and len(self._kinds) >= MOST_KINDS:
            key = (level, OTHERS)  # a handful more: one for each level
        return self._kinds.setdefault(key, _Interval(now_s))

    def _take_over(self, now_s: float) -> list[tuple[str, str, int]]:
        """Forget the intervals that are over; return what was not written of them."""
        over = [key for key, one in self._kinds.items() if now_s - one.began_s >= self._every_s]
        counts = [(*key, self._kinds.pop(key).lines - self._lines) for key in over]
        return [count for count in counts if count[2] > 0]

    def _say_all(self, counts: list[tuple[str, str, int]]) -> None:
        for level, event, more in counts:
            self._say(level, event, more)
