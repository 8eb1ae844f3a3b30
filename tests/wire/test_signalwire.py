"""SignalWire streams; the messages are written from the vendor's documents, not from a client of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.wire.events import Audio, Encoding, Fault, Role, Start, Stop
from streamer.wire.signalwire import SignalWire

CONNECTED = '{"event":"connected","protocol":"Call","version":"0.2.0"}'
START = """{"event":"start","sequenceNumber":"1","start":{"streamSid":"7d56f5d2-8f4b-4a0e-9d5a-1c1f3f3a2b10",
  "accountSid":"b08dacad","callSid":"76acbe2d-1b9f-4e4f-a9a2-6a9be3f0c111","tracks":["inbound","outbound"],
  "customParameters":{"agent":"7"},"mediaFormat":{"encoding":"audio/x-L16","sampleRate":16000,"channels":1}}}"""
MEDIA = """{"event":"media","sequenceNumber":"2",
  "media":{"track":"inbound","chunk":"1","timestamp":"0","payload":"AQIDBA=="}}"""
DTMF = '{"event":"dtmf","sequenceNumber":"3","dtmf":{"track":"inbound_track","digit":"1","duration":"100"}}'
STOP = '{"event":"stop","sequenceNumber":"4"}'


def start(**changes: Any) -> str:
    message = json.loads(START)
    message["start"] = {key: value for key, value in {**message["start"], **changes}.items() if value is not ...}
    return json.dumps(message)


def test_a_stream_as_documented_is_understood() -> None:
    dialect = SignalWire(label_parameters=["agent"])
    assert dialect.receive(CONNECTED) == []
    assert dialect.receive(START) == [
        Start(
            call_id="76acbe2d-1b9f-4e4f-a9a2-6a9be3f0c111",
            roles=(Role.CUSTOMER, Role.AGENT),
            encoding=Encoding.PCM_S16LE,
            rate_hz=16000,
            labels={"agent": "7"},
            has_media_clock=True,
        )
    ]
    assert dialect.receive(MEDIA) == [Audio(0, b"\x01\x02\x03\x04", 0)]
    assert dialect.receive(DTMF) == []
    assert dialect.receive(STOP) == [Stop()]
    assert dialect.unknown_events == 0


def test_parameters_are_absent_where_none_were_set() -> None:
    (begun,) = SignalWire().receive(start(customParameters=...))
    assert isinstance(begun, Start)
    assert begun.labels == {}


@pytest.mark.parametrize(
    ("encoding", "rate", "taken"),
    [
        ("audio/x-mulaw", 8000, (Encoding.PCMU, 8000)),
        ("audio/x-L16", "24000", (Encoding.PCM_S16LE, 24000)),
        ("audio/x-l16", 8000, (Encoding.PCM_S16LE, 8000)),
    ],
)
def test_the_documented_codecs_are_taken(encoding: str, rate: Any, taken: tuple[Encoding, int]) -> None:
    form = {"encoding": encoding, "sampleRate": rate, "channels": 1}
    (begun,) = SignalWire().receive(start(mediaFormat=form))
    assert isinstance(begun, Start)
    assert (begun.encoding, begun.rate_hz) == taken


@pytest.mark.parametrize(("encoding", "rate"), [("audio/x-mulaw", 16000), ("audio/x-L16", 44100), ("audio/opus", 8000)])
def test_another_format_is_refused_with_what_to_set(encoding: str, rate: int) -> None:
    form = {"encoding": encoding, "sampleRate": rate, "channels": 1}
    (fault,) = SignalWire().receive(start(mediaFormat=form))
    assert isinstance(fault, Fault)
    assert fault.code == "bad_media_format"
    assert "PCMU@8000h" in fault.message


def test_samples_written_high_byte_first_are_turned_round_where_configured() -> None:
    dialect = SignalWire(byte_order="big")
    dialect.receive(START)
    assert dialect.receive(MEDIA) == [Audio(0, b"\x02\x01\x04\x03", 0)]
