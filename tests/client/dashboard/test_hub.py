"""The hub: what open pages are told, and that a restart changes nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from streamer_client.dashboard.api import BrokerState
from streamer_client.dashboard.floor import Keep
from streamer_client.dashboard.hub import Hub
from streamer_client.dashboard.model import Model
from streamer_client.dashboard.store import Store
from streamer_client.dashboard.times import rfc3339

BEGAN_S = 1_790_000_000.0
KEY = ("default", "CA1")


class Wall:
    """A clock that stands where a test puts it."""

    now_s = BEGAN_S + 600

    def __call__(self) -> float:
        return self.now_s


def hub_of(
    store: Store | None = None, *, keep: Keep | None = None, remembered: int = 100, clock: Any = None, tenant: str = "+"
) -> Hub:
    return Hub(
        Model(keep),
        store,
        now_s=clock or Wall(),
        midnight_s=lambda now_s: now_s - now_s % 86_400,
        tenant=tenant,
        remembered=remembered,
    )


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def told(hub: Hub, cursor: int) -> list[tuple[str, Any]]:
    found = hub.since(cursor)
    assert found is not None
    return [(one.kind, msgspec.json.decode(one.data)) for one in found[0]]


def made(make: Any, step: str, number: int) -> Any:
    if step == "utterance":
        return make.utterance(number)
    if step == "crowd":
        return make.state(f"CROWD{number}")
    return getattr(make, "acknowledgement" if step == "taken" else step)()


@settings(max_examples=12)
@given(
    steps=st.lists(
        st.sampled_from(["utterance", "state", "ended", "alert", "taken", "clear", "restart", "crowd", "status"]),
        max_size=14,
    )
)
@example(steps=["state", "utterance", "alert", "status", "clear", "restart"])
@example(steps=["state", "utterance", "alert", "taken", "crowd", "crowd", "crowd", "restart"])
@example(steps=["state", "utterance", "clear", "restart", "state", "utterance"])
async def test_restarts_anywhere_give_the_same_picture(
    make: Any, at: Any, tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    path = tmp_path_factory.mktemp("state") / "dashboard.sqlite"
    keep = Keep(calls=2)
    steady = hub_of(keep=keep)
    store = await Store.open(path)
    restarted = hub_of(store, keep=keep)
    for number, step in enumerate(steps):
        if step == "restart":
            await restarted.flush()
            await store.close()
            store = await Store.open(path)
            restarted = hub_of(store, keep=keep)
            await restarted.load()
            continue
        if step == "clear":
            steady.cleared(KEY)
            restarted.cleared(KEY)
            continue
        event = at(
            made(make, step, number),
            number,
            name=f"{step}-{number}" if step not in {"alert", "taken"} else None,
        )
        steady.receive(event)
        restarted.receive(event)
    await restarted.flush()
    await store.close()
    store = await Store.open(path)
    restarted = hub_of(store, keep=keep)
    await restarted.load()
    await store.close()
    ignored = {"cursor": 0}
    assert msgspec.structs.replace(restarted.snapshot(), **ignored) == msgspec.structs.replace(
        steady.snapshot(), **ignored
    )


def test_many_changes_of_one_call_are_one_message_with_the_last_of_it(make: Any, at: Any) -> None:
    hub = hub_of()
    before = hub.cursor
    hub.receive(at(make.state(), 0))
    for n in range(1, 50):
        hub.receive(at(make.utterance(n), n))
    ((kind, call),) = told(hub, before)
    assert kind == "call"
    assert len(call["parties"][0]["trace"]) == 49
    assert told(hub, hub.cursor) == []


def test_a_page_that_missed_too_much_is_told_so_and_one_that_did_not_is_not(make: Any, at: Any) -> None:
    hub = hub_of(remembered=3)
    cursors = [hub.cursor]
    for number in range(5):
        hub.receive(at(make.state(f"CA{number}"), number))
        cursors.append(hub.cursor)
    assert hub.since(cursors[1]) is None
    assert [call["id"] for _, call in told(hub, cursors[2])] == ["CA2", "CA3", "CA4"]
    assert hub.since(hub.cursor + 1) is None
    assert hub.since(0) is None


def test_what_is_sent_at_once_is_bounded_and_the_rest_comes_next(make: Any, at: Any) -> None:
    hub = hub_of()
    cursor = hub.cursor
    for number in range(5):
        hub.receive(at(make.state(f"CA{number}"), number))
    seen: list[str] = []
    for expected in (2, 2, 1):
        found = hub.since(cursor, most=2)
        assert found is not None
        messages, cursor = found
        assert len(messages) == expected
        seen += [msgspec.json.decode(one.data)["id"] for one in messages]
    assert seen == [f"CA{number}" for number in range(5)]


def test_an_objection_is_the_only_thing_that_is_told_of_its_call(make: Any, at: Any) -> None:
    hub = hub_of()
    before = hub.cursor
    hub.receive(at(make.state(), 0))
    hub.receive(at(make.alert(), 1))
    hub.cleared(KEY)
    assert told(hub, before) == [("gone", {"tenant": "default", "id": "CA1"})]


def test_the_days_figures_are_told_now_and_then_and_when_the_hour_changes(make: Any, at: Any) -> None:
    wall = Wall()
    hub = hub_of(clock=wall)
    hub.tick()
    before = hub.cursor
    hub.receive(at(make.state(), 0))
    assert [kind for kind, _ in told(hub, before)] == ["call"]
    hub.tick()
    kinds = dict(told(hub, before))
    assert kinds["today"]["calls"] == 1
    before = hub.cursor
    hub.tick()
    assert told(hub, before) == []
    wall.now_s += 3600
    hub.tick()
    assert "today" in dict(told(hub, before))


def test_the_broker_and_the_servers_are_told(make: Any) -> None:
    hub = hub_of()
    before = hub.cursor
    hub.set_broker(connected=False, reason="away")
    hub.receive(make.status())
    assert told(hub, before) == [
        ("broker", {"connected": False, "reason": "away", "since": hub.broker.since}),
        ("node", {"node": "node-1", "status": "online", "version": "", "time": make.status().time}),
    ]


@given(states=st.lists(st.tuples(st.booleans(), st.sampled_from(["", "no answer", "refused"])), min_size=1))
def test_since_when_the_broker_is_there_or_not_does_not_change_with_the_reason(states: list[tuple[bool, str]]) -> None:
    wall = Wall()
    hub = hub_of(clock=wall)
    connected, since_s = False, wall.now_s
    for state, reason in states:
        wall.now_s += 1
        hub.set_broker(connected=state, reason=reason)
        if state != connected:
            connected, since_s = state, wall.now_s
        assert hub.snapshot().broker == BrokerState(connected, reason, rfc3339(since_s))


def test_an_event_without_a_time_is_left_out_and_said_a_few_times(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    hub = hub_of()
    for n in range(9):
        hub.receive(msgspec.structs.replace(make.utterance(n), time="never"))
    assert hub.snapshot().calls == ()
    assert len(caplog.records) == 3


async def test_who_waits_is_woken_by_news_by_the_end_and_by_a_nudge(make: Any, at: Any) -> None:
    hub = hub_of()
    cursor = hub.cursor
    assert not await hub.wait(cursor, 0.0)
    hub.receive(at(make.state(), 0))
    assert await hub.wait(cursor, 60)
    hub.close()
    assert await hub.wait(hub.cursor, 60)


async def test_without_a_store_there_is_nothing_to_load_or_to_write() -> None:
    hub = hub_of()
    await hub.load()
    await hub.flush()
    assert hub.snapshot().calls == ()


async def test_where_one_tenant_is_shown_nothing_of_others_is_taken_loaded_or_kept(
    make: Any, at: Any, tmp_path: Path
) -> None:
    path = tmp_path / "dashboard.sqlite"
    store = await Store.open(path)
    everybody = hub_of(store)
    for tenant in ("acme", "other"):
        everybody.receive(at(make.utterance(1, call=f"{tenant}-call", tenant=tenant), 1))
    await everybody.flush()
    await store.close()
    store = await Store.open(path)
    acme = hub_of(store, tenant="acme")
    await acme.load()
    acme.receive(at(make.utterance(1, call="NEW", tenant="other"), 2))
    acme.receive(make.status())
    acme.cleared(("other", "NEW"))
    seen = acme.snapshot()
    assert [(call.tenant, call.id) for call in seen.calls] == [("acme", "acme-call")]
    assert (seen.today.calls, len(seen.nodes)) == (1, 1)
    await acme.flush()
    await store.close()
    left = on_disk(tmp_path)
    assert b"acme-call" in left
    assert b"other-call" not in left
    store = await Store.open(path)
    again = hub_of(store, tenant="acme")
    await again.load()
    await store.close()
    assert again.snapshot().today == seen.today


async def test_acknowledgements_of_alerts_that_never_come_do_not_stay_on_the_disk(
    make: Any, at: Any, tmp_path: Path
) -> None:
    path, wall = tmp_path / "dashboard.sqlite", Wall()
    store = await Store.open(path)
    hub = hub_of(store, keep=Keep(alerts=3, age_s=3600), clock=wall)

    async def rows() -> int:
        await hub.flush()
        return len((await store.load()).events)

    for number in range(9):
        hub.receive(at(make.acknowledgement(f"CA{number}"), number))
    assert await rows() == 3
    wall.now_s += 2 * 3600
    hub.tick()
    assert await rows() == 0
    await store.close()


async def test_a_wrong_acknowledgement_of_an_earlier_version_is_left_out_said_and_deleted(
    make: Any, at: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    store = await Store.open(tmp_path / "dashboard.sqlite")
    store.put(at(make.alert(), 1))
    store.put(at(make.acknowledgement(by="x" * 90), 2))
    await store.flush()
    hub = hub_of(store)
    await hub.load()
    await hub.flush()
    assert hub.left_out == 1
    assert "an acknowledgement whose name or note is too long" in caplog.text
    assert len((await store.load()).events) == 1
    await store.close()


async def test_an_objection_takes_along_what_was_said_of_its_alerts_under_another_call(
    make: Any, at: Any, tmp_path: Path
) -> None:
    store = await Store.open(tmp_path / "dashboard.sqlite")
    hub = hub_of(store)
    said = at(make.acknowledgement("CA2", note="NOTE"), 2)
    hub.receive(msgspec.structs.replace(said, data=msgspec.structs.replace(said.data, alert="CA1-alert")))
    hub.receive(at(make.state(), 0))
    hub.receive(at(make.alert(), 1))
    await hub.flush()
    hub.cleared(KEY)
    await hub.flush()
    left = await store.load()
    await store.close()
    assert left.events == ()
    assert not hub.model.floor.early


async def test_a_live_call_that_was_let_go_is_objected_to_after_a_restart_too(
    make: Any, at: Any, tmp_path: Path
) -> None:
    path = tmp_path / "dashboard.sqlite"
    store = await Store.open(path)
    hub = hub_of(store, keep=Keep(calls=1))
    for event in (at(make.state(), 0), at(make.state("CA2"), 3)):
        hub.receive(event)
    await hub.flush()
    await store.close()
    store = await Store.open(path)
    hub = hub_of(store, keep=Keep(calls=1))
    await hub.load()
    hub.cleared(KEY)
    hub.receive(at(make.alert(), -1))
    assert hub.snapshot().alerts == ()
    await hub.flush()
    assert (await store.load()).hidden == {}
    await store.close()


def test_an_alert_that_is_over_goes_from_pages_that_are_open(make: Any, at: Any) -> None:
    wall = Wall()
    hub = hub_of(clock=wall)
    hub.receive(at(make.alert(), 0))
    before = hub.cursor
    wall.now_s += 2 * 86_400
    hub.tick()
    assert hub.snapshot().alerts == ()
    assert ("alert_gone", {"id": "CA1-alert"}) in told(hub, before)


def test_an_alert_that_goes_and_comes_again_stays_on_the_page(make: Any, at: Any) -> None:
    hub = hub_of(keep=Keep(alerts=1))
    before = hub.cursor
    for call, after_s in (("CA1", 0), ("CA2", 5), ("CA1", 0)):
        hub.receive(at(make.alert(call), after_s))
    last: dict[str, str] = {}
    for kind, data in told(hub, before):
        if kind in {"alert", "alert_gone"}:
            last[data["id"]] = kind
    shown = {alert.id for alert in hub.snapshot().alerts}
    assert {name for name, kind in last.items() if kind == "alert"} == shown
