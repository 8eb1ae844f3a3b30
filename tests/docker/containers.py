"""Run a container's process without a container engine, as the engine would: same user, paths, files and rights.

Linux has in itself what an engine uses. Each process gets a root of its own, read-only but for what is mounted into it,
the user and no capability, no way to get one, and its variables and nothing else of ours. All of them share a network
namespace of their own, so that they listen on their real ports and find each other under their real names. What is not
there: images; programs come from this machine.

Nothing here may listen on, or change, anything of the machine itself.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docker.reading import ROOT
from tests.processes import PATIENCE_S, Words

BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
"""`PATH` in the base images."""


class Mount(NamedTuple):
    """A file or folder inside the container."""

    source: Path
    target: str
    writable: bool = False


class Process(NamedTuple):
    """What is to run: all that an engine would be told of a container."""

    name: str
    """What the others find it under."""
    command: Sequence[str]
    user: int
    """User and group, as a number."""
    variables: Mapping[str, str]
    mounts: Sequence[Mount]
    folder: str = "/"


class Machine:
    """A network of its own, and the processes in it.

    Parameters
    ----------
    folder
        For files of the machine's own.
    names
        Everything that is found under a name, besides localhost.
    program
        What stands at /opt/streamer; the environment of the tests if not given.
    """

    def __init__(self, folder: Path, names: Sequence[str], program: Path = Path(sys.prefix)) -> None:
        _needs("unshare", "util-linux"), _needs("ip", "iproute2"), _needs("bwrap", "bubblewrap")
        if os.geteuid() != 0:
            pytest.skip("needs root, for users and a network of its own")
        self._program = program
        self._hosts = folder / "hosts"
        self._hosts.write_text(f"127.0.0.1 localhost {' '.join(names)}\n", encoding="ascii")
        self._hosts.chmod(0o444)
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "up\n":
            _, why = self._holder.communicate()
            pytest.skip(f"cannot make a network namespace: {why}")
        self._running: list[Running] = []

    def start(self, process: Process) -> Running:
        """Start it; returns at once."""
        running = Running(process, self._argv(process))
        self._running.append(running)
        return running

    def run(self, process: Process, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self._argv(process), input=given, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    def close(self) -> None:
        """End everything, whatever it is doing."""
        for running in self._running:
            running.kill()
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.wait(PATIENCE_S)
        for stream in (self._holder.stdout, self._holder.stderr):
            assert stream is not None
            stream.close()

    def _argv(self, process: Process) -> list[str]:
        inside = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "bwrap", "--as-pid-1", "--die-with-parent"]
        inside += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", process.name]
        inside += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108 - its own
        inside += ["--perms", "1777", "--tmpfs", "/dev/shm", "--tmpfs", "/etc"]  # noqa: S108 - its own
        inside += ["--ro-bind", "/usr", "/usr"]
        for name in ("bin", "sbin", "lib", "lib64"):
            inside += ["--symlink", f"usr/{name}", f"/{name}"]
        inside += ["--ro-bind", str(self._hosts), "/etc/hosts"]
        for name in ("ssl", "alternatives", "ld.so.cache", "mime.types"):
            inside += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        # The program, and what an environment has outside of itself: its interpreter, and our sources.
        own = [Mount(Path(path), str(path)) for path in (sys.base_prefix, ROOT, sys.prefix)]
        for mount in (Mount(self._program, "/opt/streamer"), *own, *process.mounts):
            for parent in reversed(Path(mount.target).parents[:-1]):
                inside += ["--dir", str(parent)]  # those that bwrap makes by itself are closed to others
            inside += ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target]
        inside += ["--remount-ro", "/etc", "--remount-ro", "/", "--clearenv", "--chdir", process.folder]
        for name, value in process.variables.items():
            inside += ["--setenv", name, value]
        # Only to put on the user: setpriv takes every right away again, for good.
        return [*inside, "--cap-add", "ALL", *unprivileged(process.user), *process.command]


class Running:
    """A process that runs until it ends or is stopped, and what it has said so far."""

    def __init__(self, process: Process, argv: Sequence[str]) -> None:
        self.process = process
        told, say = os.pipe()
        at = argv.index("bwrap") + 1
        self._outer = subprocess.Popen(
            [*argv[:at], "--info-fd", str(say), *argv[at:]],
            pass_fds=(say,),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.close(say)
        with os.fdopen(told) as info:  # not to its end: the process inside holds the other end, too
            text = ""
            while not text.endswith("}\n") and (line := info.readline()):
                text += line
        assert text, f"bwrap cannot begin: {self._outer.communicate()}"
        self.pid: int = json.loads(text)["child-pid"]
        self._output = Words(self._outer.stdout, process.name)
        self.said = self._output.said

    def until(self, pattern: str) -> str:
        """Return the first line that matches, once there is one."""
        return self._output.until(pattern)

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command inside of it to its end, as health checks are: its files, user and variables."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--ipc", "--uts"]
        variables = [f"{name}={value}" for name, value in self.process.variables.items()]
        inside = [*enter, *unprivileged(self.process.user), "env", "-i", "-C", self.process.folder, *variables]
        return subprocess.run([*inside, *command], capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    def until_healthy(self, check: Sequence[str]) -> None:
        """Return once its health check says so."""
        self.until_answer(check, lambda _: True)

    def until_answer(self, command: Sequence[str], fits: Callable[[str], bool]) -> str:
        """Return what a command inside of it prints once it ends well and that fits; asks again and again."""
        end = time.monotonic() + PATIENCE_S
        while (asked := self.run(command)).returncode != 0 or not fits(asked.stdout):
            assert not self._output.is_over, f"{self.process.name} has ended: {self.said}"
            assert time.monotonic() < end, f"{self.process.name}: {asked.stderr}, {asked.stdout}, {self.said}"
        return asked.stdout

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it as an engine does; return its exit code once it has ended."""
        os.kill(self.pid, number)
        code = self._outer.wait(PATIENCE_S)
        self._output.close()
        return code

    def kill(self) -> None:
        """End it, whatever it is doing."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._outer.wait(PATIENCE_S)
        self._output.close()


def unprivileged(user: int) -> list[str]:
    """Return what starts a command as that user, with no capability and no way to get one."""
    # Ends with what started it: a change of user takes away what bwrap had arranged for that.
    who = ["setpriv", "--pdeathsig=KILL", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return [*who, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


def _needs(name: str, package: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"needs the program {name} (Debian: apt-get install {package})")
