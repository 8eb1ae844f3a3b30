"""Twilio Media Streams; the messages are written from the vendor's documents, not from a client of ours."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.events import Audio, Dialect, Encoding, Fault, Missing, Role, Start, Stop, WireEvent, Withdraw
from streamer.wire.twilio import Twilio

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
START = """{"event":"start","sequenceNumber":"1","streamSid":"MZ11","start":{"accountSid":"AC1","callSid":"CA1",
  "streamSid":"MZ11","tracks":["inbound","outbound"],
  "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},
  "customParameters":{"agentId":"7","token":"c0ffee"}}}"""
MEDIA = """{"event":"media","sequenceNumber":"2","streamSid":"MZ11","media":{"track":"inbound","chunk":"1",
  "timestamp":"5","payload":"//79/w=="}}"""
DTMF = """{"event":"dtmf","sequenceNumber":"9","streamSid":"MZ11","dtmf":{"track":"inbound_track","digit":"1"}}"""
MARK = """{"event":"mark","sequenceNumber":"12","streamSid":"MZ11","mark":{"name":"m1"}}"""
STOP = """{"event":"stop","sequenceNumber":"99","streamSid":"MZ11","stop":{"accountSid":"AC1","callSid":"CA1"}}"""
CLOSED = '{"event":"closed"}'


def start(top: dict[str, Any] | None = None, **changes: Any) -> str:
    message = json.loads(START)
    message.update(top or {})
    message["start"].update(changes)
    message["start"] = {key: value for key, value in message["start"].items() if value is not ...}
    return json.dumps(message)


def media(number: Any = ..., stream: str = "MZ11", **changes: Any) -> str:
    message = json.loads(MEDIA)
    message["streamSid"] = stream
    message["media"].update(changes)
    message["media"] = {key: value for key, value in message["media"].items() if value is not ...}
    del message["sequenceNumber"]
    return json.dumps(message if number is ... else {**message, "sequenceNumber": number})


def live(**changes: Any) -> Twilio:
    dialect = Twilio(**changes)
    assert dialect.receive(CONNECTED) == []
    (begun,) = dialect.receive(START)
    assert isinstance(begun, Start)
    return dialect


def fault_of(found: list[WireEvent]) -> Fault:
    (fault,) = found
    assert isinstance(fault, Fault)
    assert fault.close_code == 1008
    assert "\n" not in fault.message
    return fault


def test_a_stream_as_documented_is_understood() -> None:
    dialect = Twilio()
    assert dialect.receive(CONNECTED) == []
    assert dialect.receive(START) == [
        Start(
            call_id="CA1",
            roles=(Role.CUSTOMER, Role.AGENT),
            encoding=Encoding.PCMU,
            rate_hz=8000,
            has_media_clock=True,
        )
    ]
    assert dialect.receive(MEDIA) == [Audio(0, b"\xff\xfe\xfd\xff", 5)]
    assert dialect.receive(media("3", track="outbound", timestamp="25")) == [Audio(1, b"\xff\xfe\xfd\xff", 25)]
    assert dialect.receive(STOP.replace('"99"', '"4"')) == [Stop()]
    assert dialect.receive(CLOSED) == []


def test_it_speaks_as_all_dialects_do_and_has_nothing_to_say() -> None:
    dialect: Dialect = Twilio()
    assert dialect.name == "twilio"
    said = [dialect.ready("S1", ("customer",)), dialect.event(b"{}"), dialect.fault(Fault("x", "y")), dialect.ended(1)]
    assert said == [[], [], [], []]


def test_numbers_are_read_from_text_and_from_numbers() -> None:
    form = {"encoding": "audio/x-mulaw", "sampleRate": "8000", "channels": "1"}
    dialect = Twilio()
    (begun,) = dialect.receive(start({"sequenceNumber": 1}, mediaFormat=form))
    assert isinstance(begun, Start)
    assert dialect.receive(media(2, timestamp=5)) == [Audio(0, b"\xff\xfe\xfd\xff", 5)]
    assert dialect.receive(media("3", timestamp="25")) == [Audio(0, b"\xff\xfe\xfd\xff", 25)]


def test_media_without_a_timestamp_goes_by_sample_count() -> None:
    assert live().receive(media("2", timestamp=...)) == [Audio(0, b"\xff\xfe\xfd\xff", None)]


def test_pressed_digits_marks_and_old_messages_say_nothing_and_leave_no_trace() -> None:
    dialect = live()
    found = [dialect.receive(message) for message in (DTMF.replace('"9"', '"2"'), MARK.replace('"12"', '"3"'), CLOSED)]
    assert found == [[], [], []]
    assert dialect.unknown_events == 0
    assert "digit" not in repr(vars(dialect))


@pytest.mark.parametrize("message", ['{"event":"weather"}', '{"event":"weather","media":7,"start":[]}'])
def test_events_of_tomorrow_are_ignored_and_counted(message: str) -> None:
    dialect = live()
    assert dialect.receive(message) == []
    assert dialect.unknown_events == 1
    assert dialect.receive(MEDIA) == [Audio(0, b"\xff\xfe\xfd\xff", 5)]


@pytest.mark.parametrize(
    ("roles", "tracks", "heard"),
    [
        ({"inbound": "agent", "outbound": "customer"}, ["inbound", "outbound"], (Role.AGENT, Role.CUSTOMER)),
        ({"inbound": "customer"}, ["outbound", "inbound"], (Role.UNKNOWN, Role.CUSTOMER)),
        ({}, ["inbound"], (Role.UNKNOWN,)),
        ({"inbound": "customer"}, ["inbound_track", "inbound"], (Role.CUSTOMER,)),
    ],
)
def test_who_is_heard_on_a_track_is_configured(
    roles: dict[str, str], tracks: list[str], heard: tuple[Role, ...]
) -> None:
    (begun,) = Twilio(roles=roles).receive(start(tracks=tracks))
    assert isinstance(begun, Start)
    assert begun.roles == heard


def test_only_allowed_parameters_become_labels() -> None:
    (begun,) = Twilio(label_parameters=["agentId", "queue"]).receive(START)
    assert isinstance(begun, Start)
    assert begun.labels == {"agentId": "7"}


@pytest.mark.parametrize(
    ("value", "told"), [("true", True), ("1", True), ("True", True), ("false", False), ("0", False), ("", False)]
)
def test_a_parameter_says_whether_the_person_has_been_told(value: str, told: bool) -> None:
    (begun,) = Twilio().receive(start(customParameters={"notice": value}))
    assert isinstance(begun, Start)
    assert begun.notice is told


def test_the_right_token_opens() -> None:
    assert isinstance(Twilio(token="c0ffee").receive(START)[0], Start)


@pytest.mark.parametrize(
    "parameters", [{}, {"token": ""}, {"token": "c0ffe"}, {"token": "C0FFEE"}, {"token": "ç"}, ...]
)
def test_a_wrong_or_missing_token_does_not(parameters: Any) -> None:
    fault = fault_of(Twilio(token="c0ffee").receive(start(customParameters=parameters)))
    assert fault.code == "bad_token"
    assert "c0ffe" not in fault.message.lower()


def numbered(numbers: list[int]) -> list[WireEvent]:
    dialect = live()
    found = [event for number in numbers for event in dialect.receive(media(str(number)))]
    return [event for event in found if isinstance(event, Missing)]


def test_messages_that_never_came_are_counted() -> None:
    assert numbered([2, 3, 6, 7]) == [Missing(2)]


def test_a_message_that_comes_late_is_taken_back() -> None:
    assert numbered([2, 5, 3, 6]) == [Missing(2), Missing(-1)]


def test_a_message_that_comes_twice_is_no_loss() -> None:
    assert numbered([2, 3, 3, 2, 4]) == []


def test_a_platform_that_counts_anew_has_lost_nothing() -> None:
    assert numbered([2, 10_000_000, 10_000_001]) == []


def test_messages_other_than_media_count_too() -> None:
    dialect = live()
    assert dialect.receive(MEDIA) == [Audio(0, b"\xff\xfe\xfd\xff", 5)]
    assert dialect.receive(DTMF) == [Missing(6)]
    assert dialect.receive(media("10")) == [Audio(0, b"\xff\xfe\xfd\xff", 5)]


@given(st.permutations(range(2, 30)), st.sets(st.integers(2, 28)))
def test_in_the_end_the_count_of_missing_messages_is_right(order: list[int], lost: set[int]) -> None:
    came = [number for number in order if number not in lost]
    missing = sum(event.messages for event in numbered(came) if isinstance(event, Missing))
    assert missing == sum(number not in came for number in range(2, max(came) + 1))


@pytest.mark.parametrize(
    ("message", "code", "names"),
    [
        ("", "bad_json", "JSON"),
        ("[]", "bad_json", "array"),
        ("{}", "bad_json", "event"),
        ('{"event":7}', "bad_json", "event"),
        ('{"event":"start","x":' + "[" * 100_000, "bad_json", "nested"),
        ("\ud800", "bad_json", "surrogate"),
        (b"\xff\x7f", "not_text", "binary"),
        (MEDIA, "audio_before_start", "media"),
        (STOP, "not_started", "stop"),
        ('{"event":"start","streamSid":"MZ1"}', "bad_start", "start"),
        (start(callSid=...), "bad_start", "callSid"),
        (start(callSid=""), "bad_start", "callSid"),
        (start(tracks=...), "bad_start", "tracks"),
        (start(tracks=[]), "bad_start", "tracks"),
        (start(tracks=["a"] * 5), "bad_start", "tracks"),
        (start({"streamSid": "MZ12"}), "bad_start", "streamSid"),
        (start(customParameters={"a": 1}), "bad_start", "customParameters"),
        (start(mediaFormat=...), "bad_start", "mediaFormat"),
        (start(mediaFormat={"encoding": "audio/l16", "sampleRate": 8000, "channels": 1}), "bad_media_format", "l16"),
        (
            start(mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1}),
            "bad_media_format",
            "16",
        ),
        (
            start(mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2}),
            "bad_media_format",
            "'2'",
        ),
        (start(mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": "?", "channels": 1}), "bad_media_format", "'?'"),
    ],
)
def test_a_wrong_beginning_is_refused_in_words(message: str | bytes, code: str, names: str) -> None:
    fault = fault_of(Twilio().receive(message))
    assert fault.code == code
    assert names in fault.message


@pytest.mark.parametrize(
    ("message", "code", "names"),
    [
        (START, "start_twice", "start"),
        (start(callSid="CA2", streamSid="MZ12"), "start_twice", "start"),
        (media(stream="MZ12"), "wrong_stream", "media"),
        (STOP.replace("MZ11", "MZ12"), "wrong_stream", "stop"),
        (media(track="third"), "unknown_track", "'third'"),
        (media(track=...), "bad_media", "track"),
        (media(payload="?"), "bad_media", "payload"),
        (media(payload=...), "bad_media", "payload"),
        (media(timestamp="soon"), "bad_media", "'soon'"),
        (media(timestamp="-5"), "bad_media", "'-5'"),
        (media(timestamp="9" * 5000), "bad_media", "999..."),
        (media(timestamp=[]), "bad_media", "timestamp"),
        ('{"event":"media"}', "bad_media", "media"),
        (b"", "not_text", "binary"),
    ],
)
def test_a_wrong_message_in_a_stream_is_refused_in_words(message: str | bytes, code: str, names: str) -> None:
    fault = fault_of(live().receive(message))
    assert fault.code == code
    assert names in fault.message
    assert len(fault.message) < 300


@pytest.mark.parametrize("message", [START, MEDIA])
def test_after_stop_no_audio_and_no_start_is_taken(message: str) -> None:
    dialect = live()
    dialect.receive(STOP)
    assert fault_of(dialect.receive(message)).code == "after_stop"


@pytest.mark.parametrize("message", [STOP, DTMF, MARK, CLOSED, CONNECTED, '{"event":"weather"}'])
def test_after_stop_the_rest_is_let_pass(message: str) -> None:
    dialect = live()
    dialect.receive(STOP)
    assert all(isinstance(event, Missing) for event in dialect.receive(message))


def test_after_a_fault_nothing_is_heard() -> None:
    dialect = Twilio()
    fault_of(dialect.receive(MEDIA))
    assert dialect.receive(START) == []


def test_a_role_that_is_none_is_refused_when_configured() -> None:
    with pytest.raises(ValueError, match="'boss'"):
        Twilio(roles={"inbound": "boss"})


@pytest.mark.parametrize("name", ["token", "notice"])
def test_a_parameter_with_a_meaning_cannot_become_a_label(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Twilio(label_parameters=[name])


@given(st.lists(st.binary(min_size=1, max_size=500), max_size=20))
def test_every_payload_arrives_as_it_was(payloads: list[bytes]) -> None:
    dialect = live()
    found = [
        event
        for n, payload in enumerate(payloads)
        for event in dialect.receive(
            media(str(n + 2), timestamp=str(20 * n), payload=base64.b64encode(payload).decode())
        )
    ]
    assert found == [Audio(0, payload, 20 * n) for n, payload in enumerate(payloads)]


fields = st.dictionaries(
    st.sampled_from(["event", "sequenceNumber", "streamSid", "start", "media", "track", "payload", "timestamp"]),
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
)
messages = st.one_of(
    st.binary(max_size=50),
    st.text(max_size=50),
    st.sampled_from([CONNECTED, START, MEDIA, DTMF, MARK, STOP, CLOSED]),
    fields.map(json.dumps),
    fields.map(lambda inner: json.dumps({**json.loads(MEDIA), "media": inner})),
    fields.map(lambda inner: json.dumps({**json.loads(START), "start": inner})),
)


@given(st.lists(messages, max_size=20))
def test_no_message_makes_it_raise_and_nothing_follows_a_fault(received: list[str | bytes]) -> None:
    dialect = Twilio()
    found = [event for message in received for event in dialect.receive(message)]
    faults = [n for n, event in enumerate(found) if isinstance(event, Fault)]
    assert faults in ([], [len(found) - 1])


def test_a_parameter_says_that_the_person_has_objected() -> None:
    message = start(customParameters={"withdraw": "true"})
    found = Twilio().receive(message)
    assert [type(event) for event in found] == [Start, Withdraw]
    assert [type(event) for event in Twilio().receive(start(customParameters={"withdraw": "false"}))] == [Start]


def test_a_stream_without_an_id_of_its_own_is_taken() -> None:
    dialect = Twilio()
    assert isinstance(dialect.receive(start({"streamSid": None}, streamSid=...))[0], Start)
    assert isinstance(dialect.receive(MEDIA)[-1], Audio)


def test_a_socket_that_closes_says_nothing_of_the_call() -> None:
    assert Twilio().closed() == []
    assert live().closed() == []
    stopped = live()
    stopped.receive(STOP)
    assert stopped.closed() == []
