"""Tapes: a call as frames, as the dialect's own sender would say it."""

from __future__ import annotations

import base64
import json
import random

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

from streamer.bench.speech import RATE_HZ, demo_call, talk
from streamer.bench.tape import DIALECTS, FRAMES_MS, closing, opening, path, tape

TALK = talk(random.Random(3), 3.05, demo_call())
STREAM = 32 * "b"


def read(data: bytes) -> list[Frame]:
    protocol = Protocol(SERVER, state=OPEN, max_size=None)
    protocol.receive_data(data)
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


def said(frames: bytes) -> list[dict]:
    return [json.loads(frame.data) for frame in read(frames)]


@pytest.mark.parametrize("frame_ms", FRAMES_MS)
def test_twilios_tracks_are_numbered_and_timed_as_they_are_sent(frame_ms: int) -> None:
    made = tape("twilio", TALK, frame_ms, STREAM)
    inbound, outbound = made.senders
    assert len(inbound) == len(outbound) == 3050 // frame_ms
    begun = len(said(opening("twilio", "CA1", STREAM))) - 1  # `connected` has no number
    for number, (one, other) in enumerate(zip(inbound, outbound, strict=True)):
        (heard,), (told,) = said(one), said(other)
        assert int(heard["sequenceNumber"]) == begun + 2 * number + 1
        assert int(told["sequenceNumber"]) == begun + 2 * number + 2
        assert heard["streamSid"] == told["streamSid"]
        assert (heard["media"]["track"], told["media"]["track"]) == ("inbound", "outbound")
        assert int(heard["media"]["timestamp"]) == number * frame_ms
        assert len(base64.b64decode(heard["media"]["payload"])) == frame_ms * 8


@pytest.mark.parametrize("frame_ms", FRAMES_MS)
def test_native_calls_send_both_legs_in_one_message(frame_ms: int) -> None:
    (both,) = tape("native", TALK, frame_ms, STREAM).senders
    for frame in both:
        (one,) = read(frame)
        assert one.opcode is Opcode.BINARY
        assert len(one.data) == 2 * frame_ms * 8


def test_the_call_is_named_in_what_opens_it() -> None:
    assert said(opening("twilio", "CA7", STREAM))[1]["start"]["callSid"] == "CA7"
    (start,) = said(opening("native", "c7", STREAM))
    assert (start["call_id"], start["encoding"], start["events"]) == ("c7", "pcmu", False)


def test_the_call_is_ended_as_the_dialect_does() -> None:
    (stop,) = said(closing("twilio", "CA7", STREAM))
    assert stop["event"] == "stop"
    assert said(closing("native", "c7", STREAM)) == [{"type": "stop"}]


def test_every_dialect_has_a_path() -> None:
    assert [path(dialect) for dialect in DIALECTS] == ["/twilio", "/v1/stream"]


@pytest.mark.parametrize("frame_ms", FRAMES_MS)
def test_a_sample_is_in_the_frame_that_is_sent_when_it_has_been_heard(frame_ms: int) -> None:
    made = tape("native", TALK, frame_ms, STREAM)
    step = frame_ms * RATE_HZ // 1000
    assert [made.frame_that_holds(sample) for sample in (0, step - 1, step, 2 * step)] == [0, 0, 1, 2]
