"""What the native protocol refuses, in words and with a close code, and that it harms nobody else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from tests.conftest import Broker
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, linear, resampled, silence
from tests.end_to_end.speaking import (
    STOP,
    Sent,
    at_speed_of_life,
    converse,
    cut,
    hear,
    say,
    start,
)

REFUSED: dict[str, list[Any]] = {
    "audio before start": [bytes(320), start()],
    "a message before start": [STOP],
    "start twice": [start(), start()],
    "another version": [start(version=2)],
    "no version": [{name: value for name, value in start().items() if name != "version"}],
    "an unknown encoding": [start(encoding="opus")],
    "an unknown role": [start(channels=[{"role": "robot"}])],
    "no channel": [start(channels=[])],
    "far too many channels": [start(channels=[{"role": "customer"}] * 100)],
    "an unknown rate": [start(sample_rate=11_025)],
    "a rate of nothing": [start(sample_rate=0)],
    "a rate in words": [start(sample_rate="8 kHz")],
    "no call id": [start(call_id="")],
    "a call id that is no text": [start(call_id=7)],
    "an endless call id": [start(call_id="x" * 100_000)],
    "half a sample at the end": [start(), bytes(641), STOP],
    "half a frame at the end": [start(), bytes(642), STOP],
    "a gap back in time": [start(), {"type": "gap", "duration_ms": -20}],
    "a gap of a year": [start(), {"type": "gap", "duration_ms": 365 * 24 * 3_600_000}],
    "a gap without a length": [start(), {"type": "gap"}],
    "an unknown type": [start(), {"type": "rewind"}],
    "no type": [start(), {"duration_ms": 20}],
    "no object": [start(), "[]"],
    "no JSON": [start(), "stop"],
    "an empty text": [""],
    "nested beyond reason": ["[" * 100_000],
    "a megabyte of text": ['{"type":"' + "x" * 1_000_000 + '"}'],
}


@pytest.mark.parametrize("messages", REFUSED.values(), ids=REFUSED.keys())
async def test_what_cannot_be_right_is_refused_in_words(node: Node, messages: list[Any]) -> None:
    outcome = await converse(node.url, messages)
    assert (outcome.code, outcome.events, outcome.of("ended")) == (1008, [], [])
    assert outcome.error.keys() == {"type", "code", "message"}
    assert outcome.reason == outcome.error["code"] != ""
    assert 10 < len(outcome.error["message"]) < 500


@pytest.mark.parametrize("why", ["an unknown encoding", "an unknown role", "an unknown rate", "another version"])
async def test_a_refusal_names_what_came_and_what_is_expected(node: Node, why: str) -> None:
    outcome = await converse(node.url, REFUSED[why])
    came = {
        "an unknown encoding": "opus",
        "an unknown role": "robot",
        "an unknown rate": "11025",
        "another version": "2",
    }
    expected = {
        "an unknown encoding": "pcm_s16le",
        "an unknown role": "customer",
        "an unknown rate": "8000",
        "another version": "1",
    }
    assert came[why] in outcome.error["message"]
    assert expected[why] in outcome.error["message"]


async def test_a_call_that_breaks_the_protocol_has_its_state_cleared_and_its_summary(
    node: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        outcome = await converse(node.url, [start(call_id=call_id), linear(sentence), start(call_id=call_id)])
        summary = await bus.ended()
    assert outcome.error["code"] == "start_twice"
    assert summary["data"]["reason"] == "error"
    assert summary["data"]["utterances"] == len(bus.events("utterance")) >= 1


async def test_a_sample_rate_that_the_bytes_belie_is_refused(node: Node, call_id: str) -> None:
    twice_as_many = cut(linear(silence(40_000, rate_hz=16_000)), 1280)
    messages: list[Sent] = [start(call_id=call_id, channels=[{"role": "customer"}]), *twice_as_many]
    outcome = await converse(node.url, at_speed_of_life(messages, 0.040))
    assert outcome.code == 1008
    assert "8000" in outcome.error["message"]
    assert "16000" in outcome.error["message"]


async def test_a_message_of_100_megabytes_is_too_big_and_harms_nobody(
    node: Node, sentence: Samples, call_id: str
) -> None:
    async with connect(node.url) as other:
        await say(other, start(call_id=f"{call_id}-other"), linear(sentence))
        outcome = await converse(node.url, [start(call_id=call_id), bytes(100_000_000)])
        await say(other, linear(sentence), STOP)
        served = await hear(other)
    assert outcome.code == 1009
    assert (served.code, len(served.events)) == (1000, 2)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(st.binary(max_size=300) | st.text(max_size=300), min_size=1, max_size=4))
def test_random_bytes_and_text_get_an_answer_and_a_close(node: Node, messages: list[str | bytes]) -> None:
    outcome = asyncio.run(converse(node.url, messages))
    assert outcome.code == 1008
    assert outcome.error["code"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(audio=st.lists(st.binary(max_size=5000), max_size=5))
def test_random_bytes_as_audio_are_just_a_noisy_call(node: Node, audio: list[bytes]) -> None:
    outcome = asyncio.run(
        converse(node.url, [start(call_id="noise", encoding="pcmu", channels=[{"role": "customer"}]), *audio, STOP])
    )
    assert outcome.code == 1000
    assert outcome.of("ended") == [{"type": "ended", "utterances": len(outcome.events)}]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(sorted(start())), value=JSON_VALUES)
def test_start_with_any_value_in_any_field_is_taken_or_refused_never_a_failure(
    node: Node, field: str, value: Any
) -> None:
    outcome = asyncio.run(converse(node.url, [json.dumps(start() | {field: value}), STOP]))
    assert outcome.code in {1000, 1008}


async def test_wideband_that_stops_in_the_middle_of_a_sample_is_refused(
    node: Node, sentence: Samples, call_id: str
) -> None:
    audio = linear(resampled(sentence, 16_000)) + b"\x00"
    outcome = await converse(node.url, [start(call_id=call_id, sample_rate=16_000), audio, STOP])
    assert outcome.error["code"] == "odd_bytes"
