"""The schemas themselves: that they take a message as the contract shows it, and nothing else.

Without these tests a schema that says nothing would pass everything. Real messages are held against the schemas in
the tests from outside, `tests/end_to_end`.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from streamer_client.events import EMOTIONS, UtteranceEvent, decode
from streamer_client.pretty import format_event

from tests.conformance.contract import KINDS, schema, wrong_with

EXAMPLE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "01JD8Z5W9X3V7N2Q4R6T8Y0ABC",
    "type": "emotion-streamer.utterance.v1",
    "source": "/nodes/node-1",
    "subject": "CA1/customer/17",
    "time": "2026-11-22T10:15:04.210Z",
    "datacontenttype": "application/json",
    "sequence": "0000000017",
    "data": {
        "call": {"id": "CA1", "tenant": "default", "dialect": "twilio", "labels": {}},
        "speaker": {"role": "customer", "channel": 0},
        "utterance": {"n": 17, "start_ms": 61240, "end_ms": 64210, "speech_ms": 2710, "cut": "silence"},
        "emotion": {
            "top": "angry",
            "confidence": 0.81,
            "uncertain": False,
            "scores": {"neutral": 0.08, "happy": 0.01, "sad": 0.02, "angry": 0.81, "fear": 0.03, "disgust": 0.05},
        },
        "quality": {"snr_db": 18.2, "clipped": 0.0, "lost_ms": 0},
        "model": {"name": "telephone", "version": "1.0.0", "sha256": "ab" * 32},
        "latency": {"hangover_ms": 400, "queue_ms": 1.2, "compute_ms": 2.9},
    },
}

Path = tuple[str, ...]


def leaves(value: object, path: Path = ()) -> list[Path]:
    """Return the path of every field, inner objects included."""
    if not isinstance(value, dict):
        return []
    return [inner for name, held in value.items() for inner in [(*path, name), *leaves(held, (*path, name))]]


def changed(path: Path, value: object = None, *, drop: bool = False) -> dict[str, Any]:
    """Return the example with one field changed or dropped."""
    event = copy.deepcopy(EXAMPLE)
    place: Any = event
    for name in path[:-1]:
        place = place[name]
    if drop:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return event


FIELDS = [path for path in leaves(EXAMPLE) if path != ("data", "call", "labels")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_one(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))


def test_the_example_of_the_contract_is_taken() -> None:
    assert wrong_with(EXAMPLE, "utterance") == []


@pytest.mark.parametrize("path", FIELDS, ids=".".join)
def test_no_field_may_be_missing(path: Path) -> None:
    assert wrong_with(changed(path, drop=True), "utterance")


@given(path=st.sampled_from(FIELDS), value=st.sampled_from([None, [], {}, "", "x y/z", -1, "2026-11-22"]))
def test_no_field_may_be_of_another_kind(path: Path, value: object) -> None:
    if path[-1] == "snr_db" and value == -1:
        return  # speech may be quieter than what surrounds it
    assert wrong_with(changed(path, value), "utterance") or changed(path, value) == EXAMPLE or _is_free(path, value)


def _is_free(path: Path, value: object) -> bool:
    """Names that the operator chooses."""
    return path[-1] in {"tenant", "name", "version"} and isinstance(value, str) and value != ""


@pytest.mark.parametrize("inside", [(), ("data",), ("data", "call"), ("data", "emotion"), ("data", "utterance")])
def test_no_field_may_be_added_without_a_word_in_the_contract(inside: Path) -> None:
    assert wrong_with(changed((*inside, "phone"), "+49301234567"), "utterance")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("data", "emotion", "confidence"), 0.5),
        (("data", "emotion", "top"), "sad"),
        (("data", "emotion", "scores", "neutral"), 0.2),
        (("data", "utterance", "end_ms"), 61240),
        (("data", "utterance", "speech_ms"), 5000),
        (("subject",), "CA2/customer/17"),
        (("sequence",), "0000000018"),
    ],
)
def test_parts_that_contradict_each_other_are_found(path: Path, value: object) -> None:
    assert wrong_with(changed(path, value), "utterance")


def seven(top: str = "surprise", **scores: float) -> dict[str, Any]:
    """Return the example as a model with seven labels gives it."""
    event = copy.deepcopy(EXAMPLE)
    found = {**event["data"]["emotion"]["scores"], "angry": 0.2, "surprise": 0.61, **scores}
    event["data"]["emotion"] |= {"top": top, "confidence": found.get(top, 0.61), "scores": found}
    return event


def test_a_model_may_know_surprise_as_well() -> None:
    assert wrong_with(seven(), "utterance") == []
    event = decode(json.dumps(seven()))
    assert isinstance(event, UtteranceEvent)
    assert tuple(event.data.emotion.scores) == EMOTIONS
    assert "surprise" in format_event(event)


def test_surprise_cannot_be_the_verdict_of_a_model_that_does_not_know_it() -> None:
    event = seven()
    del event["data"]["emotion"]["scores"]["surprise"]
    event["data"]["emotion"]["scores"]["angry"] = 0.81
    assert wrong_with(event, "utterance")


def test_there_is_no_eighth_emotion() -> None:
    assert wrong_with(seven(calm=0.0), "utterance")
    assert wrong_with(seven(top="calm"), "utterance")
