"""Telnyx media streaming; the messages are written from the vendor's documents, not from a client of ours."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.events import Audio, Encoding, Fault, Missing, Role, Start, Stop, WireEvent
from streamer.wire.telnyx import Telnyx

CONNECTED = '{"event":"connected","version":"1.0.0","connected":{"x-telnyx-streaming-auth-token":"c0ffee"}}'
START = """{"event":"start","sequence_number":"1","stream_id":"32DE0DEA-53CB-4B21-89A4-9E1819C043BC",
  "start":{"user_id":"3E6F995F","call_control_id":"v3:T02llQxIyaRkhfRKxgAP8nY511EhFLiz","call_session_id":"ff55a038",
  "from":"+13122010094","to":"+13122123456","tags":["vip"],"client_state":"aGk=",
  "custom_parameters":{"customer_id":"customer_123"},
  "media_format":{"encoding":"PCMU","sample_rate":8000,"channels":1}}}"""
MEDIA = """{"event":"media","sequence_number":"4","stream_id":"32DE0DEA-53CB-4B21-89A4-9E1819C043BC",
  "media":{"track":"inbound","chunk":"1","timestamp":"5","payload":"//79/w=="}}"""
DTMF = """{"event":"dtmf","stream_id":"32DE0DEA-53CB-4B21-89A4-9E1819C043BC","occurred_at":"2026-11-22T08:54:19Z",
  "sequence_number":"5","dtmf":{"digit":"1"}}"""
STOP = """{"event":"stop","sequence_number":"6","stream_id":"32DE0DEA-53CB-4B21-89A4-9E1819C043BC",
  "stop":{"user_id":"3E6F995F","call_control_id":"v3:T02llQxIyaRkhfRKxgAP8nY511EhFLiz"}}"""


def start(**form: Any) -> str:
    message = json.loads(START)
    message["start"]["media_format"].update(form)
    return json.dumps(message)


def media(chunk: Any, payload: bytes = b"\xff", track: str = "inbound", **changes: Any) -> str:
    fields = {"track": track, "chunk": chunk, "payload": base64.b64encode(payload).decode()}
    if str(chunk).isdecimal():
        fields["timestamp"] = str(20 * int(chunk))
    return json.dumps({"event": "media", "media": {**fields, **changes}})


def live(message: str = START, **options: Any) -> Telnyx:
    dialect = Telnyx(**options)
    assert isinstance(dialect.receive(message)[0], Start)
    return dialect


def heard(dialect: Telnyx, *messages: str) -> list[bytes]:
    return [event.payload for one in messages for event in dialect.receive(one) if isinstance(event, Audio)]


def test_a_stream_as_documented_is_understood() -> None:
    dialect = Telnyx(label_parameters=["customer_id"])
    assert dialect.receive(CONNECTED) == []
    assert dialect.receive(START) == [
        Start(
            call_id="v3:T02llQxIyaRkhfRKxgAP8nY511EhFLiz",
            roles=(Role.CUSTOMER, Role.AGENT),
            encoding=Encoding.PCMU,
            rate_hz=8000,
            labels={"customer_id": "customer_123"},
            has_media_clock=True,
        )
    ]
    assert dialect.receive(MEDIA) == [Missing(2), Audio(0, b"\xff\xfe\xfd\xff", 5)]
    assert dialect.receive(DTMF) == []
    assert dialect.receive(STOP) == [Stop()]
    assert dialect.unknown_events == 0


def test_both_tracks_are_there_whether_or_not_start_or_configuration_names_them() -> None:
    (begun,) = Telnyx(roles={"outbound": "customer"}).receive(START)
    assert isinstance(begun, Start)
    assert begun.roles == (Role.UNKNOWN, Role.CUSTOMER)
    dialect = live()
    assert dialect.receive(media(1, track="outbound")) == [Audio(1, b"\xff", 20)]
    (fault,) = dialect.receive(media(1, track="third"))
    assert isinstance(fault, Fault)
    assert fault.code == "unknown_track"


@pytest.mark.parametrize(
    ("form", "taken"),
    [
        ({"encoding": "audio/x-mulaw"}, (Encoding.PCMU, 8000)),
        ({"encoding": "PCMA"}, (Encoding.PCMA, 8000)),
        ({"encoding": "audio/x-alaw", "sample_rate": "8000"}, (Encoding.PCMA, 8000)),
        ({"encoding": "L16", "sample_rate": 16000}, (Encoding.PCM_S16LE, 16000)),
        ({"encoding": "G722", "sample_rate": 8000}, (Encoding.PCM_S16LE, 16000)),
        ({"encoding": "audio/G722", "sample_rate": 16000}, (Encoding.PCM_S16LE, 16000)),
    ],
)
def test_both_spellings_of_a_codec_are_taken(form: dict[str, Any], taken: tuple[Encoding, int]) -> None:
    (begun,) = Telnyx(new_g722=lambda: bytes).receive(start(**form))
    assert isinstance(begun, Start)
    assert (begun.encoding, begun.rate_hz) == taken


@pytest.mark.parametrize(
    "form",
    [
        {"encoding": "OPUS", "sample_rate": 48000},
        {"encoding": "AMR-WB", "sample_rate": 16000},
        {"encoding": "G722"},
        {"encoding": "PCMU", "sample_rate": 16000},
        {"encoding": "PCMU", "channels": 2},
        {"encoding": ""},
    ],
)
def test_another_format_is_refused_with_what_to_set(form: dict[str, Any]) -> None:
    (fault,) = Telnyx().receive(start(**form))
    assert isinstance(fault, Fault)
    assert fault.code == "bad_media_format"
    assert 'codec="PCMU"' in fault.message
    assert "stream_codec" in fault.message


def test_media_that_overtook_each_other_are_heard_in_order_on_each_track() -> None:
    dialect = live()
    order = [("inbound", 1), ("outbound", 2), ("inbound", 3), ("outbound", 1), ("inbound", 2)]
    found = [event for track, n in order for event in dialect.receive(media(n, bytes([n]), track))]
    assert [(event.channel, event.payload) for event in found if isinstance(event, Audio)] == [
        (0, b"\x01"),
        (1, b"\x01"),
        (1, b"\x02"),
        (0, b"\x02"),
        (0, b"\x03"),
    ]


def test_a_chunk_that_never_comes_holds_up_the_others_no_longer_than_the_window() -> None:
    dialect = live(reorder_ms=40)
    assert heard(dialect, *(media(n, bytes([n])) for n in (1, 3, 4))) == [b"\x01"]
    assert heard(dialect, media(5, b"\x05")) == [b"\x03", b"\x04", b"\x05"]
    assert heard(dialect, media(2, b"\x02")) == []
    assert dialect.late_chunks == 1


@pytest.mark.parametrize("end", ["stop", "close"])
def test_what_waits_for_its_order_is_heard_before_the_end(end: str) -> None:
    dialect = live()
    heard(dialect, media(1), media(3, b"\x03"))
    found: list[WireEvent] = dialect.receive('{"event":"stop"}') if end == "stop" else dialect.closed()
    assert found[0] == Audio(0, b"\x03", 60)
    assert found[1:] == ([Stop()] if end == "stop" else [])
    assert dialect.closed() == []


def test_a_chunk_without_a_number_is_heard_as_it_comes() -> None:
    assert heard(live(), media(None, b"\x01"), media("?", b"\x02")) == [b"\x01", b"\x02"]


@settings(deadline=None)
@given(st.permutations(range(1, 13)), st.sets(st.integers(1, 12)))
def test_a_decoder_with_a_memory_hears_each_track_in_order(order: list[int], lost: set[int]) -> None:
    given_to: list[list[int]] = []

    def new_decoder() -> Any:
        mine: list[int] = []
        given_to.append(mine)
        return lambda data: mine.extend(data) or data * 4

    dialect = live(start(encoding="G722"), new_g722=new_decoder)
    came = [n for n in order if n not in lost]
    found = [event for n in came for event in dialect.receive(media(n, bytes([n])))] + dialect.receive(STOP)
    pieces = [event for event in found if isinstance(event, Audio)]
    assert [piece.payload for piece in pieces] == [bytes([n]) * 4 for n in given_to[0]]
    assert given_to[0] == sorted(set(given_to[0])) != [] if came else not given_to[0]
    assert len(given_to[0]) + dialect.late_chunks == len(came)
    assert given_to[1] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"payload": {"code": 100002, "title": "call +4930123456", "detail": "secret"}}, "100002"),
        ({"error": {"code": "invalid_media"}}, "invalid_media"),
        ({"payload": {"code": "+4930123456"}}, "unknown"),
        ({"payload": {"code": 4930123456}}, "unknown"),
        ({"payload": "words"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_of_an_error_only_the_code_is_passed_on_and_the_stream_goes_on(body: dict[str, Any], code: str) -> None:
    codes: list[str] = []
    dialect = live(on_error=codes.append)
    assert dialect.receive(json.dumps({"event": "error", **body})) == []
    assert codes == [code]
    assert dialect.unknown_events == 0
    assert heard(dialect, media(1)) == [b"\xff"]
