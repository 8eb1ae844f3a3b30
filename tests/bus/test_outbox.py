"""The outbox: nothing is safe before it is on the disk, nothing blocks the event loop, nothing is lost on the way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from prometheus_client import CollectorRegistry

from streamer.bus.cloudevents import Kind, Outgoing
from streamer.bus.keeper import Keeper
from streamer.bus.outbox import Bounds, Outbox, OutboxError
from streamer.bus.store import Store
from streamer.metrics import Metrics
from tests.bus.broken_disks import allow_writing, damage, fill, forbid_writing, pages


class Clock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def message(name: str, kind: Kind = Kind.UTTERANCE, call: str = "call-1") -> Outgoing:
    topic = f"emotion/v1/default/calls/{call}/{kind}"
    return Outgoing(id=name, kind=kind, topic=topic, payload=b"{}", call_key=call)


async def names(outbox: Outbox) -> list[str]:
    return [row.message.id for row in await outbox.pending(0, 10_000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest_asyncio.fixture
async def outbox(path: Path, clock: Clock, registry: CollectorRegistry) -> AsyncIterator[Outbox]:
    opened = await Outbox.open(path, metrics=Metrics(registry), bounds=Bounds(max_rows=5, max_age_s=60), clock=clock)
    yield opened
    await opened.close()


def read_by_another_process_after_a_crash(path: Path) -> list[str]:
    """Copy the files as they are on the disk, as a crash would leave them, and read the copy."""
    copy = path.parent / "crashed"
    copy.mkdir()
    for suffix in ("", "-wal"):
        (copy / (path.name + suffix)).write_bytes((path.parent / (path.name + suffix)).read_bytes())
    store = Store(copy / path.name, 1000, 1e9)
    found = [row.message.id for row in store.pending(0, 1000)]
    store.close()
    return found


@asynccontextmanager
async def held_up(outbox: Outbox) -> AsyncIterator[None]:
    """Keep the outbox's thread busy inside a transaction, as a slow disk would."""
    begun, release = threading.Event(), threading.Event()

    def wait(_: Keeper) -> None:
        begun.set()
        release.wait()

    busy = asyncio.create_task(outbox._do(wait))
    await asyncio.to_thread(begun.wait)
    try:
        yield
    finally:
        release.set()
        await busy


async def test_what_put_has_returned_for_survives_a_crash(outbox: Outbox, path: Path) -> None:
    await outbox.put([message("a"), message("b")])
    assert read_by_another_process_after_a_crash(path) == ["a", "b"]


async def test_what_waits_at_one_moment_is_one_transaction(outbox: Outbox, registry: CollectorRegistry) -> None:
    def commits() -> float:
        return registry.get_sample_value("streamer_outbox_commit_seconds_count") or 0

    before = commits()
    async with held_up(outbox):
        puts = [asyncio.create_task(outbox.put([message(str(n), Kind.ALERT)])) for n in range(50)]
        await asyncio.wait(puts, timeout=0)
    await asyncio.gather(*puts)
    assert commits() - before == 2  # the one that was busy, and all the others
    assert await names(outbox) == [str(n) for n in range(50)]


async def test_the_event_loop_runs_while_the_disk_is_slow(outbox: Outbox) -> None:
    async with held_up(outbox):
        put = asyncio.create_task(outbox.put([message("a")]))
        await asyncio.wait([put], timeout=0)
        assert not put.done()  # nothing is said to be safe yet, and this line runs all the same
    await put


async def test_one_that_fails_does_not_take_the_others_with_it(outbox: Outbox) -> None:

    def fail(_: Keeper) -> None:
        raise ZeroDivisionError("a fault")

    async with held_up(outbox):
        good = asyncio.create_task(outbox.put([message("a")]))
        bad = asyncio.create_task(outbox._do(fail))
        also_good = asyncio.create_task(outbox.put([message("b")]))
        await asyncio.wait([bad], timeout=0)
    await asyncio.gather(good, also_good)
    with pytest.raises(ZeroDivisionError, match="a fault"):
        await bad
    assert await names(outbox) == ["a", "b"]


