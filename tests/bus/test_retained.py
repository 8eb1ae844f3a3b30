"""What the broker keeps under our topics: ours, or misleading."""

from __future__ import annotations

import asyncio
from typing import Any

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.events import CallRef, StateData, StateEvent, Status, StatusData, StatusEvent, encode

from streamer.bus.connection import connect
from streamer.bus.retained import Junk, Retained, judge, look
from streamer.bus.settings import LinkError, MqttSettings

EARLY, LATE = "2026-11-22T10:00:00.000Z", "2026-11-22T11:00:00.000Z"


def state(call: str, node: str = "node-1", time: str = LATE) -> Retained:
    data = StateData(CallRef(call), "live", ("customer",), ("customer",), notice=True)
    event = StateEvent(id=call, source=f"/nodes/{node}", subject=call, time=time, data=data)
    return Retained(f"emotion/v1/default/calls/{call}/state", encode(event))


def status(node: str, says: Status) -> Retained:
    event = StatusEvent(id=node, source=f"/nodes/{node}", subject=node, time=EARLY, data=StatusData(node, says))
    return Retained(f"emotion/v1/nodes/{node}/status", encode(event))


def test_states_and_statuses_are_in_order() -> None:
    assert judge([state("CA1"), status("node-1", Status.ONLINE), status("node-2", Status.OFFLINE)], "emotion") == []


@pytest.mark.parametrize(
    "level", ["calls/c/customer/utterance", "calls/c/customer/partial", "calls/c/ended", "alerts/critical"]
)
def test_nothing_is_ever_retained_but_those(level: str) -> None:
    topic = f"emotion/v1/default/{level}"
    assert judge([Retained(topic, state("CA1").payload)], "emotion") == [(Junk.NEVER_RETAINED, topic)]


def test_what_is_no_event_or_one_of_another_kind_cannot_be_read() -> None:
    wrong = [
        Retained("emotion/v1/default/calls/a/state", b"hello"),
        Retained("emotion/v1/default/calls/b/state", status("n", Status.ONLINE).payload),
        Retained("emotion/v1/nodes/n/status", state("CA1").payload),
        Retained("emotion/v1/nodes/m/status", b'{"type":"emotion-streamer.status.v1","id":"1"}'),
    ]
    assert judge(wrong, "emotion") == [(Junk.UNREADABLE, one.topic) for one in wrong]


def test_an_event_of_a_newer_server_is_not_ours_to_judge() -> None:
    newer = Retained("emotion/v1/default/calls/a/state", b'{"type":"emotion-streamer.state.v2","id":"1"}')
    assert judge([newer], "emotion") == []


@given(st.lists(st.sampled_from(["calls", "nodes", "x", "state", "status", "alerts"]), min_size=1, max_size=7))
def test_every_topic_under_our_base_is_of_a_kind(levels: list[str]) -> None:
    found = judge([Retained("/".join(["emotion", "v1", *levels]), b"x")], "emotion")
    assert [topic for _, topic in found] == ["/".join(["emotion", "v1", *levels])]


def test_a_topic_that_is_none_of_ours_is_foreign() -> None:
    topics = ["emotion/v1/x", "emotion/v1/default/calls/a/state/more", "emotion/v1/nodes/a/b/status"]
    assert judge([Retained(topic, b"x") for topic in topics], "emotion") == [
        (Junk.FOREIGN_TOPIC, topic) for topic in topics
    ]


def test_a_base_of_several_levels_is_known() -> None:
    one = state("CA1")
    there = Retained(one.topic.replace("emotion/", "site/a/"), one.payload)
    assert judge([there], "site/a") == []


class TestStale:
    """Calls that are live on nobody."""

    def test_a_node_that_is_offline_carries_no_calls(self) -> None:
        found = judge([state("CA1", "gone"), state("CA2", "here"), status("gone", Status.OFFLINE)], "emotion")
        assert found == [(Junk.STALE_STATE, "emotion/v1/default/calls/CA1/state")]

    def test_of_a_node_that_says_nothing_nothing_is_known(self) -> None:
        assert judge([state("CA1", "unknown")], "emotion") == []

    def test_what_this_node_said_before_it_came_up_is_its_predecessors(self) -> None:
        all_of_them = [state("CA1", time=EARLY), state("CA2", time=LATE), state("CA3", "other", EARLY)]
        found = judge(all_of_them, "emotion", own="/nodes/node-1", started="2026-11-22T10:30:00.000Z")
        assert found == [(Junk.STALE_STATE, "emotion/v1/default/calls/CA1/state")]

    def test_a_will_that_came_late_does_not_make_the_calls_of_this_node_stale(self) -> None:
        found = judge([state("CA1"), status("node-1", Status.OFFLINE)], "emotion", own="/nodes/node-1", started=EARLY)
        assert found == []


async def keep(broker: Any, *messages: Retained) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for one in messages:
            await client.publish(one.topic, one.payload, qos=1, retain=True)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_all_that_is_retained_is_read_and_what_is_live_is_not(mosquitto: Any, version: Any) -> None:
    junk = Retained("emotion/v1/default/calls/c/ended", b"{}")
    await keep(mosquitto, state("CA1"), status("node-1", Status.ONLINE), junk, Retained("other/v1/x", b"{}"))
    link = await connect(MqttSettings(mosquitto.url, version=version))
    looking = asyncio.create_task(look(link, "emotion", 2))
    await asyncio.to_thread(mosquitto.wait_logged, "Received SUBSCRIBE")
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.publish("emotion/v1/default/calls/c/customer/utterance", b"live", qos=1)
    census = await looking
    await link.close()
    assert (census.seen, census.junk) == (3, ((Junk.NEVER_RETAINED, junk.topic),))
    assert census.counts == {Junk.NEVER_RETAINED: 1}


async def test_nothing_retained_is_nothing_seen(mosquitto: Any) -> None:
    link = await connect(MqttSettings(mosquitto.url))
    assert (await look(link, "emotion", 0.1)).seen == 0
    await link.close()


async def test_a_broker_that_is_gone_is_said(mosquitto: Any) -> None:
    link = await connect(MqttSettings(mosquitto.url))
    mosquitto.stop()
    with pytest.raises(LinkError, match="the broker is gone"):
        await look(link, "emotion", 5)
    await link.close()


async def test_a_subscription_that_is_forbidden_is_said(mosquitto: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    link = await connect(MqttSettings(mosquitto.url))

    async def forbidden(*_: Any, **__: Any) -> list[int]:
        return [0x80]

    monkeypatch.setattr(link, "subscribe", forbidden)
    with pytest.raises(LinkError, match=r"may not subscribe to emotion/v1/#"):
        await look(link, "emotion", 5)
    await link.close()
