from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.dialects import native
from streamer_client.dialects.native import Encoding, Ended, EventSaid, Ready, Refusal
from streamer_client.dialects.speaker import CallOptions
from streamer_client.errors import CallRefused, OptionError, StreamError
from streamer_client.events import encode


def test_the_first_message_is_that_of_the_contract() -> None:
    message = native.start(call_id="CA1", roles=["customer", "agent"], rate_hz=8000, labels={"queue": "7"}, speed=None)
    assert json.loads(message) == {
        "type": "start",
        "version": 1,
        "call_id": "CA1",
        "channels": [{"role": "customer"}, {"role": "agent"}],
        "encoding": "pcm_s16le",
        "sample_rate": 8000,
        "labels": {"queue": "7"},
        "events": True,
        "notice": False,
        "speed": None,
    }


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"call_id": ""}, "empty call_id"),
        ({"roles": []}, "got 0 roles"),
        ({"roles": ["customer"] * 9}, "got 9 roles"),
        ({"roles": ["boss"]}, "unknown role 'boss'; choose from customer, agent, unknown"),
        ({"rate_hz": 11025}, "rate_hz=11025"),
        ({"encoding": "opus"}, "unknown encoding 'opus'; choose from pcm_s16le, pcmu, pcma"),
        ({"encoding": "pcmu", "rate_hz": 16000}, "G.711 is 8000 Hz only"),
    ],
)
def test_a_start_that_cannot_be_right_is_refused_before_it_is_sent(changed: Any, words: str) -> None:
    arguments = {"call_id": "CA1", "roles": ["customer"], "rate_hz": 8000, **changed}
    with pytest.raises(OptionError, match=words):
        native.start(**arguments)


def test_samples_go_out_interleaved_and_little_endian() -> None:
    samples = np.array([[1, 2], [256, -1]], dtype=np.int16)
    assert native.audio(samples, Encoding.PCM_S16LE) == bytes([1, 0, 2, 0, 0, 1, 255, 255])
    assert len(native.audio(samples, Encoding.PCMU)) == len(native.audio(samples, Encoding.PCMA)) == 4


def test_controls_are_bare_types_and_a_gap_has_its_length() -> None:
    assert json.loads(native.control("stop")) == {"type": "stop"}
    assert json.loads(native.gap(40)) == {"type": "gap", "duration_ms": 40}


def test_the_replies_of_the_contract_are_read(make: Any) -> None:
    event = make.utterance()
    said = msgspec.json.encode({"type": "event", "event": msgspec.Raw(encode(event))})
    assert native.receive('{"type":"ready","session_id":"s","analysed":["customer"]}') == Ready("s", ("customer",))
    assert native.receive(said) == EventSaid(event)
    assert native.receive('{"type":"error","code":"bad_start","message":"No."}') == Refusal("bad_start", "No.")
    assert native.receive('{"type":"ended","utterances":3}') == Ended(3)


def test_what_a_newer_server_may_say_is_let_pass() -> None:
    assert native.receive('{"type":"applause","volume":11}') is None
    assert native.receive('{"type":"ready","session_id":"s","analysed":[],"colour":"blue"}') == Ready("s", ())
    assert native.receive('{"type":"event","event":{"type":"emotion-streamer.laugh.v1","id":"1"}}') is None


@pytest.mark.parametrize(
    "message",
    ["hello", "{}", b"\xff\x00", '{"type":"ended","utterances":"many"}', '{"type":"event","event":{"id":"1"}}', "[1]"],
)
def test_what_is_not_our_protocol_is_named(message: Any) -> None:
    with pytest.raises(StreamError, match=r"\(bad_reply\)"):
        native.receive(message)


@given(st.text() | st.binary())
def test_nothing_a_server_says_raises_anything_else(message: Any) -> None:
    try:
        native.receive(message)
    except StreamError as problem:
        assert problem.code == "bad_reply"  # noqa: PT017 - most random messages raise, some need not


def call(**more: Any) -> native.Native:
    options = CallOptions(url="ws://host/v1/stream", call_id="CA1", roles=("customer", "agent"), **more)
    return native.Native(options)


def test_a_recordings_call_begins_waits_for_ready_and_ends_with_stop() -> None:
    (mine,) = native.speakers(CallOptions(url="ws://host", call_id="CA1", roles=("customer", "agent"), key="secret"))
    assert mine.headers == {"Authorization": "Bearer secret"}
    (start,) = map(json.loads, mine.open())
    assert (start["call_id"], start["events"], start["encoding"]) == ("CA1", False, "pcm_s16le")
    assert not mine.may_send
    assert mine.receive('{"type":"ready","session_id":"s","analysed":[]}') == []
    assert mine.may_send
    assert mine.audio(np.array([[1, 2]], dtype=np.int16), 0) == [b"\x01\x00\x02\x00"]
    assert [json.loads(message)["type"] for message in mine.close()] == ["stop"]


def test_a_hold_is_pause_then_gap_and_resume() -> None:
    said = [*call().pause(40), *call().resume(100, 60)]
    assert [json.loads(message) for message in said] == [
        {"type": "pause"},
        {"type": "gap", "duration_ms": 60},
        {"type": "resume"},
    ]


def test_events_are_asked_for_and_handed_over_where_somebody_wants_them(make: Any) -> None:
    seen: list[Any] = []
    options = CallOptions(url="ws://host", call_id="CA1", roles=("customer",))
    mine = native.Native(options, on_event=seen.append)
    assert json.loads(mine.open()[0])["events"] is True
    event = msgspec.json.encode({"type": "event", "event": msgspec.Raw(encode(make.utterance()))})
    for one in (mine, call()):
        assert one.receive(event) == []
    assert seen == [make.utterance()]
    assert mine.receive('{"type":"ended","utterances":1}') == []
    assert mine.utterances == 1


def test_a_refusal_before_ready_is_told_from_one_in_mid_call() -> None:
    refusal = '{"type":"error","code":"full","message":"No room."}'
    mine = call()
    with pytest.raises(CallRefused, match="No room"):
        mine.receive(refusal)
    mine.receive('{"type":"ready","session_id":"s","analysed":[]}')
    with pytest.raises(StreamError, match="No room") as caught:
        mine.receive(refusal)
    assert not isinstance(caught.value, CallRefused)
