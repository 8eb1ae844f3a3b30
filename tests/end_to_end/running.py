"""The program under test as an operator runs it: a process, its log, its health port, its end.

Nothing here may import the server: it is started by its command and seen only from outside.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.processes import PATIENCE_S, Output

STREAMER = Path(sys.executable).with_name("streamer")

Line = dict[str, Any]


def environment(**more: str) -> dict[str, str]:
    """Return the environment without anything that configures the server or the client."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STREAMER_", "EMOTION_"))}
    return kept | {"NO_COLOR": "1"} | more


def streamer(*arguments: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [STREAMER, *map(str, arguments)],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class Node:
    """`streamer serve` in a process of its own, on ports that the system chooses, with the log as JSON.

    Parameters
    ----------
    folder
        Its working folder; configuration and outbox lie there.
    mqtt
        The broker's URL.
    config
        Text of a configuration file.
    flags
        More of the command line.
    name
        What it is called; two of one name put each other out at the broker.
    variables
        More of the environment.
    """

    def __init__(
        self,
        folder: Path,
        mqtt: str,
        *,
        config: str = "",
        flags: tuple[str, ...] = (),
        name: str = "node-1",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        (folder / "streamer.toml").write_text(config, encoding="utf-8")
        command = ["serve", "--config", "streamer.toml", "--port", "0", "--admin-port", "0", "--mqtt", mqtt, *flags]
        self._process = subprocess.Popen(
            [STREAMER, *command],
            cwd=folder,
            env=environment(STREAMER_NODE=name, STREAMER_LOG_FORMAT="json", **(variables or {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # what is said there is no less public
            text=True,
        )
        self._output = Output(self._process.stdout, name, _parsed)
        self.log = self._output.said
        self.port = self.admin_port = 0

    @property
    def url(self) -> str:
        """Where native clients go."""
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    @property
    def twilio_url(self) -> str:
        """Where Twilio goes."""
        return f"ws://127.0.0.1:{self.port}/twilio"

    @property
    def pid(self) -> int:
        """The process that was started; of a node of several workers, their supervisor."""
        return self._process.pid

    @property
    def open_files(self) -> int:
        """How many files and sockets the process holds open."""
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    async def listening(self) -> Node:
        """Return once it takes calls."""
        line = await self.logged("listening")
        self.port = urlsplit(line["url"]).port or 0
        self.admin_port = urlsplit(line["admin"]).port or 0
        return self

    async def connected(self) -> Node:
        """Return once it has the broker."""
        await self.logged("connected to the broker")
        return self

    async def logged(self, event: str, fits: Callable[[Line], bool] = lambda _: True) -> Line:
        """Return the first log line whose event begins so and that fits, once there is one."""

        def is_it(line: Line) -> bool:
            return line["event"].startswith(event) and fits(line)

        return await asyncio.to_thread(self._output.first, is_it, event)

    def text(self) -> str:
        """Return the whole log."""
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in self.log)

    async def get(self, path: str) -> tuple[int, str]:
        """Return status and body of a page of the admin port."""

        def ask() -> tuple[int, str]:
            connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE_S)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            finally:
                connection.close()

        return await asyncio.to_thread(ask)

    def terminate(self) -> None:
        """SIGTERM, as a service manager does."""
        self._process.send_signal(signal.SIGTERM)

    async def kill(self) -> None:
        """Kill with SIGKILL; return when it is gone."""
        self._process.kill()
        await self.ended()

    async def ended(self) -> int:
        """Return the exit code once it has ended by itself."""
        return await asyncio.to_thread(self._end)

    def close(self) -> None:
        """End it, whatever it is doing, and its workers, which outlive their supervisor as long as they have calls."""
        self._process.kill()
        for line in list(self.log):
            if line["event"] == "worker started":
                with suppress(ProcessLookupError):
                    os.kill(line["pid"], signal.SIGKILL)
        self._end()

    def _end(self) -> int:
        code = self._process.wait(PATIENCE_S)
        self._output.close()
        return code


def _parsed(text: str) -> Line:
    """Return a log line; what is no JSON (a crash, a library) is kept as its event."""
    try:
        line: Line = json.loads(text)
    except json.JSONDecodeError:
        return {"event": text.rstrip(), "level": "error"}
    return line