async def test_a_put_that_is_cancelled_may_still_be_kept_but_breaks_nothing(outbox: Outbox) -> None:
    told: list[str] = []
    outbox.listen(lambda: told.append("arrived"))
    async with held_up(outbox):
        put = asyncio.create_task(outbox.put([message("a")]))
        await asyncio.wait([put], timeout=0)
        put.cancel()
    with pytest.raises(asyncio.CancelledError):
        await put
    assert await names(outbox) == ["a"]
    assert told == ["arrived"]


async def test_an_acknowledged_message_is_gone(outbox: Outbox) -> None:
    await outbox.put([message("a"), message("b")])
    first, _ = await outbox.pending(0, 10)
    await outbox.acknowledge([first.seq])
    assert await names(outbox) == ["b"]
    assert outbox.depth() == 1


async def test_depth_age_and_emptiness_are_known_without_asking_the_disk(outbox: Outbox, clock: Clock) -> None:
    assert (outbox.depth(), outbox.oldest_age_s(), outbox.empty.is_set()) == (0, 0.0, True)
    await outbox.put([message("a")])
    clock.now_s += 7
    assert (outbox.depth(), outbox.oldest_age_s(), outbox.empty.is_set()) == (1, 7.0, False)
    (row,) = await outbox.pending(0, 10)
    await outbox.acknowledge([row.seq])
    assert (outbox.depth(), outbox.oldest_age_s(), outbox.empty.is_set()) == (0, 0.0, True)


async def test_too_many_messages_are_counted_and_logged_once_per_burst(
    outbox: Outbox, registry: CollectorRegistry
) -> None:
    with structlog.testing.capture_logs() as logs:
        for n in range(20):
            await outbox.put([message(str(n))])
    assert await names(outbox) == ["15", "16", "17", "18", "19"]
    dropped = registry.get_sample_value("streamer_outbox_dropped_total", {"kind": "utterance", "reason": "full"})
    assert dropped == 15
    (line,) = logs
    assert line["log_level"] == "warning"
    assert "given up" in line["event"]


async def test_too_old_messages_go_when_the_publisher_comes_for_them(outbox: Outbox, clock: Clock) -> None:
    await outbox.put([message("a"), message("alert", Kind.ALERT)])
    clock.now_s += 61
    assert await names(outbox) == ["alert"]


async def test_an_objection_removes_what_waits(outbox: Outbox) -> None:
    await outbox.put([message("a"), message("b", call="call-2")])
    assert await outbox.remove_call("call-1") == 1
    assert await names(outbox) == ["b"]


async def test_when_an_objection_has_been_carried_out_no_byte_of_the_call_is_in_the_files(
    outbox: Outbox, path: Path
) -> None:
    def files() -> bytes:
        return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))

    await outbox.put([message("u1"), message("u2"), message("theirs", call="call-2")])
    await outbox.acknowledge([1])
    assert b"call-1" in files()
    await outbox.remove_call("call-1")
    assert b"call-1" not in files(), "what had been delivered is gone, too"
    assert b"theirs" in files()


async def test_too_old_messages_go_although_nobody_asks(
    path: Path, clock: Clock, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.bus.outbox._IDLE_S", 0.001)
    outbox = await Outbox.open(path, metrics=Metrics(registry), bounds=Bounds(max_age_s=60), clock=clock)
    await outbox.put([message("old"), message("alert", Kind.ALERT)])
    clock.now_s += 61
    while outbox.depth() > 1:  # noqa: ASYNC110 - the broker is away, so the outbox tells nobody
        await asyncio.sleep(0)
    assert await names(outbox) == ["alert"]
    assert registry.get_sample_value("streamer_outbox_dropped_total", {"kind": "utterance", "reason": "age"}) == 1
    await outbox.close()


async def test_values_survive(path: Path) -> None:
    for expected, value in ((None, "salt-1"), ("salt-1", "salt-2"), ("salt-2", "")):
        outbox = await Outbox.open(path, metrics=Metrics(CollectorRegistry()))
        assert await outbox.meta("salt") == expected
        await outbox.set_meta("salt", value)
        await outbox.close()


async def test_states_left_behind_are_cleared_at_the_next_start(path: Path) -> None:
    outbox = await Outbox.open(path, metrics=Metrics(CollectorRegistry()))
    await outbox.put([message("s", Kind.STATE)])
    await outbox.close()
    outbox = await Outbox.open(path, metrics=Metrics(CollectorRegistry()))
    assert await outbox.clear_left_behind() == 1
    assert await names(outbox) == ["s", "s-clear"]
    await outbox.close()


async def test_what_cannot_be_opened_says_so_to_whoever_opens_it(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="does not exist; make it or set"):
        await Outbox.open(tmp_path / "no" / "o.sqlite", metrics=Metrics(CollectorRegistry()))


async def test_two_outboxes_on_one_file_are_refused(outbox: Outbox, path: Path) -> None:
    with pytest.raises(OutboxError, match="another running server"):
        await Outbox.open(path, metrics=Metrics(CollectorRegistry()))
    await outbox.put([message("a")])


async def test_closing_finishes_what_was_asked_and_refuses_the_rest(path: Path) -> None:
    outbox = await Outbox.open(path, metrics=Metrics(CollectorRegistry()))
    puts = [asyncio.create_task(outbox.put([message(str(n))])) for n in range(10)]
    await asyncio.wait(puts, timeout=0)
    await outbox.close()
    await outbox.close()
    await asyncio.gather(*puts)
    with pytest.raises(OutboxError, match="is closed"):
        await outbox.put([message("late")])
    store = Store(path, 1000, 1e9)
    assert len(store.pending(0, 100)) == 10
    store.close()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"streamer_{name}", labels) or 0


