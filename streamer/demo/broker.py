"""An MQTT broker for as long as the demo runs: Mosquitto where it is installed, the embedded rumqttd elsewhere.

For the demo and for trying things out only: it keeps nothing on disk and listens on loopback alone.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from iotcore import Broker as RumqttdProcess

from streamer.errors import StreamerError

USUAL_PORT = 1883
STARTS_WITHIN_S = 10.0

_RUMQTTD = """\
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10
[v5.1]
name = "demo"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 100
dynamic_filters = true
"""


class BrokerError(StreamerError):
    """The demo's broker did not come up."""


class RunningBroker(msgspec.Struct, frozen=True):
    """Where it listens, and what it is."""

    url: str
    software: str


@contextmanager
def running_broker() -> Iterator[RunningBroker]:
    """Run a broker on loopback, on the usual port if that is free.

    Raises
    ------
    BrokerError
        It did not come up.
    """
    port = free_port(USUAL_PORT)
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    with tempfile.TemporaryDirectory(prefix="emotion-streamer-") as folder:
        if program:
            with _mosquitto(program, port, Path(folder)):
                yield RunningBroker(f"mqtt://127.0.0.1:{port}", "Mosquitto")
        else:
            with _rumqttd(port, Path(folder)):
                yield RunningBroker(f"mqtt://127.0.0.1:{port}", "rumqttd (embedded)")


def free_port(preferred: int) -> int:
    """Return the preferred TCP port if nothing listens there on loopback, else one that the system chooses."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise BrokerError("no free TCP port on 127.0.0.1")


@contextmanager
def _mosquitto(program: str, port: int, folder: Path) -> Iterator[None]:
    configuration = folder / "mosquitto.conf"
    lines = f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"
    configuration.write_text(lines, encoding="utf-8")
    process = subprocess.Popen(  # noqa: S603 - found on PATH, started with our own file
        [program, "-c", str(configuration)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C goes to the demo, which stops the broker last
    )
    try:
        _wait_for(port, process)
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _rumqttd(port: int, folder: Path) -> Iterator[None]:
    configuration = folder / "rumqttd.toml"
    configuration.write_text(_RUMQTTD.format(port=port), encoding="utf-8")
    broker = RumqttdProcess(config_path=str(configuration))
    try:
        broker.start(STARTS_WITHIN_S)
    except (OSError, RuntimeError) as problem:
        raise BrokerError(f"the embedded broker did not come up on port {port}: {problem}") from problem
    try:
        yield
    finally:
        broker.stop()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until_s:
        if process.poll() is not None:
            raise BrokerError(f"Mosquitto ended at once with code {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise BrokerError(f"Mosquitto did not listen on port {port} within {STARTS_WITHIN_S:g} s")
