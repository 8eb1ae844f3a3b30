"""The programs under test as an operator runs them: a Mosquitto and a node, as processes that can be killed.

They are started by their commands and seen only from outside: ports, log file, /proc. This file must never leave a
process behind: what is started here dies with the experiment, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from streamer.bench.figures import Figures, cpu_s, quantile, read_figures, resident_bytes, total
from streamer.bench.report import machine

__all__ = [  # what is read of a program from outside is the product's own: `streamer bench` needs it, too
    "Broker",
    "Figures",
    "Node",
    "Program",
    "ProgramError",
    "command_line",
    "cpu_s",
    "found",
    "free_port",
    "machine",
    "on_core",
    "open_files",
    "quantile",
    "read_figures",
    "resident_bytes",
    "total",
    "until",
]

LOOPBACK: Final = "127.0.0.1"
PATIENCE_S: Final = 90.0
"""Only how long a broken experiment hangs."""
_LOOK_S: Final = 0.05
_SYSTEM_FOLDERS: Final = ("/usr/sbin", "/sbin")


class ProgramError(Exception):
    """A program is missing or did not do what it was started for; the message says what, and its last words."""


def free_port() -> int:
    """Return a TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def found(name: str) -> str:
    """Return the path of a program.

    Raises
    ------
    ProgramError
        It is not installed.
    """
    path = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM_FOLDERS)))
    if path is None:
        raise ProgramError(
            f"needs the program {name}; Debian: apt-get install haproxy mosquitto iproute2 iptables util-linux"
        )
    return path


def on_core(core: int | None) -> list[str]:
    """Return what stands before a command that shall run on one core alone; nothing for None."""
    return [] if core is None else [found("taskset"), "-c", str(core)]


def command_line(module: str, arguments: Sequence[str]) -> str:
    """Return how an experiment was run, without where it put its files: that is nobody's business."""
    words = ["python", "-m", module]
    rest = iter(arguments)
    for word in rest:
        if word in {"--folder", "--result", "--read"}:
            next(rest, None)
        elif not word.startswith(("--folder=", "--result=", "--read=")):
            words.append(word)
    return " ".join(words)


async def until(true: Callable[[], Awaitable[bool]], what: str, *, timeout_s: float = PATIENCE_S) -> None:
    """Return once something is true.

    Raises
    ------
    ProgramError
        It did not become so in time.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while not await true():  # noqa: ASYNC110 - another process sets no event of ours
                await asyncio.sleep(_LOOK_S)
    except TimeoutError as problem:
        raise ProgramError(f"waited {timeout_s:g} s in vain until {what}") from problem


class Program:
    """A process that is started, killed and started again; all its lives write one log.

    Parameters
    ----------
    command
        What is run.
    log
        Its log; its folder is where it runs.
    environment
        Its environment; that of this process if not given.
    """

    def __init__(self, command: Sequence[str | Path], log: Path, environment: dict[str, str] | None = None) -> None:
        # The kernel ends it when the experiment itself is killed, for which no `finally` can do anything.
        setpriv = shutil.which("setpriv")
        self._command = [*([setpriv, "--pdeathsig", "KILL"] if setpriv else []), *command]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self.log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def spawn(self) -> None:
        """Start the process; returns at once."""
        assert not self.is_running, "runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.log.parent, env=self._environment, stdout=subprocess.DEVNULL, stderr=log
            )

    def terminate(self) -> None:
        """SIGTERM, as a service manager does."""
        assert self._process is not None, "not started"
        self._process.send_signal(signal.SIGTERM)

    async def kill(self) -> None:
        """Kill with SIGKILL; returns when it is gone."""
        assert self._process is not None, "not started"
        self._process.kill()
        await self.ended()

    async def ended(self, timeout_s: float = PATIENCE_S) -> int:
        """Return the exit code once it has ended."""
        assert self._process is not None, "not started"
        return await asyncio.to_thread(self._process.wait, timeout_s)

    def close(self) -> None:
        """End it, whatever it is doing; not started is fine."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)

    def must_run(self) -> None:
        """Raise `ProgramError` with its last words if it has ended."""
        if not self.is_running:
            last = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:]
            raise ProgramError("\n".join([f"{Path(self._command[-1]).name} ended by itself:", *last]))


