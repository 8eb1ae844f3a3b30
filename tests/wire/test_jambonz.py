"""jambonz' ``listen``; the messages are written from the vendor's documents, not from a client of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.events import Audio, Encoding, Fault, Role, Start, Stop, WireEvent, Withdraw
from streamer.wire.jambonz import Jambonz

FIRST = """{"sampleRate":8000,"mixType":"stereo","callSid":"0f3c-77","direction":"inbound","from":"+15083084809",
  "to":"+15083728299","callId":"sip-1","sbcCallid":"sbc-1","sipStatus":200,"sipReason":"OK","callStatus":"in-progress",
  "callerId":"Ann","accountSid":"fef6","traceId":"t1","applicationSid":"0e06","fsSipAddress":"10.0.0.1:5080",
  "customerData":{"agent":"7"}}"""


def first(**changes: Any) -> str:
    message = {**json.loads(FIRST), **changes}
    return json.dumps({name: value for name, value in message.items() if value is not ...})


def start_of(message: str, **options: Any) -> Start:
    found = Jambonz(**options).receive(message)
    assert isinstance(found[0], Start)
    return found[0]


def fault_of(found: list[WireEvent]) -> Fault:
    (fault,) = found
    assert isinstance(fault, Fault)
    assert fault.close_code == 1008
    assert "\n" not in fault.message
    return fault


def test_a_stream_as_documented_is_understood() -> None:
    dialect = Jambonz()
    assert dialect.receive(FIRST) == [
        Start(
            call_id="0f3c-77",
            roles=(Role.CUSTOMER, Role.AGENT),
            encoding=Encoding.PCM_S16LE,
            rate_hz=8000,
        )
    ]
    assert dialect.receive(b"\x01\x02\x11\x12") == [Audio(0, b"\x01\x02"), Audio(1, b"\x11\x12")]
    assert dialect.receive('{"event":"dtmf","dtmf":"2","duration":"1600"}') == []
    assert dialect.closed() == [Stop()]


@pytest.mark.parametrize(
    ("mix", "heard"),
    [("mono", (Role.CUSTOMER,)), ("mixed", (Role.UNKNOWN,)), ("stereo", (Role.CUSTOMER, Role.AGENT))],
)
def test_who_is_heard_depends_on_the_mix(mix: str, heard: tuple[Role, ...]) -> None:
    assert start_of(first(mixType=mix)).roles == heard


def test_who_is_heard_is_configured() -> None:
    crossed = {"stereo": (Role.AGENT, Role.CUSTOMER), "mono": Role.AGENT}
    assert start_of(first(), **crossed).roles == (Role.AGENT, Role.CUSTOMER)
    assert start_of(first(mixType="mono"), **crossed).roles == (Role.AGENT,)
    assert start_of(first(mixType="mixed"), **crossed).roles == (Role.UNKNOWN,)


@pytest.mark.parametrize("where", ["metadata", "customerData"])
def test_a_call_that_is_the_other_way_round_says_so(where: str) -> None:
    said = {"roles": "agent,customer"}
    message = first(**said) if where == "metadata" else first(customerData=said)
    assert start_of(message).roles == (Role.AGENT, Role.CUSTOMER)


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 32000, 48000, "16000"])
def test_rates_come_as_numbers_and_as_text(rate: Any) -> None:
    assert start_of(first(sampleRate=rate)).rate_hz == int(rate)


def test_numbers_and_names_of_callers_go_nowhere_unless_configured() -> None:
    start = start_of(first())
    assert start.labels == {}
    assert "1508" not in repr(start)
    assert "Ann" not in repr(start)
    labels = start_of(first(queue="sales"), label_fields=["queue", "agent", "callStatus"]).labels
    assert labels == {"queue": "sales", "agent": "7", "callStatus": "in-progress"}


def test_what_the_customer_put_in_does_not_hide_what_the_platform_says() -> None:
    assert start_of(first(customerData={"callSid": "forged", "sampleRate": 1})).call_id == "0f3c-77"


@pytest.mark.parametrize("data", [None, [], "x", 7])
def test_customer_data_of_any_type_is_let_pass(data: Any) -> None:
    assert start_of(first(customerData=data)).call_id == "0f3c-77"


@pytest.mark.parametrize("said", [{"notice": True}, {"customerData": {"notice": "1"}}])
def test_metadata_says_that_the_person_was_told(said: dict[str, Any]) -> None:
    assert start_of(first(**said)).notice
    assert not start_of(first()).notice


def test_metadata_says_that_the_person_objected() -> None:
    assert [type(event) for event in Jambonz().receive(first(withdraw=True))] == [Start, Withdraw]


@pytest.mark.parametrize(
    ("message", "code", "names"),
    [
        (b"\x01\x02", "audio_before_start", "text message"),
        (b"", "audio_before_start", "text message"),
        ("hello", "bad_json", "JSON"),
        ("[]", "bad_json", "array"),
        ("{}", "bad_start", "callSid"),
        (first(callSid=...), "bad_start", "callSid"),
        (first(callSid="x" * 300), "bad_start", "callSid"),
        (first(sampleRate=...), "bad_sample_rate", "sampleRate"),
        (first(sampleRate=64000), "bad_sample_rate", "'64000'"),
        (first(mixType=...), "bad_start", "mixType"),
        (first(mixType="quad"), "bad_start", "'quad'"),
        (first(roles="boss,agent"), "bad_start", "customer"),
        (first(roles="customer"), "bad_start", "stereo"),
        (first(mixType="mono", roles=["customer", "agent"]), "bad_start", "mono"),
    ],
)
def test_a_wrong_beginning_is_refused_in_words(message: str | bytes, code: str, names: str) -> None:
    dialect = Jambonz()
    fault = fault_of(dialect.receive(message))
    assert fault.code == code
    assert names in fault.message
    assert dialect.receive(FIRST) == dialect.closed() == []


def test_a_socket_that_closes_before_the_call_began_was_no_call() -> None:
    assert Jambonz().closed() == []


def test_one_role_for_two_channels_is_refused_when_configured() -> None:
    with pytest.raises(ValueError, match="two channels"):
        Jambonz(stereo=[Role.CUSTOMER])


fields = st.dictionaries(
    st.sampled_from(["sampleRate", "mixType", "callSid", "roles", "notice", "customerData"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=9), max_size=2),
)


@given(st.lists(st.binary(max_size=9) | st.text(max_size=20) | fields.map(lambda more: first(**more)), max_size=10))
def test_no_message_makes_it_raise_and_nothing_precedes_the_start(received: list[str | bytes]) -> None:
    dialect = Jambonz()
    found = [event for message in received for event in dialect.receive(message)]
    faults = [n for n, event in enumerate(found) if isinstance(event, Fault)]
    assert faults in ([], [len(found) - 1])
    assert not found or isinstance(found[0], Start | Fault)
