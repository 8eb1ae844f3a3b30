"""Run what the guides say: commands to their end or in the background, examples in a folder with a recording.

Nothing here may wait for an amount of time: it waits for a line, for an end, or until a broken test is given up.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path

STREAMER = Path(sys.executable).with_name("streamer")
PATIENCE_S = 60
"""Only how long a broken test hangs; no test passes or fails by it."""


def environment(**variables: str) -> dict[str, str]:
    """Return the environment without anything that configures server or client."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STREAMER_", "EMOTION_"))}
    return kept | {"NO_COLOR": "1"} | variables


def arguments(line: str, *more: str) -> list[str]:
    """Return a guide's command line as the arguments of a process, with more at its end."""
    program, *rest = shlex.split(line, comments=True)
    assert program == "streamer", line
    return [str(STREAMER), *rest, *more]


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class Background:
    """A command that runs until it is closed, and what it has said so far."""

    def __init__(self, command: list[str], folder: Path, **variables: str) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._heard = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, pattern: str) -> str:
        """Return the first line that matches, once there is one."""

        def found() -> str | None:
            return next((line for line in self.said if re.search(pattern, line)), None)

        with self._heard:
            self._heard.wait_for(lambda: found() or not self._reader.is_alive(), PATIENCE_S)
            line = found()
            assert line is not None, f"never said {pattern!r}: {self.said}"
            return line

    def close(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._heard:
                self.said.append(line.rstrip("\n"))
                self._heard.notify_all()
        with self._heard:
            self._heard.notify_all()
