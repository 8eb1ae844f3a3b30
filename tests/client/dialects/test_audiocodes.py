from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamer_client.dialects.audiocodes import speakers
from streamer_client.dialects.speaker import CallOptions, Message, Speaker
from streamer_client.errors import CallRefused, OptionError, StreamError
from streamer_client.g711 import encode_mulaw

ACCEPTED = '{"type":"session.accepted","mediaFormat":"raw/mulaw"}'
SAMPLES = np.array([[1, -1000], [256, 5]], np.int16)


def session(roles: tuple[str, ...] = ("customer", "agent"), **more: Any) -> Speaker:
    (speaker,) = speakers(CallOptions(url="ws://127.0.0.1:8765/audiocodes", call_id="C1", roles=roles, **more))
    return speaker


def accepted(**more: Any) -> Speaker:
    speaker = session(**more)
    speaker.open()
    speaker.receive(ACCEPTED)
    return speaker


def read(messages: list[Message]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def test_a_session_begins_with_an_offer_and_streams_follow_its_acceptance() -> None:
    speaker = session()
    (offer,) = read(speaker.open())
    assert (offer["type"], offer["conversationId"]) == ("session.initiate", "C1")
    assert offer["supportedMediaFormats"] == ["raw/lpcm16_8", "raw/mulaw"]
    assert "caller" not in offer
    activities, *starts = read(speaker.receive(ACCEPTED))
    assert activities["activities"] == [{"type": "event", "name": "start", "parameters": {}}]
    assert [(one["type"], one["participant"]) for one in starts] == [
        ("userStream.start", "caller"),
        ("userStream.start", "callee"),
    ]


def test_audio_flows_once_every_stream_is_acknowledged() -> None:
    speaker = accepted()
    speaker.receive('{"type":"userStream.started","participant":"caller"}')
    assert not speaker.may_send
    speaker.receive('{"type":"userStream.started","participant":"callee"}')
    assert speaker.may_send


def test_an_acknowledgement_without_a_name_is_the_only_ones() -> None:
    speaker = accepted(roles=("agent",))
    speaker.receive('{"type":"userStream.started"}')
    assert speaker.may_send


def test_each_participant_sends_its_channel_in_the_format_that_was_chosen() -> None:
    for chosen, encode in {"raw/mulaw": encode_mulaw, "raw/lpcm16_8": lambda one: one.astype("<i2").tobytes()}.items():
        speaker = session(("agent", "customer"))
        speaker.receive(json.dumps({"type": "session.accepted", "mediaFormat": chosen}))
        chunks = read(speaker.audio(SAMPLES, 0))
        assert [chunk["participant"] for chunk in chunks] == ["callee", "caller"]
        for channel, chunk in enumerate(chunks):
            assert base64.b64decode(chunk["audioChunk"]) == encode(np.ascontiguousarray(SAMPLES[:, channel]))


def test_a_pause_stops_the_streams_and_the_end_ends_the_session() -> None:
    speaker = accepted(roles=("customer",))
    assert [one["type"] for one in read(speaker.pause(0))] == ["userStream.stop"]
    assert [one["type"] for one in read(speaker.resume(0, 20))] == ["userStream.start"]
    assert [one["type"] for one in read(speaker.close())] == ["userStream.stop", "session.end"]
    assert speaker.waits_for_server
    assert not speaker.is_over


def test_the_token_is_a_bearer_key_and_notice_a_parameter() -> None:
    speaker = session(key="bot-token", notice=True)
    assert speaker.headers == {"Authorization": "Bearer bot-token"}
    activities, *_ = read(speaker.receive(ACCEPTED))
    assert activities["activities"][0]["parameters"] == {"notice": "true"}


def test_an_error_is_a_refusal_before_the_session_is_accepted_and_its_end_afterwards() -> None:
    error = '{"type":"session.error","reason":"No common format."}'
    with pytest.raises(CallRefused, match=r"No common format"):
        session().receive(error)
    with pytest.raises(StreamError) as ended:
        accepted().receive(error)
    assert not isinstance(ended.value, CallRefused)


@pytest.mark.parametrize("message", ["hello", "[]", b"\xff", '{"type":"session.accepted","mediaFormat":"wav/mulaw"}'])
def test_what_is_not_the_bot_api_is_named(message: Any) -> None:
    with pytest.raises(StreamError, match="bad_reply"):
        session().receive(message)


def test_what_a_newer_server_may_say_is_let_pass() -> None:
    assert accepted().receive('{"type":"applause"}') == accepted().receive(ACCEPTED) == []


@pytest.mark.parametrize("roles", [(), ("unknown",), ("customer", "customer")])
def test_roles_that_have_no_participant_are_refused(roles: Any) -> None:
    with pytest.raises(OptionError, match="a caller and a callee"):
        session(roles)


@settings(deadline=None)
@given(st.text() | st.binary())
def test_nothing_a_server_says_raises_anything_else(message: Any) -> None:
    try:
        session().receive(message)
    except StreamError as problem:
        assert problem.code == "bad_reply"  # noqa: PT017 - most random messages raise, some need not
