"""Plivo audio streams; the messages are written from the vendor's documents, not from a client of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.wire.events import Audio, Encoding, Fault, Role, Start, Stop
from streamer.wire.plivo import Plivo

START = r"""{"event":"start","sequenceNumber":0,"start":{"callId":"7a1b2c","streamId":"st-1","accountId":"MA1",
  "tracks":["inbound","outbound"],"mediaFormat":{"encoding":"audio/x-l16","sampleRate":8000}},
  "extra_headers":"{\"agent\":\"7\",\"token\":\"c0ffee\"}"}"""
MEDIA = """{"event":"media","sequenceNumber":1,"streamId":"st-1",
  "media":{"track":"inbound","timestamp":"20","chunk":1,"payload":"AQIDBA=="},"extra_headers":"{}"}"""
DTMF = """{"event":"dtmf","sequenceNumber":2,"streamId":"st-1",
  "dtmf":{"track":"inbound","digit":"4","timestamp":"1500"},"extra_headers":"{}"}"""
PLAYED = '{"event":"playedStream","sequenceNumber":3,"streamId":"st-1","name":"welcome"}'
CLEARED = '{"event":"clearedAudio","sequenceNumber":4,"streamId":"st-1"}'


def start(extra: Any = ..., **changes: Any) -> str:
    message = json.loads(START)
    message["start"] |= changes
    if extra is not ...:
        message["extra_headers"] = extra
    return json.dumps(message)


def test_a_stream_as_documented_is_understood_and_ends_with_its_socket() -> None:
    dialect = Plivo(token="c0ffee", label_parameters=["agent"])
    assert dialect.receive(START) == [
        Start(
            call_id="7a1b2c",
            roles=(Role.CUSTOMER, Role.AGENT),
            encoding=Encoding.PCM_S16LE,
            rate_hz=8000,
            labels={"agent": "7"},
            has_media_clock=True,
        )
    ]
    assert dialect.receive(MEDIA) == [Audio(0, b"\x01\x02\x03\x04", 20)]
    assert [dialect.receive(message) for message in (DTMF, PLAYED, CLEARED)] == [[], [], []]
    assert dialect.unknown_events == 0
    assert dialect.closed() == [Stop()]


def test_a_socket_that_closes_before_a_call_began_ends_none() -> None:
    assert Plivo().closed() == []
    refused = Plivo()
    refused.receive(MEDIA)
    assert refused.closed() == []


def test_a_word_for_the_end_is_taken_if_there_is_one_after_all() -> None:
    dialect = Plivo()
    dialect.receive(START)
    assert dialect.receive('{"event":"stop","sequenceNumber":1,"streamId":"st-1"}') == [Stop()]
    assert dialect.closed() == []


@pytest.mark.parametrize(
    ("form", "taken"),
    [
        ({"encoding": "audio/x-l16", "sampleRate": "16000"}, (Encoding.PCM_S16LE, 16000)),
        ({"encoding": "audio/x-mulaw", "sampleRate": 8000}, (Encoding.PCMU, 8000)),
        ({"encoding": "audio/x-mulaw;rate=8000", "sampleRate": 8000}, (Encoding.PCMU, 8000)),
    ],
)
def test_the_documented_content_types_are_taken(form: dict[str, Any], taken: tuple[Encoding, int]) -> None:
    (begun,) = Plivo().receive(start(mediaFormat=form))
    assert isinstance(begun, Start)
    assert (begun.encoding, begun.rate_hz) == taken


def test_another_format_is_refused_with_what_to_set() -> None:
    (fault,) = Plivo().receive(start(mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 16000}))
    assert isinstance(fault, Fault)
    assert fault.code == "bad_media_format"
    assert "contentType" in fault.message


@pytest.mark.parametrize(
    "extra",
    ['{"agent": 7}', '{"agent": "7", "other": null, "list": []}', "agent=7", "agent=7,queue=a", " agent = 7 , broken"],
)
def test_extra_headers_are_read_as_json_or_as_they_are_configured(extra: str) -> None:
    (begun,) = Plivo(label_parameters=["agent"]).receive(start(extra))
    assert isinstance(begun, Start)
    assert begun.labels == {"agent": "7"}


@pytest.mark.parametrize("extra", ["", "{", "[]", "7", "null", "[" * 1000, None])
def test_extra_headers_that_cannot_be_read_are_none(extra: Any) -> None:
    (begun,) = Plivo(label_parameters=["agent"]).receive(start(extra))
    assert isinstance(begun, Start)
    assert begun.labels == {}
    (fault,) = Plivo(token="c0ffee").receive(start(extra))
    assert isinstance(fault, Fault)
    assert fault.code == "bad_token"
    assert "extraHeaders" in fault.message
