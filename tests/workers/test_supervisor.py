"""The supervisor, with workers that have no model: it starts, counts, replaces, renews and goes down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streamer.bus.orphans import orphans_of
from streamer.bus.outbox import Outbox
from streamer.config import ConfigError, Settings, load
from streamer.metrics import Metrics
from streamer.service import ServeError
from streamer.workers import desk, process, supervisor
from streamer.workers.files import places_beside
from streamer.workers.supervisor import Supervisor, SupervisorError, said

STAND_IN = str(Path(__file__).with_name("stand_in.py"))
PATIENCE_S = 180
"""Only how long a broken test hangs; no test passes or fails by it."""
Logs = list[dict[str, Any]]


class Running:
    """A supervisor in this process, and its log."""

    def __init__(self, node: Supervisor, logs: Logs) -> None:
        self.node = node
        self.logs = logs
        self.task = asyncio.create_task(node.run())

    async def logged(self, event: str, least: int = 1) -> dict[str, Any]:
        """Return the last line of those that begin so, once there are so many."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := [line for line in self.logs if line["event"].startswith(event)]) < least:
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.01)
        return found[-1]

    async def tell(self, word: str) -> str:
        """Say a word to the worker that gets the next connection; return what it answers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.node.ports["calls"])
        writer.write(word.encode())
        try:
            return (await reader.read()).decode()
        except ConnectionResetError:
            return ""
        finally:
            writer.close()

    async def hang(self) -> asyncio.StreamWriter:
        """Have the worker that gets the next connection hang; return once it does."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.node.ports["calls"])
        writer.write(b"hang")
        assert await reader.readexactly(7) == b"hanging"
        return writer

    async def workers(self, count: int) -> set[int]:
        """Return the numbers of the workers that take connections, once there are so many and all answer."""
        found: set[int] = set()
        await self.logged("worker started")
        async with asyncio.timeout(PATIENCE_S):
            while len(found) != count:
                words = await asyncio.gather(*(self.tell("who") for _ in range(4 * count)))
                found = {int(word.split()[0]) for word in words if word}
        return found

    async def admin(self, path: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.node.ports["admin"])
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        return f"{head.split()[1]} {body.strip()}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    flags = {
        "node": "n",
        "server.port": 0,
        "server.admin_port": 0,
        "server.workers": 2,
        "server.max_calls": 1,
        "mqtt.url": "mqtt://127.0.0.1:1",
        "outbox.path": str(tmp_path / "outbox.sqlite"),
    }
    return load(None, {}, flags)


