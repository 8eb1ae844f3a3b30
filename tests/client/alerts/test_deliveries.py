"""An alert reaches its output, however often that takes, or is given up aloud; a restart forgets none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from streamer_client.alerts.deliveries import GIVE_UP_S, Courier
from streamer_client.alerts.disk import Disk
from streamer_client.alerts.output import OutputError
from streamer_client.alerts.state import MEMORY, Effect, State
from streamer_client.events import AlertEvent


class Clock:
    """A clock that jumps far ahead at each look: no pause is worth waiting for."""

    def __init__(self, step_s: float) -> None:
        self.now_s = 1000.0
        self.step_s = step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


class Moody:
    """An output that fails as it was told to, then works."""

    name = "webhook"

    def __init__(self, **failures: list[Exception]) -> None:
        self.failures = failures
        self.sent: list[str] = []
        self.tries: list[str] = []

    async def send(self, alert: AlertEvent) -> None:
        self.tries.append(alert.id)
        if self.failures.get(alert.id):
            raise self.failures[alert.id].pop(0)
        self.sent.append(alert.id)


@pytest_asyncio.fixture
async def disk() -> AsyncIterator[Disk]:
    opened = Disk(State(MEMORY))
    yield opened
    opened.close()


async def find(disk: Disk, make: Any, *names: str) -> None:
    alerts = [(msgspec.structs.replace(make.alert(), id=name), ("webhook",)) for name in names]
    await disk(lambda state: state.apply(Effect(alerts=alerts), 1000.0))


async def standing(disk: Disk) -> dict[str, str]:
    rows = await disk(lambda state: state.run("SELECT alert, state FROM deliveries").fetchall())
    return dict(rows)


@asynccontextmanager
async def running(output: Moody, disk: Disk, step_s: float = 400.0) -> AsyncIterator[Courier]:
    courier = Courier(output, disk, clock=Clock(step_s), random=Random(1))
    task = asyncio.create_task(courier.run())
    try:
        yield courier
    finally:
        task.cancel()
        await asyncio.wait([task])


async def settled(disk: Disk, count: int) -> dict[str, str]:
    async with asyncio.timeout(20):  # only how long a broken test hangs
        while True:
            found = await standing(disk)
            if len(found) >= count and "pending" not in found.values():
                return found


async def test_what_waits_is_delivered_and_what_comes_later_too(disk: Disk, make: Any) -> None:
    output = Moody()
    await find(disk, make, "a1")
    async with running(output, disk, step_s=0.0) as courier:
        await settled(disk, 1)
        await find(disk, make, "a2", "a3")
        courier.wake()
        assert await settled(disk, 3) == {"a1": "sent", "a2": "sent", "a3": "sent"}
    assert output.sent == ["a1", "a2", "a3"]


async def test_one_that_fails_is_tried_again_and_holds_up_no_other(disk: Disk, make: Any) -> None:
    output = Moody(a1=[OutputError("HTTP 500", retry=True), OutputError("HTTP 500", retry=True)])
    await find(disk, make, "a1", "a2")
    async with running(output, disk):
        await settled(disk, 2)
    assert sorted(output.sent) == ["a1", "a2"]
    assert output.tries.count("a1") == 3


async def test_what_is_hopeless_is_given_up_aloud(disk: Disk, make: Any, caplog: pytest.LogCaptureFixture) -> None:
    output = Moody(a1=[OutputError("HTTP 410 gone", retry=False)])
    await find(disk, make, "a1")
    async with running(output, disk):
        assert await settled(disk, 1) == {"a1": "failed"}
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "alert a1 is given up after 1 tries (HTTP 410 gone); it is kept as failed" in record.getMessage()


async def test_after_a_day_of_trying_it_is_given_up(disk: Disk, make: Any) -> None:
    output = Moody(a1=[OutputError("no answer", retry=True) for _ in range(100)])
    await find(disk, make, "a1")
    async with running(output, disk, step_s=GIVE_UP_S / 8):
        assert await settled(disk, 1) == {"a1": "failed"}
    assert 1 < len(output.tries) < 20


async def test_trouble_is_told_once_and_its_end_as_well(
    disk: Disk, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    output = Moody(a1=[OutputError("no answer", retry=True) for _ in range(5)])
    await find(disk, make, "a1")
    async with running(output, disk):
        await settled(disk, 1)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["output webhook: no answer (trying again, alerts are kept)", "output webhook works again"]


async def test_a_courier_that_dies_while_sending_leaves_the_alert_for_the_next(disk: Disk, make: Any) -> None:
    class Stuck(Moody):
        async def send(self, _alert: AlertEvent) -> None:
            begun.set()
            await asyncio.Event().wait()

    begun = asyncio.Event()
    await find(disk, make, "a1")
    async with running(Stuck(), disk):
        await begun.wait()
    output = Moody()
    async with running(output, disk):
        await settled(disk, 1)
    assert output.sent == ["a1"]


@pytest.mark.parametrize("surprise", [ValueError, UnicodeError, ImportError, KeyError, AssertionError])
async def test_whatever_an_output_meets_it_is_tried_again_and_holds_up_no_other(
    disk: Disk, make: Any, caplog: pytest.LogCaptureFixture, surprise: type[Exception]
) -> None:
    output = Moody(a1=[surprise("https://host/secret-path")])
    await find(disk, make, "a1", "a2")
    async with running(output, disk):
        assert await settled(disk, 2) == {"a1": "sent", "a2": "sent"}
    assert f"output webhook: unexpected {surprise.__name__} (test_deliveries.py:" in caplog.text
    assert "secret-path" not in caplog.text
