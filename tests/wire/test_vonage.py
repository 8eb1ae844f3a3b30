"""Vonage Voice API WebSockets; the messages are written from the vendor's documents, not from a client of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.events import Audio, Dialect, Encoding, Fault, Role, Start, Stop, WireEvent, Withdraw
from streamer.wire.vonage import Vonage

CONNECTED = '{"event":"websocket:connected","content-type":"audio/l16;rate=16000","call-id":"abc","agent-id":"7"}'
DTMF = '{"event":"websocket:dtmf","digit":"5","duration":260}'
MESSAGE = 320 * b"\x01\x02"
"""20 ms at 16 kHz."""


def never() -> str:
    raise AssertionError("an id was made where the call had one")


def connected(**changes: Any) -> str:
    message = {**json.loads(CONNECTED), **{name.replace("_", "-"): value for name, value in changes.items()}}
    return json.dumps({name: value for name, value in message.items() if value is not ...})


def start_of(message: str, **options: Any) -> Start:
    found = Vonage(never, **options).receive(message)
    assert isinstance(found[0], Start)
    return found[0]


def live() -> Vonage:
    dialect = Vonage(never)
    assert isinstance(dialect.receive(CONNECTED)[0], Start)
    return dialect


def fault_of(found: list[WireEvent]) -> Fault:
    (fault,) = found
    assert isinstance(fault, Fault)
    assert fault.close_code == 1008
    assert "\n" not in fault.message
    return fault


def test_a_stream_as_documented_is_understood() -> None:
    dialect = Vonage(never)
    assert dialect.receive(CONNECTED) == [
        Start(call_id="abc", roles=(Role.UNKNOWN,), encoding=Encoding.PCM_S16LE, rate_hz=16000)
    ]
    assert dialect.receive(MESSAGE) == [Audio(0, MESSAGE)]
    assert dialect.receive(DTMF) == []
    assert dialect.closed() == [Stop()]
    assert dialect.closed() == dialect.receive(MESSAGE) == []


def test_it_speaks_as_all_dialects_do_and_has_nothing_to_say() -> None:
    dialect: Dialect = live()
    assert dialect.name == "vonage"
    said = [dialect.ready("S1", ("unknown",)), dialect.event(b"{}"), dialect.fault(Fault("x", "y")), dialect.ended(1)]
    assert said == [[], [], [], []]


@pytest.mark.parametrize(
    ("form", "rate_hz"),
    [
        ("audio/l16;rate=8000", 8000),
        ("audio/l16;rate=24000", 24000),
        (" Audio/L16 ; rate = 16000 ", 16000),
        ("audio/l16;rate=16000;channels=1", 16000),
    ],
)
def test_the_rate_stands_in_the_content_type(form: str, rate_hz: int) -> None:
    assert start_of(connected(content_type=form)).rate_hz == rate_hz


def test_the_header_that_names_the_call_is_configured() -> None:
    assert start_of(connected(call_id=...), call_header="agent-id").call_id == "7"


@pytest.mark.parametrize("value", [..., "", None, {"id": 1}, "x" * 300])
def test_a_call_that_nobody_named_gets_an_id(value: Any) -> None:
    (start,) = Vonage(lambda: "made").receive(connected(call_id=value))
    assert isinstance(start, Start)
    assert start.call_id == "made"


def test_who_is_heard_is_configured() -> None:
    assert start_of(connected(), role=Role.CUSTOMER).roles == (Role.CUSTOMER,)


def test_only_headers_that_are_configured_become_labels() -> None:
    assert start_of(connected()).labels == {}
    assert start_of(connected(), label_headers=["agent-id"]).labels == {"agent-id": "7"}


def test_headers_say_that_the_person_was_told_or_objected() -> None:
    assert start_of(connected(notice="true")).notice
    assert not start_of(connected(notice="false")).notice
    assert [type(event) for event in Vonage(never).receive(connected(withdraw="1"))] == [Start, Withdraw]


def test_the_high_byte_may_come_first() -> None:
    dialect = Vonage(never, byte_order="big")
    dialect.receive(CONNECTED)
    assert dialect.receive(b"\x01\x02\x03") == [Audio(0, b"\x02\x01")]


@given(st.lists(st.binary(max_size=700), max_size=9))
def test_messages_of_any_size_give_whole_samples(pieces: list[bytes]) -> None:
    dialect = live()
    heard = b"".join(event.payload for piece in pieces for event in dialect.receive(piece))
    sent = b"".join(pieces)
    assert heard == sent[: len(sent) // 2 * 2]


def test_pressed_digits_say_nothing_and_leave_no_trace() -> None:
    dialect = live()
    assert dialect.receive(DTMF.replace('"5"', '"98431277"')) == []
    assert dialect.unknown_events == 0
    assert "98431277" not in repr(vars(dialect))


@pytest.mark.parametrize("text", ['{"event":"websocket:weather"}', '{"event":"","digit":[]}'])
def test_events_of_tomorrow_are_ignored_and_counted(text: str) -> None:
    for dialect in (Vonage(never), live()):
        assert dialect.receive(text) == []
        assert dialect.unknown_events == 1
    assert dialect.receive(MESSAGE) == [Audio(0, MESSAGE)]


@pytest.mark.parametrize(
    ("message", "code", "names"),
    [
        (MESSAGE, "audio_before_start", "websocket:connected"),
        ("hello", "bad_json", "JSON"),
        ("{}", "bad_json", "event"),
        ('{"event":7}', "bad_json", "event"),
        (connected(content_type=...), "bad_media_format", "content-type"),
        (connected(content_type="audio/opus"), "bad_media_format", "'audio/opus'"),
        (connected(content_type="audio/l16"), "bad_media_format", "rate"),
        (connected(content_type="audio/l16;rate=11025"), "bad_sample_rate", "'11025'"),
        (connected(content_type="audio/l16;rate=" + 99 * "9"), "bad_media_format", "999"),
        (connected(content_type={"rate": 8000}), "bad_media_format", "content-type"),
    ],
)
def test_a_wrong_beginning_is_refused_in_words(message: str | bytes, code: str, names: str) -> None:
    dialect = Vonage(never)
    fault = fault_of(dialect.receive(message))
    assert fault.code == code
    assert names in fault.message
    assert dialect.receive(CONNECTED) == dialect.closed() == []


def test_one_socket_is_one_call() -> None:
    assert fault_of(live().receive(CONNECTED)).code == "start_twice"


def test_a_socket_that_closes_before_the_call_began_was_no_call() -> None:
    assert Vonage(never).closed() == []


messages = st.binary(max_size=9) | st.sampled_from(
    [CONNECTED, DTMF, "", "x", "\ud800", "[]", '{"event":null}', connected(content_type="audio/l16;rate=1")]
)


@given(st.lists(messages, max_size=10))
def test_no_message_makes_it_raise_and_nothing_follows_a_fault(received: list[str | bytes]) -> None:
    dialect = Vonage(lambda: "made")
    found = [event for message in received for event in dialect.receive(message)] + dialect.closed()
    faults = [n for n, event in enumerate(found) if isinstance(event, Fault)]
    assert faults in ([], [len(found) - 1])
    assert not found or isinstance(found[0], Start | Fault)
