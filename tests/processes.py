"""What a process says, line by line: a test waits for a line, and sees afterwards all that was said.

Nothing here may wait for an amount of time: it waits for a line, for the end, or until a broken test is given up.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from itertools import islice
from typing import IO, Generic, TypeVar

PATIENCE_S = 60
"""Only how long a broken test hangs; no test passes or fails by it."""

Line = TypeVar("Line")


class Output(Generic[Line]):
    """What comes out of a pipe, read by a thread of its own until the other end is closed.

    Parameters
    ----------
    pipe
        A process's output, as text.
    who
        Whose, for the message of a test that fails.
    kept
        What is kept of a line.
    """

    def __init__(self, pipe: IO[str] | None, who: str, kept: Callable[[str], Line]) -> None:
        assert pipe is not None, f"{who} was not started with a pipe"
        self.said: list[Line] = []
        self.is_over = False
        """Whether nothing more can come."""
        self._pipe = pipe
        self._who = who
        self._kept = kept
        self._heard = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def first(self, fits: Callable[[Line], bool], what: str, times: int = 1) -> Line:
        """Return the first line that fits, or the second, ..., once there is one; blocking."""

        def found() -> Line | None:
            return next(islice(filter(fits, self.said), times - 1, None), None)

        with self._heard:
            self._heard.wait_for(lambda: self.is_over or found() is not None, PATIENCE_S)
            line = found()
            often = f" {times} times" if times > 1 else ""
            assert line is not None, "\n".join([f"{self._who} never said {what!r}{often}:", *map(str, self.said)])
            return line

    def close(self) -> None:
        """Read what is left, and let go; the process has to have ended. A second time changes nothing."""
        self._reader.join(PATIENCE_S)
        self._pipe.close()

    def _read(self) -> None:
        try:
            for text in self._pipe:
                line = self._kept(text)
                with self._heard:
                    self.said.append(line)
                    self._heard.notify_all()
        finally:
            with self._heard:
                self.is_over = True
                self._heard.notify_all()


class Words(Output[str]):
    """The same where lines are kept as they are."""

    def __init__(self, pipe: IO[str] | None, who: str) -> None:
        super().__init__(pipe, who, str.rstrip)

    def until(self, pattern: str, times: int = 1) -> str:
        """Return the first line that matches, or the second, ..., once there is one; blocking."""
        return self.first(lambda line: re.search(pattern, line) is not None, pattern, times)
