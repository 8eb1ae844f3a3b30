"""The hub: what open pages are told, and that a restart changes nothing."""

from __future__ import annotations

import logging
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


def hub_of(store: Store | None = None, *, keep: Keep | None = None, remembered: int = 100, clock: Any = None) -> Hub:
    return Hub(
        Model(keep),
        store,
        now_s=clock or Wall(),
        midnight_s=lambda now_s: now_s - now_s % 86_400,
        remembered=remembered,
    )


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
