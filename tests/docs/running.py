"""Run what the guides say: commands to their end or in the background, examples in a folder with a recording.

Nothing here may wait for an amount of time: it waits for a line, for an end, or until a broken test is given up.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.processes import PATIENCE_S, Words

STREAMER = Path(sys.executable).with_name("streamer")


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
        self._output = Words(self._process.stdout, " ".join(command))
        self.said = self._output.said

    def until(self, pattern: str) -> str:
        """Return the first line that matches, once there is one."""
        return self._output.until(pattern)

    def close(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait(PATIENCE_S)
        self._output.close()