@asynccontextmanager
async def failing(outbox: Outbox) -> AsyncIterator[None]:
    """Let nothing be written; returns from its end once the outbox has found the disk well again."""
    held: list[Store] = []

    def fail(keeper: Keeper) -> None:
        assert keeper._disk is not None
        held.append(keeper._disk)
        forbid_writing(keeper._disk)

    await outbox._do(fail)
    yield
    await outbox._do(lambda _: allow_writing(held[0]))
    await outbox.well.wait()


async def test_a_disk_that_fails_stops_nobody_and_is_said_once(
    path: Path, registry: CollectorRegistry, clock: Clock
) -> None:
    outbox = await Outbox.open(path, metrics=Metrics(registry), clock=clock, retry_s=0.01)
    assert (outbox.trouble, value(registry, "outbox_healthy")) == ("", 1)
    await outbox.put([message("a")])
    with structlog.testing.capture_logs() as logs:
        async with failing(outbox):
            for name in ("b", "c", "d"):
                await outbox.put([message(name)])
            assert "it cannot be written; check the rights" in outbox.trouble
            assert not outbox.strained
            assert await outbox.remove_call("acme\x1fcall-9\x1fS1") == 0
            assert value(registry, "outbox_healthy") == 0
            assert value(registry, "outbox_memory_rows") == 3
            assert await names(outbox) == ["a", "b", "c", "d"]
    assert [(line["log_level"], line["event"].partition(";")[0]) for line in logs] == [
        ("error", f"outbox {path}: it cannot be written"),
        ("error", "an objection cannot be carried out on the disk yet"),
        ("info", "the outbox's disk works again"),
    ]
    assert "Calls go on" in logs[0]["event"]
    assert (outbox.trouble, value(registry, "outbox_healthy"), value(registry, "outbox_memory_rows")) == ("", 1, 0)
    await outbox.close()
    store = Store(path, 10, 1e9)
    assert [row.message.id for row in store.pending(0, 9)] == ["a", "b", "c", "d"]
    store.close()


async def test_a_disk_that_fails_by_turns_is_said_once_a_minute(path: Path, registry: CollectorRegistry) -> None:
    outbox = await Outbox.open(path, metrics=Metrics(registry), retry_s=0.01)
    with structlog.testing.capture_logs() as logs:
        for n in range(3):
            async with failing(outbox):
                await outbox.put([message(str(n))])
    assert [line["log_level"] for line in logs] == ["error", "info"]
    await outbox.close()


async def test_a_listener_hears_when_the_disk_is_well_again(path: Path, registry: CollectorRegistry) -> None:
    outbox = await Outbox.open(path, metrics=Metrics(registry), retry_s=0.01)
    async with failing(outbox):
        await outbox.put([message("a")])
        told: list[bool] = []
        outbox.listen(lambda: told.append(outbox.well.is_set()))
    assert told[-1:] == [True]
    await outbox.close()


