"""What workers that are gone have left is delivered, whoever starts next, and nobody's open file is touched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streamer.bus.cloudevents import Kind, Outgoing, cleared
from streamer.bus.database import OutboxBusyError
from streamer.bus.orphans import adopt, adopt_orphans, orphans_of
from streamer.bus.outbox import Bounds, Outbox, OutboxError
from streamer.metrics import Metrics
from tests.bus.broken_disks import forbid_writing


def message(name: str, kind: Kind = Kind.UTTERANCE, call: str = "call-1") -> Outgoing:
    topic = f"calls/{call}/{'state' if kind in {Kind.STATE, Kind.CLEAR} else kind}"
    return Outgoing(id=name, kind=kind, topic=topic, payload=b"{}", call_key=call)


async def left_by_a_worker(path: Path, *messages: Outgoing, at_s: float = 1000) -> None:
    outbox = await Outbox.open(path, metrics=Metrics(CollectorRegistry()), clock=lambda: at_s)
    await outbox.put(messages)
    await outbox.close()


async def names(outbox: Outbox) -> list[str]:
    return [row.message.id for row in await outbox.pending(0, 10_000)]


@pytest_asyncio.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    bounds = Bounds(max_age_s=500)
    opened = await Outbox.open(
        tmp_path / "outbox.sqlite", metrics=Metrics(CollectorRegistry()), bounds=bounds, clock=lambda: 1400
    )
    yield opened
    await opened.close()


def test_only_files_of_workers_are_taken_for_such(tmp_path: Path) -> None:
    for name in (
        "outbox.sqlite", "outbox-w10.sqlite", "outbox-w2.sqlite", "outbox-w2.sqlite-wal", "outbox-wx.sqlite",
        "outbox-w2.sqlite.damaged-20270115T080000Z", "other-w1.sqlite", "outbox-w1.txt",
    ):  # fmt: skip
        (tmp_path / name).touch()
    assert [file.name for file in orphans_of(tmp_path / "outbox.sqlite")] == ["outbox-w2.sqlite", "outbox-w10.sqlite"]


async def test_what_workers_left_is_delivered_in_order_with_the_states_cleared(outbox: Outbox, tmp_path: Path) -> None:
    state = message("s", Kind.STATE, "call-2")
    await outbox.put([message("own")])
    await left_by_a_worker(tmp_path / "outbox-w1.sqlite", *(message(str(n), call=f"call-{n % 3}") for n in range(600)))
    await left_by_a_worker(tmp_path / "outbox-w2.sqlite", state, message("x", Kind.ALERT))
    with capture_logs() as logs:
        assert await adopt_orphans(outbox) == 603
    assert await names(outbox) == ["own", *map(str, range(600)), "s", "x", "s-clear"]
    assert (await outbox.pending(0, 10_000))[-1].message == cleared(state)
    assert [line["messages"] for line in logs] == [600, 3]
    assert orphans_of(tmp_path / "outbox.sqlite") == []
    assert await adopt_orphans(outbox) == 0


async def test_a_message_keeps_its_age(outbox: Outbox, tmp_path: Path) -> None:
    await left_by_a_worker(tmp_path / "outbox-w1.sqlite", message("old"), message("x", Kind.ALERT), at_s=899)
    await left_by_a_worker(tmp_path / "outbox-w2.sqlite", message("young"), at_s=901)
    await adopt_orphans(outbox)
    assert await names(outbox) == ["x", "young"]
    assert outbox.oldest_age_s() == 501


async def test_one_killed_between_the_two_disks_leaves_a_message_in_both_and_it_goes_once(
    outbox: Outbox, tmp_path: Path
) -> None:
    await left_by_a_worker(tmp_path / "outbox-w1.sqlite", message("a"), message("b"))
    await outbox.put([message("a")])
    assert await adopt(outbox, tmp_path / "outbox-w1.sqlite") == 2
    assert await names(outbox) == ["a", "b"]


async def test_a_file_in_use_is_left_alone(outbox: Outbox, tmp_path: Path) -> None:
    path = tmp_path / "outbox-w1.sqlite"
    worker = await Outbox.open(path, metrics=Metrics(CollectorRegistry()))
    await worker.put([message("a")])
    with pytest.raises(OutboxBusyError):
        await adopt(outbox, path)
    with capture_logs() as logs:
        assert await adopt_orphans(outbox) == 0
    assert logs == []
    assert await names(worker) == ["a"]
    await worker.close()


async def test_a_file_that_is_no_outbox_is_said_and_stops_nothing(outbox: Outbox, tmp_path: Path) -> None:
    strange = tmp_path / "outbox-w1.sqlite"
    strange.write_bytes(b"minutes of the meeting" * 200)
    await left_by_a_worker(tmp_path / "outbox-w2.sqlite", message("a"))
    with capture_logs() as logs:
        assert await adopt_orphans(outbox) == 1
    assert await names(outbox) == ["a"]
    assert strange.exists()
    assert [line["log_level"] for line in logs] == ["error", "info"]
    assert logs[0]["event"] == "what an earlier worker left cannot be delivered"


async def test_nothing_is_moved_onto_a_disk_that_fails(outbox: Outbox, tmp_path: Path) -> None:
    path = tmp_path / "outbox-w1.sqlite"
    await left_by_a_worker(path, message("a"))
    await outbox._do(lambda keeper: forbid_writing(keeper._disk))  # type: ignore[arg-type]
    with pytest.raises(OutboxError, match="cannot be written"):
        await adopt(outbox, path)  # finds out
    with pytest.raises(OutboxError, match="cannot be written"):
        await adopt(outbox, path)  # knows
    worker = await Outbox.open(path, metrics=Metrics(CollectorRegistry()), clock=lambda: 1000)
    assert await names(worker) == ["a"]
    await worker.close()
