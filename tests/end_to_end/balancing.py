"""A real HAProxy with the shipped configuration, on ports and in front of nodes of a test's own.

The file that ships is the file that is tested (`benchmarks/balancer.py`). Nothing here may know the server but by its
ports.
"""

from __future__ import annotations

import csv
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.balancer import Behind, configured
from tests.certificates import Pair
from tests.conftest import program
from tests.end_to_end.running import Node
from tests.processes import PATIENCE_S, Words


def behind(node: Node, audiosocket_port: int = 9) -> Behind:
    """Return where a node listens."""
    return Behind(node.port, node.admin_port, audiosocket_port)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody uses now, each another one."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Balancer:
    """`haproxy -W` with the shipped configuration.

    Parameters
    ----------
    folder
        Its files; empty.
    nodes
        What it stands in front of.
    pair
        Its certificate.
    changes
        Lines of the configuration to others; each must be in it.
    """

    def __init__(
        self, folder: Path, nodes: Sequence[Behind], pair: Pair, changes: dict[str, str] | None = None
    ) -> None:
        self.port, self.audiosocket_port, self.figures_port, peer = free_ports(4)
        self._control, self._master = folder / "admin.sock", folder / "master.sock"
        self._config = folder / "haproxy.cfg"
        (folder / "front.pem").write_bytes(pair.cert.read_bytes() + pair.key.read_bytes())
        own = {
            "bind :443 ssl crt /etc/haproxy/certs/": f"bind 127.0.0.1:{self.port} ssl crt {folder / 'front.pem'}",
            "bind :8766": f"bind 127.0.0.1:{self.audiosocket_port}",
            "bind 127.0.0.1:8405": f"bind 127.0.0.1:{self.figures_port}",
            "peer lb-1 127.0.0.1:10001": f"peer lb-1 127.0.0.1:{peer}",
            "/run/haproxy/admin.sock": str(self._control),
            "    user haproxy\n    group haproxy\n": "",  # of whoever runs the tests
        }
        self._config.write_text(configured(nodes, own | (changes or {})), encoding="utf-8")
        self._process = subprocess.Popen(
            [program("haproxy"), "-W", "-S", str(self._master), "-f", str(self._config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._output = Words(self._process.stdout, "haproxy")
        self.log = self._output.said
        try:
            self.logged("Loading success")
        except AssertionError:
            self.close()
            raise
        context = ssl.create_default_context(cafile=str(pair.cert))
        context.check_hostname = False
        self.context = context

    def url(self, path: str = "/v1/stream") -> str:
        """Where platforms go."""
        return f"wss://127.0.0.1:{self.port}{path}"

    def logged(self, pattern: str, times: int = 1) -> None:
        """Return once it has logged so many lines that match; blocking."""
        self._output.until(pattern, times)

    def says(self, command: str) -> str:
        """Return its answer to a command of its control socket."""
        return _answer(self._control, command)

    def status(self, server: str, backend: str = "calls") -> str:
        """Return what it thinks of a node: `UP`, `NOLB` (drains or is full), `DOWN`."""
        rows = csv.DictReader(self.says("show stat").removeprefix("# ").splitlines())
        return next(row["status"] for row in rows if (row["pxname"], row["svname"]) == (backend, server))

    def reload(self) -> None:
        """Have a new process take over, as `systemctl reload haproxy` does; returns when it has."""
        self._await_master()
        before = sum("Loading success" in line for line in self.log)
        self._process.send_signal(signal.SIGUSR2)
        self.logged("Loading success", before + 1)

    def _await_master(self) -> None:
        """Return once the master answers: while it executes itself anew, a signal would be missed."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                _answer(self._master, "show proc")
            except (ConnectionError, FileNotFoundError):
                assert time.monotonic() < until_s, f"the master never answered: {self.log}"
                time.sleep(0.01)
            else:
                return

    def close(self) -> None:
        """End it and its workers, calls or not."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._output.close()


def _answer(place: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(PATIENCE_S)
        control.connect(str(place))
        control.sendall(f"{command}\n".encode())
        control.shutdown(socket.SHUT_WR)  # or the master would wait for more
        return b"".join(iter(lambda: control.recv(65536), b"")).decode()
