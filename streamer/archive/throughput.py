"""How far a run has got, how fast, and how long it will take: a bar on a terminal, a line now and then elsewhere.

On standard error only. This file must never slow a run down: what it shows is what it is told.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from streamer.archive.html import length

EVERY_S: Final = 5.0


class Throughput:
    """The progress of one run; use it in a `with`.

    Parameters
    ----------
    calls
        How many are to be analysed.
    before
        How many were done before.
    now
        A monotonic clock, in seconds.
    quiet
        Say nothing.
    console
        Where to say it; standard error if not given.
    """

    def __init__(
        self, calls: int, before: int, now: Callable[[], float], *, quiet: bool, console: Console | None = None
    ) -> None:
        self._calls = calls
        self._before = before
        self._now = now
        self._quiet = quiet
        self._out = console or Console(stderr=True)
        self._began_s = self._said_s = now()
        self._done = self._failed = 0
        self._audio_s = 0.0
        self._stack = ExitStack()
        self._bar: Progress | None = None
        self.console: Console | None = None
        """Through which to print while there is a bar on the screen."""

    def __enter__(self) -> Self:
        if not self._quiet and self._out.is_terminal and self._calls > 1:
            columns = (TextColumn("analysing"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bar = self._stack.enter_context(Progress(*columns, console=self._out, transient=True))
            self._bar.add_task("", total=self._before + self._calls, completed=self._before)
            self.console = self._out
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if not self._quiet and self._done:
            self._out.print(f"{self.words()}", highlight=False, soft_wrap=True)

    def done(self, audio_s: float) -> None:
        """Take note that a call of so much audio is analysed."""
        self._done += 1
        self._audio_s += audio_s
        self._tell()

    def failed(self) -> None:
        """Take note that a recording could not be."""
        self._failed += 1
        self._tell()

    def words(self) -> str:
        """Return how far it has got, in words."""
        took_s = self._now() - self._began_s
        parts = [f"{self._done} of {self._calls} analysed"]
        if self._failed:
            parts.append(f"{self._failed} could not be")
        if took_s > 0 and self._audio_s:
            parts.append(f"{length(self._audio_s * 1000)} of audio at {self._audio_s / took_s:.0f} times real time")
        left = self._calls - self._done - self._failed
        if left and self._done:
            parts.append(f"about {_span(left * took_s / (self._done + self._failed))} to go")
        return ", ".join(parts)

    def _tell(self) -> None:
        if self._bar is not None:
            advanced = self._before + self._done + self._failed
            self._bar.update(self._bar.task_ids[0], completed=advanced, description=self.words())
        elif not self._quiet and self._now() - self._said_s >= EVERY_S:
            self._said_s = self._now()
            self._out.print(self.words(), highlight=False, soft_wrap=True)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
