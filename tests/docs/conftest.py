"""What the tests of the guides share: a broker, free ports, a folder as the guides assume it, commands that run."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile
from streamer_client import g711

from tests.conftest import Broker, MakeBroker
from tests.docs.reading import ROOT
from tests.docs.running import Background, arguments


@pytest.fixture
def broker(mosquitto_with: MakeBroker) -> Broker:
    """A Mosquitto of the test's own."""
    return mosquitto_with()


@pytest.fixture
def ports() -> tuple[int, int]:
    """Two TCP ports that were free a moment ago: WebSocket, admin."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


@pytest.fixture
def here(broker: Broker, ports: tuple[int, int]) -> Callable[[str], str]:
    """Put this test's own ports in the place of the usual ones."""
    own = {"1883": broker.port, "8765": ports[0], "9464": ports[1]}
    return lambda text: re.sub(r"\b(1883|8765|9464)\b", lambda found: str(own[found[0]]), text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a call, as WAV and as mu-law bytes of both parties in turn, and the folder `streamer`."""
    samples, rate_hz = soundfile.read(ROOT / "streamer/demo/call.flac", dtype="int16")
    soundfile.write(tmp_path / "call.wav", samples, rate_hz)
    (tmp_path / "call.ulaw").write_bytes(g711.encode_mulaw(samples.reshape(-1)))
    (tmp_path / "streamer").symlink_to(ROOT / "streamer")
    return tmp_path


Start = Callable[..., Background]


@pytest.fixture
def start(folder: Path, broker: Broker) -> Iterator[Start]:
    """Start a guide's command in the background: `start("streamer serve", "--port", "0")`."""
    running: list[Background] = []

    def begin(line: str, *more: str) -> Background:
        running.append(Background(arguments(line, *more), folder, STREAMER_MQTT_URL=broker.url))
        return running[-1]

    yield begin
    for one in reversed(running):
        one.close()


@pytest.fixture
def serving(start: Start, ports: tuple[int, int]) -> Callable[[], Background]:
    """Start a server on this test's ports, with the `streamer.toml` of the folder if there is one."""

    def begin() -> Background:
        server = start("streamer serve", "--port", str(ports[0]), "--admin-port", str(ports[1]))
        server.until("listening")
        return server

    return begin
