"""The outbox: nothing is safe before it is on the disk, nothing blocks the event loop, nothing is lost on the way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from prometheus_client import CollectorRegistry

from streamer.bus.cloudevents import Kind, Outgoing
from streamer.bus.outbox import Outbox, OutboxError
from streamer.bus.store import Store
from streamer.metrics import Metrics


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
    opened = await Outbox.open(path, metrics=Metrics(registry), max_rows=5, max_age_s=60, clock=clock)
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

    def wait(_: Store) -> None:
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

    def fail(_: Store) -> None:
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


async def test_a_full_disk_is_one_clear_error_and_loses_nothing_that_was_accepted(outbox: Outbox) -> None:
    await outbox.put([message("a")])

    def shrink(store: Store) -> Sequence[object]:
        (pages,) = store._database.execute("PRAGMA page_count").fetchone()
        return store._database.execute(f"PRAGMA max_page_count = {pages}").fetchall()

    await outbox._do(shrink)
    large = Outgoing(id="large", kind=Kind.UTTERANCE, topic="t", payload=bytes(1_000_000), call_key="c")
    with pytest.raises(OutboxError, match="disk is full"):
        await outbox.put([large])
    assert await names(outbox) == ["a"]
