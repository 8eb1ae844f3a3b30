"""Hearing what is final beside an experiment: each event once, and no trouble kept quiet."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiomqtt
import pytest
from streamer_client.errors import BrokerError
from streamer_client.events import Event

from benchmarks.hearing import hearing_finals
from tests.compatibility.recorded import VERSIONS, bus
from tests.conftest import Broker

RECORDED = [(line["topic"], line["payload"]) for line in bus(VERSIONS[-1]) if line["payload"] is not None]
"""Topics and events of every kind."""
FINAL = [(topic, event) for topic, event in RECORDED if topic.endswith(("/utterance", "/ended"))]
IDS = [event["id"] for _, event in FINAL]


async def say(broker: Broker, messages: list[tuple[str, dict[str, Any]]]) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for topic, event in messages:
            await client.publish(topic, json.dumps(event), qos=1)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_what_is_final_is_heard_once_and_nothing_else_is(mosquitto: Broker, version: str) -> None:
    topic, event = FINAL[0]
    heard: asyncio.Queue[Event] = asyncio.Queue()
    async with hearing_finals(mosquitto.url, heard.put_nowait, version=version) as subscription:
        await say(mosquitto, [*RECORDED, *RECORDED, (topic, event | {"id": "the-last"})])
        assert [(await heard.get()).id for _ in [*IDS, "the-last"]] == [*IDS, "the-last"]
    assert heard.empty()
    assert subscription.duplicates == len(IDS)


async def test_what_is_said_while_nobody_listens_is_heard_later(mosquitto: Broker) -> None:
    heard: asyncio.Queue[Event] = asyncio.Queue()
    async with hearing_finals(mosquitto.url, heard.put_nowait):
        pass
    await say(mosquitto, RECORDED)
    async with hearing_finals(mosquitto.url, heard.put_nowait):
        assert [(await heard.get()).id for _ in IDS] == IDS


async def test_trouble_with_what_is_heard_is_raised_at_the_end(mosquitto: Broker) -> None:
    asked = asyncio.Event()

    def refuse(event: Event) -> None:
        asked.set()
        raise ValueError(event.id)

    hearing = hearing_finals(mosquitto.url, refuse)
    await hearing.__aenter__()
    await say(mosquitto, FINAL)
    await asked.wait()
    with pytest.raises(ValueError, match=IDS[0]):
        await hearing.__aexit__(None, None, None)


async def test_what_ends_the_experiment_ends_the_hearing(mosquitto: Broker) -> None:
    with pytest.raises(RuntimeError, match="the experiment"):
        async with hearing_finals(mosquitto.url, print):
            raise RuntimeError("the experiment")
    assert "subscriber" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_a_broker_that_is_not_there_is_told_before_anything_begins() -> None:
    with pytest.raises(BrokerError):
        async with hearing_finals("mqtt://127.0.0.1:1", print):
            pytest.fail("nothing can be heard")
