"""A server under load: started by its command, asked how it is, ended. Any program that takes the dialects will do.

This file must never leave a process behind, and never look into the server but through its ports and /proc.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from streamer.bench.figures import family
from streamer.bench.place import Place
from streamer.errors import StreamerError

LOOPBACK: Final = "127.0.0.1"
_UP_WITHIN_S: Final = 90.0
_KILL: Final = getattr(signal, "SIGKILL", signal.SIGTERM)
"""On Windows, where the other ends a program at once, there is but that."""
_DOWN_WITHIN_S: Final = 5.0
_LOOK_S: Final = 0.05
STREAMER: Final = (sys.executable, "-P", "-c", "from streamer.cli import main; main()")
"""The command `streamer`, of this very installation, wherever that put it."""


class BenchError(StreamerError):
    """The load could not be measured; the message says why."""


@dataclass(frozen=True)
class Variant:
    """A server to be measured.

    In `command` and `environment` stand ``{port}``, ``{admin}``, ``{mqtt}`` (URL) and ``{folder}`` (of its own, empty)
    where the program is to be told.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    has_admin: bool = False
    """Whether it answers `/readyz` and `/metrics`; of others its loop's lag is not known."""
    publishes: bool = True
    """Whether utterances come of it; a sink has none."""


def streamer_variant(name: str = "streamer", *flags: str, **environment: str) -> Variant:
    """Return `streamer serve` as it comes, but for what a measurement must set: ports, broker, folder, limits.

    Parameters
    ----------
    name
        In the report.
    flags
        More of the command line.
    environment
        More settings, as `STREAMER_` variables.
    """
    ports = ("--port", "{port}", "--admin-port", "{admin}", "--mqtt", "{mqtt}", "--outbox", "{folder}/outbox.sqlite")
    settings = {"STREAMER_NODE": "bench", "STREAMER_SERVER_MAX_CALLS": "100000", "STREAMER_LOG_LEVEL": "warning"}
    return Variant(name, (*STREAMER, "serve", *ports, *flags), settings | environment, has_admin=True)


class Served:
    """A server that runs."""

    def __init__(
        self, variant: Variant, process: subprocess.Popen[bytes], *, port: int, admin: int, log: Path, cores: int
    ) -> None:
        self.variant = variant
        self.port = port
        self.cores = cores
        self._process = process
        self._admin = admin
        self._log = log

    @property
    def pids(self) -> list[int]:
        """Its processes."""
        return family(self._process.pid)

    def must_run(self) -> None:
        """Raise `BenchError` with its last words if it has ended."""
        code = self._process.poll()
        if code is not None:
            last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
            raise BenchError(f"{self.variant.name} ended by itself with {code}: " + " | ".join(last))

    def page(self, path: str) -> tuple[int, str]:
        """Return status and body of a page of its admin port."""
        connection = http.client.HTTPConnection(LOOPBACK, self._admin, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metrics(self) -> str:
        """Return its page of metrics, empty where it has none."""
        return self.page("/metrics")[1] if self.variant.has_admin else ""

    def _is_up(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            if self.variant.has_admin:
                return self.page("/readyz")[0] == 200
            with socket.create_connection((LOOPBACK, self.port), 1):
                return True
        return False

    def wait(self) -> None:
        """Return once it takes calls.

        Raises
        ------
        BenchError
            It ended, or did not come up.
        """
        until_s = time.monotonic() + _UP_WITHIN_S
        while not self._is_up():
            self.must_run()
            if time.monotonic() > until_s:
                raise BenchError(f"{self.variant.name} did not take calls within {_UP_WITHIN_S:g} s")
            time.sleep(_LOOK_S)


@contextmanager
def tidy() -> Iterator[None]:
    """Have SIGTERM end this process as Ctrl-C does, so that it ends what it has started; undo it at the end."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break off the tidying up
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def served(variant: Variant, mqtt_port: int, place: Place) -> Iterator[Served]:
    """Run a server on cores of its own.

    Parameters
    ----------
    variant
        Which.
    mqtt_port
        Of the broker, on loopback.
    place
        Where it runs.

    Raises
    ------
    BenchError
        It did not come up.
    """
    with tempfile.TemporaryDirectory(prefix="emotion-streamer-bench-") as folder:
        port, admin = _free_port(), _free_port()
        words = {"port": port, "admin": admin, "mqtt": f"mqtt://{LOOPBACK}:{mqtt_port}", "folder": folder}
        command = [word.format(**words) for word in variant.command]
        told = {name: value.format(**words) for name, value in variant.environment.items()}
        log = Path(folder) / "server.log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - a command of our own
                command, env={**os.environ, **told}, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
        one = Served(variant, process, port=port, admin=admin, log=log, cores=len(place.server))
        try:
            place.settle(process.pid)
            one.wait()
            yield one
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and its workers; what it still had to say is of no interest."""
    pids = family(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_DOWN_WITHIN_S)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, _KILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