class Broker(Program):
    """A Mosquitto.

    Parameters
    ----------
    folder
        Where its files lie.
    host, port
        Where it can be reached from here.
    address
        Where it listens.
    before
        What stands before its command: a network namespace, a core.
    safe
        Whether its own death may cost as little as it can be made to: a file on disk that it writes after each change.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str = LOOPBACK,
        port: int,
        address: str = LOOPBACK,
        before: Sequence[str] = (),
        safe: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "mosquitto.conf"
        lines = [
            f"listener {port} {address}",
            "allow_anonymous true",
            "user root",
            "log_dest stderr",
            "log_timestamp_format %H:%M:%S",
            f"log_type {'all' if safe else 'error'}",
            "max_queued_messages 0",
            "max_inflight_messages 0",
            "set_tcp_nodelay true",
        ]
        if safe:
            lines += [
                "persistence true",
                f"persistence_location {folder}/",
                "autosave_on_changes true",
                "autosave_interval 1",
            ]
        config.write_text("\n".join([*lines, ""]), encoding="utf-8")
        super().__init__([*before, found("mosquitto"), "-c", str(config)], folder / "mosquitto.log")
        self._host = host
        self._port = port

    async def start(self) -> None:
        """Start; returns when it takes connections."""
        self.spawn()
        await until(self._answers, "the broker took connections")

    async def _answers(self) -> bool:
        self.must_run()
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(self._host, self._port)
            writer.close()
            return True
        return False


class Node(Program):
    """A `streamer serve`, on the same ports in all its lives.

    Parameters
    ----------
    folder
        Where configuration, log and outbox lie.
    mqtt
        The broker's URL.
    config
        Text of its configuration file.
    before
        What stands before its command.
    host
        Where it listens and can be reached from here.
    name
        What it is called.
    """

    def __init__(
        self,
        folder: Path,
        mqtt: str,
        *,
        config: str = "",
        before: Sequence[str] = (),
        host: str = LOOPBACK,
        name: str = "node-1",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "streamer.toml").write_text(config, encoding="utf-8")
        self.folder = folder
        self.host = host
        self.name = name
        self.port, self.admin_port = free_port(), free_port()
        ports = ["--host", host, "--port", str(self.port), "--admin-port", str(self.admin_port)]
        streamer = Path(sys.executable).with_name("streamer")
        command: list[str | Path] = [*before, streamer, "serve", "--config", "streamer.toml", "--mqtt", mqtt, *ports]
        own = {name: value for name, value in os.environ.items() if not name.startswith(("STREAMER_", "EMOTION_"))}
        environment = own | {"STREAMER_NODE": name, "STREAMER_LOG_FORMAT": "json", "NO_COLOR": "1"}
        super().__init__(command, folder / "node.log", environment)

    @property
    def url(self) -> str:
        """Where calls go; the dialect's path comes behind it."""
        return f"ws://{self.host}:{self.port}"

    async def start(self) -> None:
        """Start; returns when it takes calls."""
        self.spawn()
        await until(self._is_ready, "the node took calls")

    async def _is_ready(self) -> bool:
        self.must_run()
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _ = await self.get("/readyz")
            return status == 200
        return False

    async def get(self, path: str) -> tuple[int, str]:
        """Return status and body of a page of the admin port."""

        def ask() -> tuple[int, str]:
            connection = http.client.HTTPConnection(self.host, self.admin_port, timeout=PATIENCE_S)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            finally:
                connection.close()

        return await asyncio.to_thread(ask)

    async def figures(self) -> Figures:
        """Return what /metrics shows now."""
        return read_figures((await self.get("/metrics"))[1])

    def logged(self, level: str) -> Counter[str]:
        """Return how often each line of a level stands in the log."""
        lines = map(_parsed, self.log.read_text(encoding="utf-8", errors="replace").splitlines())
        return Counter(str(line["event"]) for line in lines if line.get("level") == level)

    def last_logged(self, event: str) -> dict[str, Any]:
        """Return the last line of the log with this event.

        Raises
        ------
        ProgramError
            There is none.
        """
        lines = map(_parsed, self.log.read_text(encoding="utf-8", errors="replace").splitlines())
        found_lines = [line for line in lines if line["event"] == event]
        if not found_lines:
            raise ProgramError(f"{self.name} never logged {event!r}")
        return found_lines[-1]


def _parsed(text: str) -> dict[str, Any]:
    """Return a log line; what is no JSON (a crash) is an error of its own."""
    try:
        line = json.loads(text)
    except json.JSONDecodeError:
        line = None
    return line if isinstance(line, dict) and "event" in line else {"event": text, "level": "error"}


def open_files(pid: int) -> int:
    """Return how many files and sockets a process holds open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
