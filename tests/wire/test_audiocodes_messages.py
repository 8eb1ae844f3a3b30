"""What is read of the Bot API's messages; how they follow each other is the dialect's own test."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.audiocodes_messages import (
    Activities,
    Activity,
    EndSession,
    Initiate,
    Known,
    ResumeSession,
    StreamChunk,
    StreamStart,
    StreamStop,
    Validate,
    read_message,
)
from streamer.wire.events import Fault


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (
            '{"conversationId":"C1","type":"session.initiate","caller":"+12025550123","supportedMediaFormats":["a"]}',
            Initiate("C1", ["a"]),
        ),
        ('{"conversationId":"C1","type":"session.resume"}', ResumeSession("C1")),
        ('{"conversationId":"C1","type":"session.end","reasonCode":"x","reason":"y"}', EndSession("C1")),
        ('{"type":"userStream.start","participant":"caller"}', StreamStart(participant="caller")),
        ('{"type":"userStream.chunk","audioChunk":"//4="}', StreamChunk(b"\xff\xfe")),
        ('{"type":"userStream.stop","conversationId":"C1"}', StreamStop("C1")),
        ('{"type":"connection.validate","conversationId":"C1"}', Validate()),
    ],
)
def test_every_message_as_documented_is_read(text: str, read: Known) -> None:
    assert read_message(text) == read


def test_of_activities_only_their_parameters_are_read() -> None:
    dtmf = {"type": "event", "name": "dtmf", "value": "7", "parameters": {"notice": "true"}}
    read = read_message(json.dumps({"type": "activities", "activities": [dtmf]}))
    assert read == Activities([Activity(parameters={"notice": "true"})])
    assert "7" not in repr(read)


@pytest.mark.parametrize("strange", [7, [7], [{"parameters": 7}], None, "dtmf"])
def test_strange_activities_are_no_fault(strange: Any) -> None:
    assert isinstance(read_message(json.dumps({"type": "activities", "activities": strange})), Activities)


@pytest.mark.parametrize("text", ['{"type":"weather"}', '{"type":"weather","audioChunk":7}', '{"type":""}'])
def test_an_unknown_type_is_nothing(text: str) -> None:
    assert read_message(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type":"userStream.chunk","audioChunk":"?"}', "bad_message"),
        ('{"type":"userStream.start","participant":7}', "bad_message"),
        ('{"type":"session.resume"}', "bad_message"),
        ('{"type":null}', "bad_json"),
        ("7", "bad_json"),
        ("{", "bad_json"),
    ],
)
def test_what_is_wrong_is_said(text: str, code: str) -> None:
    fault = read_message(text)
    assert isinstance(fault, Fault)
    assert fault.code == code


@settings(deadline=None)
@given(st.text() | st.dictionaries(st.text(), st.text() | st.integers()).map(json.dumps))
def test_no_text_makes_it_raise(text: str) -> None:
    read = read_message(text)
    assert read is None or isinstance(read, Fault | Known)