async def test_what_neither_disk_nor_memory_takes_is_counted_and_said(path: Path, registry: CollectorRegistry) -> None:
    outbox = await Outbox.open(path, metrics=Metrics(registry), bounds=Bounds(memory_rows=2), retry_s=3600)
    with structlog.testing.capture_logs() as logs:
        await outbox._do(lambda keeper: forbid_writing(keeper._disk))  # type: ignore[arg-type]
        for n in range(5):
            await outbox.put([message(str(n))])
        await outbox.put([message("p", Kind.PARTIAL)])
        assert outbox.strained
        assert await names(outbox) == ["3", "4"]
        assert value(registry, "events_lost_total") == 3
        assert value(registry, "outbox_dropped_total", kind="utterance", reason="memory") == 3
        assert value(registry, "outbox_dropped_total", kind="partial", reason="memory") == 1
        await outbox.close()
        await asyncio.sleep(0)
    assert value(registry, "events_lost_total") == 5
    told = [line["event"] for line in logs if line["log_level"] == "error"]
    assert "it cannot be written" in told[0]
    assert told[1:] == ["final events are lost: the disk fails and memory is full; see streamer_events_lost_total"]


async def test_alerts_that_exceed_the_bound_alone_are_kept_and_said_once(
    outbox: Outbox, registry: CollectorRegistry
) -> None:
    with structlog.testing.capture_logs() as logs:
        for n in range(8):
            await outbox.put([message(str(n), Kind.ALERT)])
    assert len(await names(outbox)) == 8
    assert value(registry, "outbox_bytes") > 0
    (line,) = logs
    assert line["log_level"] == "error"
    assert line["event"].startswith("alerts alone exceed the bounds")


async def test_a_damaged_file_is_set_aside_said_and_counted(path: Path, registry: CollectorRegistry) -> None:
    outbox = await Outbox.open(path, metrics=Metrics(CollectorRegistry()))
    await outbox.put([message(f"{n:03}") for n in range(200)])
    await outbox.close()
    damage(path, pages(path) // 2)
    with structlog.testing.capture_logs() as logs:
        outbox = await Outbox.open(path, metrics=Metrics(registry))
        found = await names(outbox)
    (line,) = logs
    assert line["log_level"] == "error"
    assert line["event"].startswith(f"the outbox was damaged: its file was set aside as {path}.damaged-")
    assert line["saved"] == len(found) >= 150
    assert line["lost"] == 200 - len(found) == value(registry, "events_lost_total")
    assert value(registry, "outbox_damaged_total") == 1
    assert (outbox.trouble, outbox.depth()) == ("", len(found))
    await outbox.close()


async def test_a_full_disk_is_one_clear_error_and_loses_nothing_that_was_accepted(outbox: Outbox) -> None:
    await outbox.put([message("a")])

    def shrink(keeper: Keeper) -> None:
        assert keeper._disk is not None
        fill(keeper._disk)

    await outbox._do(shrink)
    large = Outgoing(id="large", kind=Kind.UTTERANCE, topic="t", payload=bytes(1_000_000), call_key="c")
    with structlog.testing.capture_logs() as logs:
        await outbox.put([large])
    assert "the disk is full; free some space" in logs[0]["event"]
    assert await names(outbox) == ["a", "large"]


async def test_a_large_backlog_does_not_leave_a_large_file(outbox: Outbox, path: Path) -> None:
    large = bytes(18_000_000)
    await outbox.put([Outgoing(id=str(n), kind=Kind.ALERT, topic="t", payload=large) for n in range(4)])
    await outbox.acknowledge(row.seq for row in await outbox.pending(0, 9))
    await outbox.close()
    assert (await asyncio.to_thread(path.stat)).st_size < 1_000_000


async def test_rows_move_to_another_outbox_and_the_empty_file_goes(outbox: Outbox, tmp_path: Path) -> None:
    other_path = tmp_path / "other.sqlite"
    other = await Outbox.open(other_path, metrics=Metrics(CollectorRegistry()))
    await other.put([message("a"), message("b")])
    records = await other.records(10)
    assert await outbox.keep(records)
    await other.discard(record.seq for record in records)
    await other.close(remove_file=True)
    assert await names(outbox) == ["a", "b"]
    assert not other_path.exists()


async def test_a_file_in_which_something_waits_is_not_removed(outbox: Outbox, path: Path) -> None:
    await outbox.put([message("a")])
    await outbox.close(remove_file=True)
    assert await asyncio.to_thread(path.exists)
