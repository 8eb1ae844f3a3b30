"""Engine and state in step: what one run stored is what the next one knows, and changed rules begin anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from streamer_client.alerts.disk import Disk
from streamer_client.alerts.journal import Journal
from streamer_client.alerts.memory import Cleared
from streamer_client.alerts.rules import Rule
from streamer_client.alerts.state import State
from streamer_client.events import AlertEvent, Event, Severity, Status

TWICE = Rule(
    name="twice", severity=Severity.WARNING, message="m", emotions=("angry",), count=2, within_s=60, cooldown_s=100
)


class Run:
    """One run of a service, without its broker."""

    def __init__(self, journal: Journal, disk: Disk, bus: list[AlertEvent]) -> None:
        self.journal = journal
        self.disk = disk
        self.bus = bus

    async def hear(self, *events: Event | Cleared) -> list[str]:
        await self.journal.take(events)
        return [one.alert.id for one in await self.disk(lambda state: state.due("mqtt", 0.0, 99))]

    async def ask(self, question: str) -> list[Any]:
        return await self.disk(lambda state: state.run(question).fetchall())


@asynccontextmanager
async def run(folder: Path, *rules: Rule, now_s: float = 0.0, outputs: Iterable[str] = ("mqtt",)) -> AsyncIterator[Run]:
    disk, bus = Disk(State(folder / "alerts.sqlite")), list[AlertEvent]()
    journal = Journal(
        rules or (TWICE,), tuple(outputs), disk, now_s=lambda: now_s, on_bus=bus.append, clock=lambda: 0.0
    )
    await journal.restore()
    try:
        yield Run(journal, disk, bus)
    finally:
        disk.close()


def said(make: Any, n: int, **more: Any) -> Event:
    event: Event = make.utterance(n, start_ms=9000 * n, end_ms=9000 * n + 2000, **more)
    return event


async def test_an_alert_may_begin_in_one_run_and_be_completed_in_the_next(tmp_path: Path, make: Any) -> None:
    async with run(tmp_path) as first:
        assert await first.hear(said(make, 1)) == []
    async with run(tmp_path) as second:
        found = await second.hear(said(make, 1), said(make, 2))
        assert len(found) == 1
    async with run(tmp_path) as third:
        assert await third.hear(said(make, 1), said(make, 2)) == found


async def test_each_run_goes_on_with_the_time_of_those_before(tmp_path: Path, make: Any) -> None:
    # Twice half an hour and a bit: the call has been silent for more than an hour, however long nobody listened.
    async with run(tmp_path, now_s=0.0) as first:
        await first.hear(said(make, 1))
    for _ in range(2):
        async with run(tmp_path, now_s=1900.0) as later:
            await later.hear(said(make, 1, call="CA2"))
    async with run(tmp_path) as last:
        assert await last.ask("SELECT call FROM calls") == [("CA2",)]
        assert await last.ask("SELECT DISTINCT call FROM seen") == [("CA2",)]


async def test_what_a_changed_rule_knew_is_dropped_and_said_so(
    tmp_path: Path, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    other = msgspec.structs.replace(TWICE, name="other")
    async with run(tmp_path, TWICE, other) as first:
        await first.hear(said(make, 1))
    async with run(tmp_path, msgspec.structs.replace(TWICE, within_s=90), other) as second:
        await second.hear(said(make, 2))
        ((alert,),) = await second.ask("SELECT event FROM alerts")
    assert b'"rule":"other"' in alert
    assert [record.getMessage() for record in caplog.records] == [
        "rule twice has changed: what it knew of the 1 calls under way is dropped"
    ]


async def test_new_words_for_a_rule_drop_nothing(tmp_path: Path, make: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with run(tmp_path) as first:
        await first.hear(said(make, 1))
    async with run(tmp_path, msgspec.structs.replace(TWICE, message="Other words.")) as second:
        assert len(await second.hear(said(make, 2))) == 1
    assert caplog.records == []


async def test_an_alert_that_comes_back_from_the_bus_is_known_to_be_there_once(tmp_path: Path, make: Any) -> None:
    async with run(tmp_path) as one:
        (found,) = await one.hear(said(make, 1), said(make, 2))
        ((event,),) = await one.ask("SELECT event FROM alerts")
        alert = msgspec.json.decode(event, type=AlertEvent)
        assert await one.hear(alert, alert) == []
        await one.journal.sent([found])
    assert one.bus == [alert]


async def test_an_objection_takes_effect_before_what_comes_behind_it(tmp_path: Path, make: Any) -> None:
    ended = make.ended()
    withdrawn = msgspec.structs.replace(ended, data=msgspec.structs.replace(ended.data, reason="withdrawn"))
    async with run(tmp_path) as one:
        assert await one.hear(said(make, 1), said(make, 2), withdrawn, said(make, 1, name="new")) == []
        assert await one.ask("SELECT id FROM seen") == [("new",)]
        assert await one.ask("SELECT count(*) FROM alerts") == [(0,)]


async def test_alerts_go_to_the_outputs_of_their_rule(tmp_path: Path, make: Any) -> None:
    quiet = msgspec.structs.replace(TWICE, name="quiet", outputs=("pager",))
    async with run(tmp_path, TWICE, quiet, outputs=("mqtt", "pager")) as one:
        woken = await one.journal.take([said(make, 1), said(make, 2)])
        assert woken == {"mqtt", "pager"}
        assert await one.disk(State.waiting) == {"mqtt": 1, "pager": 2}


async def test_a_rule_about_silence_says_once_where_it_cannot_be_judged(
    tmp_path: Path, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    silence = Rule(
        name="silence", severity=Severity.INFO, message="m", emotions=("angry",), silence_of="agent", silence_s=9
    )
    async with run(tmp_path, silence) as one:
        await one.hear(make.state("CA1"), make.state("CA2"))
    (record,) = caplog.records
    assert "rule silence cannot be judged in calls where the agent is not analysed, such as call CA1" in (
        record.getMessage()
    )


async def test_an_acknowledgement_of_an_unknown_alert_is_said(
    tmp_path: Path, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with run(tmp_path) as one:
        await one.hear(make.acknowledgement())
    assert "acknowledgement of an alert that is not known here" in caplog.records[0].getMessage()


async def test_a_call_whose_end_was_missed_is_forgotten_without_another_event(tmp_path: Path, make: Any) -> None:
    async with run(tmp_path) as first:
        await first.hear(said(make, 1))
    async with run(tmp_path, now_s=3601.0) as second:
        await second.journal.forget_idle()
        assert await second.ask("SELECT count(*) FROM calls") == [(0,)]


async def test_an_asker_that_is_cancelled_does_not_part_engine_and_state(tmp_path: Path, make: Any) -> None:
    async with run(tmp_path) as first:
        taking = asyncio.create_task(first.journal.take([said(make, 1)]))
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait([taking])
        assert await first.ask("SELECT id FROM seen") == [("default-CA1-customer-1",)]


CLEARED = Cleared("default", "CA1")


def later(event: Any, status: Status | None = None) -> Any:
    event = msgspec.structs.replace(event, id=f"{event.id}-later", time="2026-11-22T11:00:00.000Z")
    if status is None:
        return event
    return msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, status=status))


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_state_that_is_cleared_with_no_end_before_is_an_objection(
    tmp_path: Path, make: Any, *, restarts: bool
) -> None:
    heard = [make.status(), make.state(), later(said(make, 1)), later(said(make, 2))]
    async with run(tmp_path) as one:
        assert len(await one.hear(*heard, *([] if restarts else [CLEARED]))) == restarts
    async with run(tmp_path) as two:
        assert await two.hear(*([CLEARED] if restarts else [])) == []
        for table in ("alerts", "calls", "seen", "deliveries"):
            assert await two.ask(f"SELECT count(*) FROM {table}")  # noqa: S608 - our own names == [(0,)]


@pytest.mark.parametrize("known", [True, False])
async def test_after_its_end_a_cleared_state_deletes_nothing_also_in_a_later_run(
    tmp_path: Path, make: Any, *, known: bool
) -> None:
    async with run(tmp_path) as one:
        found = await one.hear(make.state(), said(make, 1), said(make, 2))
    async with run(tmp_path, now_s=0.0 if known else 3700.0) as two:
        await two.journal.forget_idle()
        assert await two.hear(make.ended()) == found
    async with run(tmp_path) as three:
        assert await three.hear(*([make.state()] if known else []), CLEARED, make.ended(), CLEARED) == found


@pytest.mark.parametrize("status", [Status.OFFLINE, Status.ONLINE])
async def test_a_state_cleared_because_its_server_died_is_no_objection(
    tmp_path: Path, make: Any, status: Status
) -> None:
    async with run(tmp_path) as one:
        found = await one.hear(make.status(), make.state(), said(make, 1), said(make, 2), later(make.status(), status))
    async with run(tmp_path) as two:
        assert await two.hear(CLEARED) == found
        # The platform came back under the same id, and there its party objects.
        new = later(said(make, 1))
        new = msgspec.structs.replace(new, time="2026-11-22T12:00:00.000Z")
        online = msgspec.structs.replace(later(make.status(), Status.ONLINE), id="online")
        assert await two.hear(online, new, CLEARED) == []


async def test_acknowledgements_of_unknown_alerts_do_not_fill_the_log(
    tmp_path: Path, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    event = make.acknowledgement()
    evil = msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, alert="a\n\x1b[2J" + "x" * 1000))
    async with run(tmp_path) as one:
        for _ in range(20):
            await one.hear(evil)
    said_so = [record.getMessage() for record in caplog.records]
    assert [line.rpartition("(")[2] for line in said_so] == ["1 so far)", "10 so far)"]
    assert all(line.isprintable() and len(line) < 300 for line in said_so)
