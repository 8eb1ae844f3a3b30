"""Every message that a real server says, on the bus and on a call's own socket, is as clients/schema says."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path

import jsonschema
import pytest

from tests.conftest import Broker, collect
from tests.docs.reading import ROOT
from tests.docs.running import Background, arguments
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples
from tests.end_to_end.speaking import STOP, Json, converse, native_call, start

RULES = """\
[[rule]]
name = "any"
role = "customer"
emotions = ["neutral", "happy", "sad", "angry", "fear", "disgust"]
min_confidence = 0.0
count = 1
within_s = 60
severity = "info"
message = "Somebody spoke."
"""


def schema(path: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((ROOT / "clients/schema" / path).read_text(encoding="utf-8")))


def kind_of(event: Json) -> str:
    return event["type"].removeprefix("emotion-streamer.").removesuffix(".v1")


async def test_every_message_of_a_real_call_is_as_the_schemas_say(
    start_node: StartNode, mosquitto: Broker, excerpt: Samples, tmp_path: Path
) -> None:
    config = "[emotion]\npartial_every_ms = 1000\n"
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    alerts = Background(arguments("streamer alerts --rules rules.toml", "--mqtt", mosquitto.url), tmp_path)
    try:
        async with collect(mosquitto, "emotion/v1/#") as bus:
            node = await start_node(mosquitto.url, config=config)
            await node.connected()
            await asyncio.to_thread(mosquitto.wait_logged, r"\+/customer/utterance \(QoS|\+/utterance \(QoS")
            outcome = await native_call(node.url, excerpt, call_id="schemas", labels={"queue": "billing"})
            node.terminate()
            assert await node.ended() == 0
            heard = await bus.until(
                lambda messages: (
                    {"alert", "ended", "status", "utterance", "partial", "state"}
                    <= {kind_of(json.loads(message.payload)) for message in messages if message.payload}
                )
            )
    finally:
        alerts.close()

    events = [json.loads(message.payload) for message in heard if message.payload]
    for event in events:
        schema("event.json").validate(event)
        schema(f"event/{kind_of(event)}.json").validate(event)
    for message in outcome.said:
        schema(f"native/{message['type']}.json").validate(message)
    assert {message["type"] for message in outcome.said} == {"ready", "event", "ended"}
    schema("native/start.json").validate(start(call_id="schemas", labels={"queue": "billing"}))

    # What was checked would have failed otherwise: the same messages, each with one thing wrong.
    utterance = next(event for event in events if kind_of(event) == "utterance")
    overdone = copy.deepcopy(utterance)
    overdone["data"]["emotion"]["confidence"] = 1.2
    assert not schema("event.json").is_valid(overdone)
    for event in events:
        for field in ("id", "type", "time", "source", "data"):
            assert not schema("event.json").is_valid({name: event[name] for name in event if name != field})


@pytest.mark.parametrize(
    "wrong",
    [
        {"encoding": "mp3"},
        {"sample_rate": 11025},
        {"channels": []},
        {"version": 2},
        {"channels": [{"role": "caller"}]},
        {"encoding": "pcmu", "sample_rate": 16000},
        {"call_id": ""},
        {"speed": 0},
        {"labels": {"queue": 7}},
        {"notice": "yes"},
    ],
)
async def test_what_the_schema_refuses_the_server_refuses(node: Node, wrong: Json) -> None:
    first = start(call_id="refused") | wrong
    assert not schema("native/start.json").is_valid(first)
    outcome = await converse(node.url, [first, STOP])
    schema("native/error.json").validate(outcome.error)
