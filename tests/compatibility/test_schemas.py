"""The schemas of earlier versions and of this one: only something was added, and each holds the other's messages."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from functools import cache

import jsonschema
import pytest

from tests.compatibility.additive import Schema, broken, fields
from tests.compatibility.recorded import (
    FROM_CLIENT,
    VERSIONS,
    Json,
    conversations,
    events,
    kind_of,
    schema,
    schemas,
)
from tools.schemas import examples
from tools.schemas.messages import EVENTS

PATHS = [(version, path) for version in VERSIONS for path in schemas(version)]


@cache
def validator(version: str | None, path: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(version, path))


def is_read_by_others(path: str) -> bool:
    return path not in {f"native/{kind}.json" for kind in FROM_CLIENT}


@pytest.mark.parametrize(("version", "path"), PATHS)
def test_nothing_was_taken_away_since(version: str, path: str) -> None:
    assert broken(schema(version, path), schema(None, path), read_by_others=is_read_by_others(path)) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_said_then_is_as_the_schemas_say_now(version: str) -> None:
    for event in events(version):
        validator(None, "event.json").validate(event)
        validator(None, f"event/{kind_of(event)}.json").validate(event)
    for conversation in conversations(version):
        for message in conversation.said:
            validator(None, f"native/{message['type']}.json").validate(message)
        if conversation.closed == 1000:
            for sent in (one for one in conversation.sent if isinstance(one, dict)):
                validator(None, f"native/{sent['type']}.json").validate(sent)


@pytest.mark.parametrize(("version", "path"), PATHS)
def test_what_is_said_now_is_as_the_schemas_said_then(version: str, path: str) -> None:
    message = examples.of(path) if "/" in path else examples.of("event/utterance.json")
    validator(version, path).validate(message)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_kind_of_message_there_is_was_recorded(version: str) -> None:
    assert {path.partition("/")[2] for path in schemas(version) if path.startswith("event/")} == {
        f"{kind_of(event)}.json" for event in events(version)
    }
    assert {kind_of(event) for event in events(version)} <= set(EVENTS)
    said = {message["type"] for one in conversations(version) for message in one.said}
    sent = {message["type"] for one in conversations(version) for message in one.sent if isinstance(message, dict)}
    assert said == {"ready", "event", "error", "ended"}
    assert sent - {"transfer"} == set(FROM_CLIENT)


UTTERANCE = schema(None, "event/utterance.json")
START = schema(None, "native/start.json")


def part(found: Schema, *names: str) -> Json:
    for name in names:
        found = found[name]
    return found


def utterance(found: Schema) -> Json:
    return part(found, "$defs", "Utterance")


def test_the_fields_of_a_message_are_found_through_all_that_schemas_do() -> None:
    found = fields(UTTERANCE)
    assert found[".data.utterance.start_ms"].limits == {"minimum": 0}
    assert found[".data.utterance.cut"].types == {"string", "null"}
    assert found[".data.speaker.role"].values == {'"customer"', '"agent"', '"unknown"'}
    assert not found[".data.call.labels"].required
    assert found[".data.emotion.scores{}"].types == {"number"}
    assert found[".data"].required
    assert fields(START)[".channels[].role"].required
    assert "<StatusEvent>.data.status" in fields(schema(None, "event.json"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: utterance(s)["properties"].pop("n"), "n: is gone"),
        (lambda s: utterance(s)["required"].remove("n"), "n: may be missing"),
        (lambda s: part(utterance(s), "properties", "n").update(type="string"), r"n: is \['string'\]"),
        (lambda s: part(utterance(s), "properties", "n").pop("minimum"), "n: has minimum"),
        (lambda s: part(s, "$defs", "Emotion", "properties", "confidence").update(maximum=100), "has maximum"),
        (lambda s: part(s, "$defs", "Cut")["enum"].append("hold"), "cut: may be .*hold"),
        (lambda s: part(s, "properties", "time").pop("pattern"), "another pattern"),
        (lambda s: part(s, "properties", "type").update(const="emotion-streamer.utterance.v2"), "type: may be"),
    ],
)
def test_what_a_reader_relies_on_may_not_go(change: Callable[[Schema], object], why: str) -> None:
    now = copy.deepcopy(UTTERANCE)
    change(now)
    (said,) = broken(UTTERANCE, now, read_by_others=True)
    assert re.search(why, said)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: s["properties"].pop("labels"), "labels: is gone"),
        (lambda s: s["required"].append("notice"), "notice: may be missing"),
        (lambda s: s["properties"].update(token={"type": "string"}) or s["required"].append("token"), "token: is new"),
        (lambda s: part(s, "properties", "encoding")["enum"].remove("pcma"), "encoding: may be .*pcma"),
        (lambda s: part(s, "properties", "call_id").update(maxLength=64), "call_id: has maxLength"),
        (lambda s: part(s, "properties", "speed").update(anyOf=[{"type": "number"}]), "speed: is"),
    ],
)
def test_what_a_writer_was_told_must_still_be_taken(change: Callable[[Schema], object], why: str) -> None:
    now = copy.deepcopy(START)
    change(now)
    assert any(re.search(why, said) for said in broken(START, now, read_by_others=False))


def test_adding_is_allowed_and_so_is_saying_more_exactly() -> None:
    said, told = copy.deepcopy(UTTERANCE), copy.deepcopy(START)
    utterance(said)["properties"]["words"] = {"type": "integer"}
    utterance(said)["required"].append("words")
    part(utterance(said), "properties", "start_ms").update(maximum=10**9)
    assert broken(UTTERANCE, said, read_by_others=True) == []
    told["properties"]["language"] = {"type": "string"}
    part(told, "properties", "encoding")["enum"].append("opus")
    part(told, "properties", "channels").update(maxItems=16)
    assert broken(START, told, read_by_others=False) == []
