"""Exotel AgentStream; the messages are written from the vendor's documents, not from a client of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.wire.events import Audio, Encoding, Fault, Missing, Role, Start, Stop
from streamer.wire.exotel import Exotel

CONNECTED = '{"event":"connected"}'
START = """{"event":"start","sequence_number":"1","stream_sid":"MZx","start":{"stream_sid":"MZx","call_sid":"CAx",
  "account_sid":"ACx","from":"+919876543210","to":"+918047491899","custom_parameters":{"k":"v"},
  "media_format":{"encoding":"audio/x-raw","sample_rate":"8000","bit_rate":"16"}}}"""
MEDIA = """{"event":"media","sequence_number":"3","stream_sid":"MZx",
  "media":{"chunk":"2","timestamp":"200","payload":"AQIDBA=="}}"""
DTMF = """{"event":"dtmf","sequence_number":"4","stream_sid":"MZx","dtmf":{"digit":"5","duration":"100"}}"""
MARK = """{"event":"mark","sequence_number":"5","stream_sid":"MZx","mark":{"name":"m"}}"""
STOP = """{"event":"stop","sequence_number":"6","stream_sid":"MZx",
  "stop":{"call_sid":"CAx","account_sid":"ACx","reason":"callended"}}"""


def start(**changes: Any) -> str:
    message = json.loads(START)
    message["start"] = {key: value for key, value in {**message["start"], **changes}.items() if value is not ...}
    return json.dumps(message)


def media(track: str | None, timestamp: int = 0) -> str:
    fields = {"chunk": "1", "timestamp": str(timestamp), "payload": "AQIDBA=="}
    return json.dumps({"event": "media", "media": fields if track is None else {**fields, "track": track}})


def test_a_stream_as_documented_is_understood() -> None:
    dialect = Exotel(label_parameters=["k"])
    assert dialect.receive(CONNECTED) == []
    assert dialect.receive(START) == [
        Start(
            call_id="CAx",
            roles=(Role.UNKNOWN,),
            encoding=Encoding.PCM_S16LE,
            rate_hz=8000,
            labels={"k": "v"},
            has_media_clock=True,
        )
    ]
    assert dialect.receive(MEDIA) == [Missing(1), Audio(0, b"\x01\x02\x03\x04", 200)]
    assert [dialect.receive(message) for message in (DTMF, MARK)] == [[], []]
    assert dialect.receive(STOP) == [Stop()]
    assert dialect.unknown_events == 0


def test_names_in_the_other_manner_of_writing_are_read_too() -> None:
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000}
    body = {"streamSid": "MZx", "callSid": "CAx", "mediaFormat": form, "customParameters": {"notice": "true"}}
    dialect = Exotel()
    (begun,) = dialect.receive(json.dumps({"event": "start", "sequenceNumber": 1, "streamSid": "MZx", "start": body}))
    assert isinstance(begun, Start)
    assert (begun.call_id, begun.encoding, begun.rate_hz, begun.notice) == ("CAx", Encoding.PCMU, 8000, True)
    other = json.dumps({"event": "media", "sequenceNumber": 4, "streamSid": "MZx", "media": {"payload": "/w=="}})
    assert dialect.receive(other) == [Missing(2), Audio(0, b"\xff", None)]
    (fault,) = dialect.receive(MEDIA.replace("MZx", "MZy"))
    assert isinstance(fault, Fault)
    assert fault.code == "wrong_stream"


def test_who_is_heard_on_the_one_channel_is_configured() -> None:
    (begun,) = Exotel(role="customer").receive(START)
    assert isinstance(begun, Start)
    assert begun.roles == (Role.CUSTOMER,)


@pytest.mark.parametrize(
    ("form", "taken"),
    [
        ({"encoding": "raw", "sample_rate": "8000", "bit_rate": "128"}, (Encoding.PCM_S16LE, 8000)),
        ({"encoding": "audio/x-raw", "sample_rate": 24000}, (Encoding.PCM_S16LE, 24000)),
        ({"encoding": "audio/L16;rate=16000"}, (Encoding.PCM_S16LE, 16000)),
        ({"encoding": "audio/x-mulaw;rate=8000"}, (Encoding.PCMU, 8000)),
        ({"encoding": "audio/x-raw"}, (Encoding.PCM_S16LE, 8000)),
    ],
)
def test_linear_and_mulaw_are_taken_as_the_format_says(form: dict[str, Any], taken: tuple[Encoding, int]) -> None:
    (begun,) = Exotel().receive(start(media_format=form))
    assert isinstance(begun, Start)
    assert (begun.encoding, begun.rate_hz) == taken


@pytest.mark.parametrize(
    ("changes", "code", "names"),
    [
        ({"media_format": {"encoding": "audio/x-raw", "sample_rate": "11025"}}, "bad_media_format", "sample-rate"),
        ({"media_format": {"encoding": "mp3"}}, "bad_media_format", "'mp3'"),
        ({"media_format": ...}, "bad_start", "media_format"),
        ({"call_sid": ...}, "bad_start", "call_sid"),
        ({"call_sid": "x" * 257}, "bad_start", "call_sid"),
        ({"stream_sid": "MZy"}, "bad_start", "stream_sid"),
    ],
)
def test_a_start_that_cannot_be_right_is_refused_in_words(changes: Any, code: str, names: str) -> None:
    (fault,) = Exotel().receive(start(**changes))
    assert isinstance(fault, Fault)
    assert fault.code == code
    assert names in fault.message


def test_tracks_are_heard_apart_where_the_configuration_says_who_they_are() -> None:
    dialect = Exotel(roles={"inbound": "customer", "outbound": "agent"})
    (begun,) = dialect.receive(START)
    assert isinstance(begun, Start)
    assert begun.roles == (Role.CUSTOMER, Role.AGENT)
    found = [dialect.receive(media(track)) for track in ("inbound", "outbound", None)]
    assert found[:2] == [[Audio(0, b"\x01\x02\x03\x04", 0)], [Audio(1, b"\x01\x02\x03\x04", 0)]]
    (fault,) = found[2]
    assert isinstance(fault, Fault)
    assert fault.code == "unknown_track"


def test_two_tracks_are_never_taken_for_one_channel() -> None:
    dialect = Exotel()
    dialect.receive(START)
    assert dialect.receive(media("inbound", 0)) == [Audio(0, b"\x01\x02\x03\x04", 0)]
    assert dialect.receive(media("inbound", 100)) == [Audio(0, b"\x01\x02\x03\x04", 100)]
    (fault,) = dialect.receive(media("outbound", 0))
    assert isinstance(fault, Fault)
    assert fault.code == "unknown_track"
    assert "dialects.exotel.roles" in fault.message
