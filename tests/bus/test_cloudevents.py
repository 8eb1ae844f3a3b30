"""Messages: ids that are stable and sort, times, and every event on its topic with its properties."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client import events
from streamer_client.events import (
    AcknowledgementData,
    AcknowledgementEvent,
    AlertData,
    AlertEvent,
    CallRef,
    Cut,
    Emotion,
    EndedData,
    EndedEvent,
    Event,
    Latency,
    ModelRef,
    PartialEvent,
    Quality,
    Severity,
    Speaker,
    StateData,
    StateEvent,
    Status,
    StatusData,
    StatusEvent,
    Utterance,
    UtteranceData,
    UtteranceEvent,
)

from streamer.bus.cloudevents import Kind, call_key, call_of, cleared, event_id, outgoing, rfc3339
from streamer.bus.topics import Topics

CALL = CallRef(id="CA1", tenant="acme", dialect="twilio")
VERDICT = UtteranceData(
    call=CALL,
    speaker=Speaker(role="customer", channel=0),
    utterance=Utterance(n=17, start_ms=61240, end_ms=64210, speech_ms=2710, cut=Cut.SILENCE),
    emotion=Emotion(top="angry", confidence=0.81, uncertain=False, scores={"angry": 0.81, "neutral": 0.19}),
    quality=Quality(snr_db=18.2, clipped=0.0, lost_ms=0),
    model=ModelRef(name="telephone", version="1.0.0", sha256="0" * 64),
    latency=Latency(hangover_ms=400, queue_ms=1.2, compute_ms=2.9),
)
COMMON = {
    "id": "01JD0000000000000000000000",
    "source": "/nodes/node-1",
    "subject": "CA1/customer/17",
    "time": "2026-11-22T10:15:04.210Z",
}
UTTERANCE = UtteranceEvent(**COMMON, sequence="0000000017", data=VERDICT)
PARTIAL = PartialEvent(**COMMON, sequence="0000000017", data=VERDICT)
STATE = StateEvent(
    **COMMON,
    data=StateData(call=CALL, status="live", roles=("customer", "agent"), analysed=("customer",), notice=True),
)
ENDED = EndedEvent(
    **COMMON, data=EndedData(call=CALL, duration_ms=90, utterances=1, overlap_ms=0, reason="stop", speakers=())
)
ALERT = AlertEvent(
    **COMMON,
    data=AlertData(
        call=CALL, rule="angry", severity=Severity.CRITICAL, role="customer", message="Angry.", utterances=("01JD",)
    ),
)
TAKEN = AcknowledgementEvent(**COMMON, data=AcknowledgementData(call=CALL, alert="01JD", by="desk-2"))
STATUS = StatusEvent(**COMMON, data=StatusData(node="node-1", status=Status.ONLINE))

times_ms = st.integers(0, 2**48 - 1)
ids = st.tuples(st.text(max_size=20), st.text(max_size=9), st.text(max_size=9), st.integers(0, 10**9))


@given(ids, times_ms)
def test_an_id_is_26_characters_of_crockfords_base_32_and_always_the_same(
    what: tuple[str, str, str, int], at: int
) -> None:
    made = event_id(*what, at)
    assert len(made) == 26
    assert set(made) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert made[0] <= "7"  # 128 bits in 130
    assert event_id(*what, at) == made


@given(ids, ids, times_ms, times_ms)
def test_ids_sort_by_time(first: tuple[str, str, str, int], second: tuple[str, str, str, int], a: int, b: int) -> None:
    if a != b:
        assert (event_id(*first, a) < event_id(*second, b)) == (a < b)


@given(st.sets(ids, min_size=2, max_size=30), times_ms)
def test_different_events_of_one_moment_have_different_ids(whats: set[tuple[str, str, str, int]], at: int) -> None:
    assert len({event_id(*what, at) for what in whats}) == len(whats)


def test_the_time_of_an_id_is_that_of_the_ulid_specification() -> None:
    # The example of https://github.com/ulid/spec: 1469918176385 ms is "01ARYZ6S41".
    assert event_id("s", "utterance", "customer", 1, 1469918176385).startswith("01ARYZ6S41")


@pytest.mark.parametrize("at", [-1, 2**48])
def test_a_time_that_does_not_fit_is_refused(at: int) -> None:
    with pytest.raises(ValueError, match="expected ms since 1970"):
        event_id("s", "utterance", "customer", 1, at)


def test_times_are_utc_with_milliseconds() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1795342504.21) == "2026-11-22T10:15:04.210Z"
    assert rfc3339(1.9996) == "1970-01-01T00:00:02.000Z"


@pytest.mark.parametrize(
    ("event", "kind", "topic", "qos", "retain"),
    [
        (UTTERANCE, Kind.UTTERANCE, "emotion/v1/acme/calls/CA1/customer/utterance", 1, False),
        (PARTIAL, Kind.PARTIAL, "emotion/v1/acme/calls/CA1/customer/partial", 0, False),
        (STATE, Kind.STATE, "emotion/v1/acme/calls/CA1/state", 1, True),
        (ENDED, Kind.ENDED, "emotion/v1/acme/calls/CA1/ended", 1, False),
        (ALERT, Kind.ALERT, "emotion/v1/acme/alerts/critical", 1, False),
        (TAKEN, Kind.ALERT, "emotion/v1/acme/acknowledgements", 1, False),
        (STATUS, Kind.STATUS, "emotion/v1/nodes/node-1/status", 1, True),
    ],
)
def test_every_event_goes_where_the_contract_says(event: Event, kind: Kind, topic: str, qos: int, retain: bool) -> None:
    message = outgoing(event, Topics(), "session")
    assert (message.kind, message.topic, message.qos, message.retain) == (kind, topic, qos, retain)
    assert message.content_type == "application/cloudevents+json"
    assert events.decode(message.payload) == event


@pytest.mark.parametrize("event", [UTTERANCE, PARTIAL, STATE, ENDED, ALERT, STATUS])
def test_the_user_properties_repeat_the_events_attributes(event: Event) -> None:
    message = outgoing(event, Topics())
    payload = json.loads(message.payload)
    assert [name for name, _ in message.properties] == ["specversion", "type", "source", "subject", "id"]
    assert all(payload[name] == value for name, value in message.properties)
    assert message.id == payload["id"]


def test_only_partials_expire() -> None:
    assert outgoing(PARTIAL, Topics()).expiry_s == 30
    assert [outgoing(event, Topics()).expiry_s for event in (UTTERANCE, STATE, ENDED, ALERT, STATUS)] == [None] * 5


def test_the_events_of_a_call_share_a_key_and_a_nodes_status_has_none() -> None:
    keys = {outgoing(event, Topics(), "s1").call_key for event in (UTTERANCE, PARTIAL, STATE, ENDED, ALERT)}
    assert keys == {call_key("acme", "CA1", "s1")}
    assert outgoing(STATUS, Topics(), "s1").call_key == ""
    assert [call_of(key) for key in (*keys, "")] == ["CA1", None]


def test_clearing_a_state_is_an_empty_retained_message_with_an_id_of_its_own() -> None:
    state = outgoing(STATE, Topics(), "s1")
    message = cleared(state)
    assert (message.kind, message.payload, message.retain, message.qos) == (Kind.CLEAR, b"", True, 1)
    assert (message.topic, message.call_key) == (state.topic, state.call_key)
    assert message.id != state.id
    assert cleared(state) == message
