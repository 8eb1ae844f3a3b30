"""Which messages are events for the service, and which must not disturb it."""

from __future__ import annotations

from typing import Any

import aiomqtt
import pytest
from streamer_client.alerts.memory import Cleared
from streamer_client.alerts.reader import Reader
from streamer_client.events import encode
from streamer_client.share import Share

TOPIC = "emotion/v1/default/calls/CA1/customer/utterance"


def message(payload: Any, topic: str = TOPIC, *, retain: bool = False) -> aiomqtt.Message:
    return aiomqtt.Message(topic=topic, payload=payload, qos=1, retain=retain, mid=1, properties=None)


def test_an_event_of_the_tenant_is_read(make: Any) -> None:
    assert Reader("default").read(message(encode(make.utterance()))) == make.utterance()
    assert Reader("+").read(
        message(encode(make.utterance(tenant="acme")), TOPIC.replace("default", "acme"))
    ) == make.utterance(tenant="acme")


def test_what_an_earlier_subscription_left_in_the_session_is_left_out(make: Any) -> None:
    reader = Reader("default")
    acme = TOPIC.replace("default", "acme")
    assert reader.read(message(encode(make.utterance(tenant="acme")), acme)) is None
    assert reader.read(message(b"", "emotion/v1/acme/calls/CA1/state")) is None
    assert reader.skipped == 0


def test_the_clearing_of_a_state_and_the_status_of_a_node_are_read(make: Any) -> None:
    reader = Reader("default", "emotion")
    assert reader.read(message(b"", "emotion/v1/default/calls/CA1/state")) == Cleared("default", "CA1")
    assert reader.read(message(encode(make.status()), "emotion/v1/nodes/node-1/status", retain=True)) == make.status()


def test_other_empty_messages_and_unknown_events_are_nothing_for_rules() -> None:
    reader = Reader("default")
    for topic in (TOPIC, "emotion/v1/nodes/node-1/status", "other/v1/default/calls/CA1/state"):
        assert reader.read(message(b"", topic)) is None
    assert reader.read(message(b'{"type":"emotion-streamer.laughter.v9","id":"1"}')) is None
    assert reader.skipped == 0


@pytest.mark.parametrize("tenant", ["default", "other", "a#"])
def test_who_may_acknowledge_cannot_speak_for_a_call(make: Any, tenant: str) -> None:
    reader = Reader("+")
    for event in (make.utterance(tenant=tenant), make.ended(tenant=tenant), make.alert(), make.status()):
        assert reader.read(message(encode(event), "emotion/v1/acme/acknowledgements")) is None
    assert reader.skipped == 4


def test_a_retained_state_counts_and_a_retained_utterance_does_not(make: Any) -> None:
    reader = Reader("default")
    state = message(encode(make.state()), "emotion/v1/default/calls/CA1/state", retain=True)
    assert reader.read(state) == make.state()
    assert reader.read(message(encode(make.utterance()), retain=True)) is None
    assert reader.skipped == 1


def test_rubbish_is_told_a_few_times_and_not_a_thousand(caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader("default")
    for _ in range(1000):
        assert reader.read(message(b"rubbish")) is None
    assert [record.getMessage().rpartition("(")[2] for record in caplog.records] == [
        "1 so far)",
        "10 so far)",
        "100 so far)",
        "1000 so far)",
    ]


def test_one_that_shares_reads_its_own_calls_and_what_is_everybodys(make: Any) -> None:
    members = [Reader("default", "emotion", Share(member, 2)) for member in (1, 2)]
    for event, topic in (
        (message(encode(make.utterance())), TOPIC),
        (message(b"", "emotion/v1/default/calls/CA1/state"), ""),
        (message(encode(make.alert()), "emotion/v1/default/alerts/critical"), ""),
    ):
        assert sum(member.read(event) is not None for member in members) == 1, topic
    status = message(encode(make.status()), "emotion/v1/nodes/node-1/status", retain=True)
    assert [member.read(status) for member in members] == [make.status()] * 2
    assert [member.skipped for member in members] == [0, 0]
