"""What stands in clients/schema is what the types say, is valid by its own standards, and holds messages to it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.bus.cloudevents import outgoing
from streamer.bus.topics import Topics
from tests.docs.reading import ROOT, blocks, text
from tools.schemas import examples
from tools.schemas.__main__ import files
from tools.schemas.asyncapi import address, document
from tools.schemas.messages import EVENTS, FROM_CLIENT, FROM_SERVER, schemas

FOLDER = ROOT / "clients/schema"
OFFICIAL = ROOT / "clients/web/node_modules/@asyncapi/specs/schemas/3.0.0.json"
MADE = files()
SCHEMAS = schemas()
MESSAGES = {path: examples.of(path) for path in SCHEMAS if "/" in path}
Where = tuple[str | int, ...]


@cache
def validator(path: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        json.loads((FOLDER / path).read_text(encoding="utf-8")),
        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
    )


def leaves(value: Any, path: Where = ()) -> Iterator[tuple[Where, Any]]:
    """Yield every part of a message with its path, the message itself left out."""
    if path:
        yield path, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in pairs:
        yield from leaves(part, (*path, key))


def changed(message: Any, path: Where, value: Any) -> Any:
    """Return a copy of a message with one part replaced; deleted with `...`."""
    found = copy.deepcopy(message)
    parent = found
    for key in path[:-1]:
        parent = parent[key]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return found


@pytest.mark.parametrize("path", MADE)
def test_what_is_committed_is_what_would_be_made_now(path: str) -> None:
    assert text(path) == MADE[path], "run: .venv/bin/python -m tools.schemas"


def test_nothing_lies_there_that_is_not_made() -> None:
    lying = {str(path.relative_to(ROOT)) for path in FOLDER.rglob("*.json")}
    assert lying == {path for path in MADE if path.startswith("clients/schema/")}


@pytest.mark.parametrize("path", SCHEMAS)
def test_every_schema_is_valid_by_the_meta_schema(path: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[path])


@pytest.mark.parametrize("path", SCHEMAS)
def test_every_schema_says_what_each_thing_is(path: str) -> None:
    structs = [SCHEMAS[path], *SCHEMAS[path].get("$defs", {}).values()]
    assert [schema["title"] for schema in structs if not schema.get("description")] == []


@pytest.mark.parametrize("path", MESSAGES)
def test_the_example_of_each_kind_is_taken(path: str) -> None:
    validator(path).validate(MESSAGES[path])
    if path.startswith("event/"):
        validator("event.json").validate(MESSAGES[path])


@pytest.mark.parametrize("path", MESSAGES)
def test_a_message_with_more_in_it_is_taken(path: str) -> None:
    for where, part in [((), MESSAGES[path]), *leaves(MESSAGES[path])]:
        if isinstance(part, dict) and where[-1:] not in {("scores",), ("emotions",), ("labels",)}:
            validator(path).validate(changed(MESSAGES[path], (*where, "mood"), "mellow"))


@pytest.mark.parametrize("path", MESSAGES)
def test_a_message_that_lacks_a_field_without_a_default_is_refused(path: str) -> None:
    optional = {"tenant", "dialect", "labels", "lawful_basis", "note", "emotions", "version", "events", "notice"}
    if path in {"native/start.json", "event/state.json"}:
        optional -= {"notice"} if path.startswith("event") else {"version"}
    for where, _ in leaves(MESSAGES[path]):
        is_entry = isinstance(where[-1], int) or {*where} & {"scores", "emotions", "labels"} - {where[-1]}
        if not is_entry and where[-1] not in optional:
            assert not validator(path).is_valid(changed(MESSAGES[path], where, ...)), where


@pytest.mark.parametrize("path", MESSAGES)
def test_a_message_with_a_field_of_another_type_is_refused(path: str) -> None:
    for where, part in leaves(MESSAGES[path]):
        wrong = [] if isinstance(part, dict) else {}
        assert not validator(path).is_valid(changed(MESSAGES[path], where, wrong)), where


@pytest.mark.parametrize(
    ("path", "where", "value"),
    [
        ("event/utterance.json", ("data", "emotion", "confidence"), 1.2),
        ("event/utterance.json", ("data", "emotion", "scores", "angry"), -0.1),
        ("event/utterance.json", ("data", "emotion", "scores", "mellow"), 0.1),
        ("event/utterance.json", ("data", "emotion", "top"), "mellow"),
        ("event/utterance.json", ("data", "utterance", "n"), 0),
        ("event/utterance.json", ("data", "utterance", "start_ms"), -1),
        ("event/utterance.json", ("data", "utterance", "cut"), "bored"),
        ("event/utterance.json", ("data", "speaker", "role"), "caller"),
        ("event/utterance.json", ("data", "quality", "clipped"), 2),
        ("event/utterance.json", ("specversion",), "0.3"),
        ("event/utterance.json", ("type",), "emotion-streamer.utterance.v2"),
        ("event/utterance.json", ("type",), "emotion-streamer.partial.v1"),
        ("event/utterance.json", ("datacontenttype",), "text/plain"),
        ("event/utterance.json", ("time",), "2026-11-22 10:15"),
        ("event/utterance.json", ("sequence",), "17"),
        ("event/utterance.json", ("id",), ""),
        ("event/state.json", ("data", "status"), "gone"),
        ("event/ended.json", ("data", "reason"), "tired"),
        ("event/alert.json", ("data", "severity"), "loud"),
        ("event/acknowledgement.json", ("data", "by"), ""),
        ("event/acknowledgement.json", ("data", "note"), "x" * 1001),
        ("event/status.json", ("data", "status"), "asleep"),
        ("native/start.json", ("version",), 2),
        ("native/start.json", ("call_id",), ""),
        ("native/start.json", ("channels",), []),
        ("native/start.json", ("encoding",), "mp3"),
        ("native/start.json", ("encoding",), "pcmu"),  # the example's rate is 16 kHz then
        ("native/start.json", ("sample_rate",), 11025),
        ("native/start.json", ("speed",), 0),
        ("native/gap.json", ("duration_ms",), -1),
        ("native/event.json", ("event", "data", "emotion", "confidence"), 1.2),
        ("native/ended.json", ("utterances",), -1),
    ],
)
def test_a_value_that_cannot_be_is_refused(path: str, where: Where, value: Any) -> None:
    message = MESSAGES[path] | ({"sample_rate": 16000} if path == "native/start.json" else {})
    validator(path).validate(message)
    assert not validator(path).is_valid(changed(message, where, value))


@given(st.sampled_from(sorted(MESSAGES)), st.sampled_from(sorted(MESSAGES)))
def test_no_message_is_taken_for_another(path: str, other: str) -> None:
    assert validator(path).is_valid(MESSAGES[other]) == (path == other)


def test_the_asyncapi_document_is_valid_by_the_official_schema() -> None:
    if not OFFICIAL.exists():
        pytest.skip("needs the npm package @asyncapi/specs: run `npm ci` in clients/web")
    official = json.loads(OFFICIAL.read_text(encoding="utf-8"))
    check = jsonschema.Draft7Validator(official)
    made = json.loads((FOLDER / "asyncapi.json").read_text(encoding="utf-8"))
    assert [problem.message for problem in check.iter_errors(made)] == []
    # The check can fail: without an action an operation is none.
    del made["operations"]["hear-call"]["action"]
    assert not check.is_valid(made)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    made = document()
    targets = [value for where, value in leaves(made) if where[-1] == "$ref"]
    assert len(targets) > 50
    for target in targets:
        if target.startswith("#"):
            part: Any = made
            for key in target.removeprefix("#/").split("/"):
                part = part[key]
        else:
            assert (FOLDER / target).is_file()


def test_every_message_is_on_a_channel_and_every_channel_in_an_operation() -> None:
    made = document()
    on_channels = {name for channel in made["channels"].values() for name in channel["messages"]}
    assert on_channels == set(made["components"]["messages"])
    assert len(on_channels) == len(EVENTS) + len(FROM_CLIENT) + len(FROM_SERVER)
    used = {operation["channel"]["$ref"] for operation in made["operations"].values()}
    assert used == {f"#/channels/{name}" for name in made["channels"]}


@pytest.mark.parametrize("kind", EVENTS)
def test_the_topic_of_each_channel_is_the_one_that_the_server_publishes_to(kind: str) -> None:
    own = {"base": "emotion", "tenant": "default", "call": "CA1", "role": "customer", "node": "node-1"}
    own["severity"] = "warning"
    assert address(kind).format(**own) == outgoing(examples.EVENTS[kind], Topics()).topic


def test_the_guide_to_mqtt_says_the_same_of_topic_quality_and_retention() -> None:
    made = document()
    rows = re.findall(r"^\| `(emotion/v1/[^`]+)` \| (\d) \| ([^|]+) \|", text("docs/mqtt.md"), re.MULTILINE)
    told = {re.sub("<(.*?)>", r"{\1}", topic): (int(qos), kept != "no") for topic, qos, kept in rows}
    bindings = {kind: made["operations"][f"publish-{kind}"]["bindings"]["mqtt"] for kind in EVENTS}
    assert told == {
        address(kind).replace("{base}", "emotion"): (binding["qos"], binding["retain"])
        for kind, binding in bindings.items()
    }


def test_the_messages_in_the_guide_to_the_native_protocol_are_valid() -> None:
    event = json.dumps(MESSAGES["native/event.json"]["event"])
    written = re.findall(r'`(\{"type":.*?\})`', text("docs/native-protocol.md"))
    messages = [json.loads(line.replace(":n}", ":1}").replace("{…}", event)) for line in written]
    for message in messages:
        validator(f"native/{message['type']}.json").validate(message)
    assert {message["type"] for message in messages} == {*FROM_CLIENT, *FROM_SERVER} - {"start"}


def test_the_events_in_the_documents_are_valid() -> None:
    shown = [json.loads(block) for name in ("README.md", "docs/mqtt.md") for block in blocks(text(name), "json")]
    events = [value for value in shown if "specversion" in value]
    assert events
    for event in events:
        validator("event.json").validate(event)