@pytest.fixture
def running(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a supervisor: `async with running(emotion__model="none") as one`."""
    monkeypatch.setattr(process, "PROGRAM", (STAND_IN,))
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)

    @asynccontextmanager
    async def run(first: Settings = settings, after: Callable[[], Settings] | None = None) -> AsyncIterator[Running]:
        with capture_logs() as logs:
            one = Running(Supervisor(first, after or (lambda: first)), logs)
            try:
                yield one
            finally:
                one.node.drain()
                one.node.drain()
                if not one.task.done():
                    await one.task

    return run


def with_model(settings: Settings, model: str, **server: Any) -> Settings:
    replace = msgspec.structs.replace
    return replace(settings, emotion=replace(settings.emotion, model=model), server=replace(settings.server, **server))


async def test_all_workers_get_connections_and_each_has_an_outbox_of_its_own(running, tmp_path: Path) -> None:
    async with running() as one:
        assert await one.workers(2) == {1, 2}
        outboxes = {word.split()[1] for word in [await one.tell("who") for _ in range(8)]}
        assert outboxes <= {str(tmp_path / f"outbox-w{place}.sqlite") for place in (1, 2)}
        assert await one.admin("/readyz") == "200 ready"
        assert await one.admin("/livez") == "200 live"


async def test_counters_and_claims_are_those_of_all_workers_and_free_when_one_falls(running) -> None:
    async with running() as one:
        await one.workers(2)
        holder = await one.tell("ask take")
        assert holder == "''"
        assert await one.tell("ask take") == "'calls'"
        assert await one.admin("/readyz") == "503 full: 1 calls"
        assert await one.tell("ask claim call-1") in {"1", "2"}
        for _ in range(2):  # whichever of the two it is
            await one.tell("die")
            await one.logged("a worker takes calls", 2)
        await one.logged("a worker fell", 2)
        await one.workers(2)
        assert await one.admin("/readyz") == "200 ready"
        assert await one.tell("ask take") == "''"
        assert int(await one.tell("ask claim call-1")) > 2


async def test_what_a_worker_asks_to_be_kept_any_worker_is_told(running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "MOST_REMEMBERED", 2)
    async with running() as one:
        await one.workers(2)
        for number in range(3):
            await one.tell(f"tell remember c{number} raw/mulaw")
        recalled = [await one.tell(f"ask recall c{number}") for number in range(3)]
        assert recalled == ["None", "'raw/mulaw'", "'raw/mulaw'"]
        await one.tell("tell forget c2")
        assert await one.tell("ask recall c2") == "None"
        assert await one.tell("ask take") == "''"
        assert await one.tell("ask claim x") in {"1", "2"}


async def test_a_worker_that_falls_is_replaced_and_how_it_ended_is_said(running) -> None:
    async with running() as one:
        before = await one.workers(2)
        await one.tell("die")
        line = await one.logged("a worker fell")
        assert (line["log_level"], line["status"]) == ("error", "killed by SIGKILL")
        await one.logged("a worker takes calls", 2)
        after = await one.workers(2)
        assert len(before & after) == 1
        assert line["worker"] in before - after


async def test_a_worker_that_says_what_cannot_be_is_ended(running) -> None:
    async with running() as one:
        await one.workers(2)
        await one.tell("nonsense")
        assert "unknown verb 'nonsense'" in (await one.logged("a worker says what cannot be"))["problem"]
        await one.tell("tell give")
        assert "of which it holds none" in (await one.logged("a worker says what cannot be", 2))["problem"]
        await one.logged("a worker takes calls", 3)


async def test_a_worker_that_gives_no_sign_of_life_is_ended(running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK_S", 0.01)
    async with running() as one:
        await one.workers(2)
        hanging = await one.hang()
        monkeypatch.setattr(supervisor, "BEATS_MISSED", 0)  # the stand-ins beat only once
        await one.logged("a worker hangs and is ended")
        monkeypatch.setattr(supervisor, "BEATS_MISSED", 600)
        await one.logged("a worker takes calls", 2)
        hanging.close()


async def test_a_configuration_with_which_no_worker_begins_is_an_error_in_its_words(running, settings) -> None:
    async with running(with_model(settings, "none")) as one:
        with pytest.raises(SupervisorError, match="there is no such model"):
            await one.task


async def test_a_worker_that_falls_before_it_has_begun_is_an_error(running, settings) -> None:
    async with running(with_model(settings, "broken")) as one:
        with pytest.raises(SupervisorError, match=r"ended before it took calls \(exit status 3\)"):
            await one.task


async def test_a_port_that_is_taken_is_an_error_in_words(running, settings) -> None:
    async with running() as one:
        await one.workers(2)
        taken = with_model(settings, "telephone", port=one.node.ports["calls"])
        async with running(taken) as other:
            with pytest.raises(ServeError, match=f"127.0.0.1:{taken.server.port}: Address already in use"):
                await other.task


async def test_a_hangup_replaces_all_workers_and_takes_the_configuration_as_it_is_then(running, settings) -> None:
    replaced = with_model(settings, "telephone", max_calls=9, workers=3)
    async with running(settings, lambda: replaced) as one:
        before = await one.workers(2)
        one.node.renew()
        one.node.renew()
        await one.logged("workers replaced", 2)
        after = await one.workers(3)
        assert not before & after
        assert len(after) == 3
        assert one.node.readiness == "ready"
        assert not [line for line in one.logs if line["event"].startswith("a worker fell")]


async def test_fewer_workers_are_fewer(running, settings) -> None:
    first = with_model(settings, "telephone", workers=4)
    async with running(first, lambda: settings) as one:
        await one.workers(4)
        one.node.renew()
        await one.logged("workers replaced")
        assert len(await one.workers(2)) == 2


@pytest.mark.parametrize(
    ("change", "event", "problem"),
    [
        ({"host": "127.0.0.2"}, "the configuration is not taken", "server.host changed"),
        ({"model": "none"}, "a new worker cannot begin", "no such model"),
        (None, "the configuration is not taken", "server.prot: unknown key"),
    ],
)
async def test_a_configuration_that_cannot_be_taken_changes_nothing(
    running, settings, change: dict | None, event: str, problem: str
) -> None:
    def after() -> Settings:
        if change is None:
            raise ConfigError("server.prot: unknown key")
        return with_model(settings, change.get("model", "telephone"), host=change.get("host", settings.server.host))

    async with running(settings, after) as one:
        before = await one.workers(2)
        one.node.renew()
        line = await one.logged(event)
        assert line["log_level"] == "error"
        assert problem in line["problem"]
        assert await one.workers(2) == before
        await one.tell("die")
        await one.logged("a worker takes calls", 2)  # with the configuration that was in force


async def test_figures_are_the_sum_and_never_go_back(running, settings) -> None:
    async with running(settings, lambda: settings) as one:
        await one.workers(2)
        before = heard(await one.admin("/metrics"))
        await one.tell("who")
        assert heard(await one.admin("/metrics")) == before + 1
        one.node.renew()
        await one.logged("workers replaced")
        await one.workers(2)
        assert heard(await one.admin("/metrics")) > before + 1


def heard(metrics: str) -> float:
    return float(next(line for line in metrics.splitlines() if line.startswith("streamer_heard_total ")).split()[1])


async def test_a_worker_that_does_not_show_its_figures_does_not_hold_up_the_others(
    running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "FIGURES_WITHIN_S", 0.01)
    async with running() as one:
        await one.workers(2)
        hanging = await one.hang()
        assert (await one.admin("/metrics")).startswith("200 ")
        await one.logged("a worker does not show its figures")
        for line in one.logs:
            if line["event"] == "worker started":
                os.kill(line["pid"], signal.SIGKILL)
        hanging.close()


async def test_the_node_is_as_ready_as_its_readiest_worker(running) -> None:
    async with running() as one:
        assert one.node.readiness == "starting"
        await one.workers(2)
        await one.tell("say overloaded")
        assert one.node.readiness == "ready"
        await one.tell("say overloaded")
        await one.tell("say overloaded")
        assert one.node.readiness in {"ready", "overloaded"}
        one.node.drain()
        assert one.node.readiness == "draining"
        await one.task
        one.node.renew()  # too late: nothing happens


async def test_drained_it_ends_with_nothing_left_behind(running, tmp_path: Path) -> None:
    async with running() as one:
        await one.workers(2)
        one.node.drain()
        await one.task
        assert (await one.logged("stopped"))["undelivered"] == 0
        for line in one.logs:
            if line["event"] == "worker started":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(line["pid"], 0)
                    pytest.fail("a worker is left")
    assert orphans_of(tmp_path / "outbox.sqlite") == []


async def test_what_workers_left_that_outlived_another_supervisor_is_taken_over_once_they_are_gone(
    running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STRAYS_EVERY_S", 0.01)
    path = tmp_path / "outbox-w7.sqlite"
    held = await Outbox.open(path, metrics=Metrics(CollectorRegistry()))
    async with running() as one:
        await one.workers(2)
        assert places_beside(str(tmp_path / "outbox.sqlite")) >= {7}
        await held.close()
        async with asyncio.timeout(PATIENCE_S):
            while 7 in places_beside(str(tmp_path / "outbox.sqlite")):  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.01)


def test_how_a_process_ended_is_said_in_words() -> None:
    assert said(0) == "exit status 0"
    assert said(-9) == "killed by SIGKILL"
    assert said(-200) == "killed by signal 200"
