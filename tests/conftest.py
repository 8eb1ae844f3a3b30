"""What tests of several folders share: a real Mosquitto broker, and a subscriber that collects what it hears.

Fixtures here must never wait for an amount of time: they wait for things.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt
import hypothesis
import pytest
import structlog

from tests.processes import Words

if TYPE_CHECKING:
    from streamer.emotion.model import EmotionModel

hypothesis.settings.register_profile("product", deadline=None)  # no test passes or fails by a clock
hypothesis.settings.load_profile("product")

_READY = " running"
_PATIENCE_S = 20
"""Only how long a broken test hangs; no test passes or fails by it."""


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # Started in the background of a shell, this process ignores Ctrl-C, and so would the commands that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _fails_on_skip() -> bool:
    return os.environ.get("FAIL_ON_SKIP") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let FAIL_ON_SKIP=1 turn a skipped test into a failed one, for machines that should have everything."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _fails_on_skip():
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and FAIL_ON_SKIP=1 forbids it: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """As above, for whole files that skip themselves."""
    report = yield
    if report.skipped and _fails_on_skip():
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, and FAIL_ON_SKIP=1 forbids it: {report.longrepr}"
    return report


def program(name: str) -> str:
    """Return the path of a program, or skip the test with the reason."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))
    if found is None:
        pytest.skip(f"needs the program {name} (Debian: apt-get install mosquitto mosquitto-clients)")
    return found


class Broker:
    """A Mosquitto of the test's own on a free port of 127.0.0.1."""

    def __init__(self, executable: str, folder: Path, lines: tuple[str, ...], *, persistent: bool) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._executable = executable
        self._config = folder / "mosquitto.conf"
        own = [
            f"listener {self.port} 127.0.0.1",
            "log_dest stderr",
            "log_type all",
            "user root",
            f"persistence {str(persistent).lower()}",
            f"persistence_location {folder}/",
            "max_queued_messages 0",
        ]
        if not any(line.startswith("allow_anonymous") for line in lines):
            own.append("allow_anonymous true")
        self._config.write_text("\n".join([*own, *lines, ""]), encoding="utf-8")
        self._process: subprocess.Popen[str] | None = None
        self._output: Words | None = None

    def start(self) -> None:
        """Start, on the same port every time; returns when it listens."""
        assert self._process is None, "the broker runs already"
        self._process = subprocess.Popen(
            [self._executable, "-c", str(self._config)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self._output = Words(self._process.stderr, "mosquitto")
        self.wait_logged(_READY)
        # It says so a moment before it can be stopped: a signal that comes in between is forgotten.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.wait_logged("New connection|Client connection")

    def stop(self) -> None:
        """Stop as an operator would; returns when it is gone (a persistent one has written its file)."""
        if self._process is None:
            return
        assert self._output is not None
        self._process.terminate()
        self._process.wait(_PATIENCE_S)
        self._output.close()
        self._process = None

    def reload(self) -> None:
        """Have the broker read its files of rights and passwords again; returns when it has begun to."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)
        self.wait_logged("Reloading config")

    def wait_logged(self, pattern: str) -> None:
        """Return once the broker has logged a line that matches, since it was last started; blocking."""
        assert self._output is not None, "the broker was never started"
        self._output.until(pattern)


MakeBroker = Callable[..., Broker]


@pytest.fixture
def mosquitto_with(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeBroker]:
    """Make brokers: `mosquitto_with("max_packet_size 2000", persistent=True)`; each one runs when it is returned."""
    brokers: list[Broker] = []

    def make(*lines: str, persistent: bool = False) -> Broker:
        broker = Broker(program("mosquitto"), tmp_path_factory.mktemp("mosquitto"), lines, persistent=persistent)
        brokers.append(broker)
        broker.start()
        return broker

    yield make
    for broker in brokers:
        broker.stop()


@pytest.fixture
def mosquitto(mosquitto_with: MakeBroker) -> Broker:
    """A running broker that takes everybody and remembers sessions when it is stopped and started."""
    return mosquitto_with(persistent=True)


class Collector:
    """What a plain subscriber heard, in order."""

    def __init__(self) -> None:
        self.messages: list[aiomqtt.Message] = []
        self._changed = asyncio.Event()

    def payloads(self) -> list[bytes]:
        """Return the payloads heard so far."""
        return [bytes(message.payload) for message in self.messages]

    def hear(self, message: aiomqtt.Message) -> None:
        """Take a message in."""
        self.messages.append(message)
        self._changed.set()

    async def until(self, enough: Callable[[list[aiomqtt.Message]], bool]) -> list[aiomqtt.Message]:
        """Return what was heard once it is enough."""
        async with asyncio.timeout(_PATIENCE_S):
            while not enough(self.messages):
                self._changed.clear()
                await self._changed.wait()
        return self.messages

    async def count(self, least: int) -> list[aiomqtt.Message]:
        """Return what was heard once it is so many messages."""
        return await self.until(lambda messages: len(messages) >= least)


@asynccontextmanager
async def collect(broker: Broker, *filters: str, version: str = "5") -> AsyncIterator[Collector]:
    """Subscribe with QoS 1 and collect; comes back, with its session, to a broker that was stopped and started."""
    collector = Collector()
    subscribed = asyncio.Event()
    session = f"collector-{uuid.uuid4().hex}"

    def client() -> aiomqtt.Client:
        # 3.1.1 suffices for a session that outlives the connection, and for all but the properties.
        if version == "3.1.1":
            return aiomqtt.Client("127.0.0.1", broker.port, identifier=session, clean_session=False)
        return aiomqtt.Client(
            "127.0.0.1",
            broker.port,
            identifier=session,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=_session_expiry(),
        )

    async def listen() -> None:
        while True:
            try:
                async with client() as connection:
                    if not subscribed.is_set():
                        for topic in filters:
                            await connection.subscribe(topic, qos=1)
                        subscribed.set()
                    async for message in connection.messages:
                        collector.hear(message)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.02)  # the broker is down: a test stopped it

    task = asyncio.create_task(listen(), name="collector")
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await subscribed.wait()
        yield collector
    finally:
        task.cancel()
        await asyncio.wait([task])


def _session_expiry() -> aiomqtt.client.Properties:
    properties = aiomqtt.client.Properties(1)  # packet type 1: CONNECT
    properties.SessionExpiryInterval = 3600
    return properties


@pytest.fixture
def collecting() -> Callable[..., object]:
    """The helper :func:`collect`, for tests that cannot import it: `async with collecting(broker, "#") as heard`."""
    return collect


@pytest.fixture
def find_program() -> Callable[[str], str]:
    """The helper :func:`program`: the path of a program that a test needs, or a skip."""
    return program


@pytest.fixture(autouse=True)
def _fresh_structlog() -> Iterator[None]:
    """Undo what a test configured of the log."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def model() -> EmotionModel:
    """The default model; it keeps nothing of what it judges."""
    from streamer.emotion.model import load, locate  # noqa: PLC0415 - the client's tests pay for no model

    return load(locate("telephone"))


@pytest.fixture
async def services(model: EmotionModel, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Make what a session is served with: `await services(max_calls=1, limits__shed_lag_ms=100)`."""
    from tests.streams import served  # noqa: PLC0415 - as above

    async with served(model, tmp_path) as make:
        yield make
