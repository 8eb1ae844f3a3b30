"""Brokers that docs/brokers.md speaks of: a bridge of two Mosquittos, and NATS, under the real server and client.

RabbitMQ is not here, because its start alone takes longer than all of this: `python -m benchmarks.brokers` tries it.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from benchmarks.brokers import tried
from tests.conftest import Broker, MakeBroker
from tests.docs.reading import blocks, text
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.sounds import Samples
from tests.end_to_end.speaking import native_call


@pytest.fixture
def bridged(mosquitto_with: MakeBroker) -> tuple[Broker, Broker]:
    """Two brokers: servers publish at the first, consumers listen at the second, as docs/brokers.md says."""
    outer = mosquitto_with(persistent=True)
    (guide,) = [block for block in blocks(text("docs/brokers.md"), "text") if "connection" in block]
    lines = guide.replace("broker.example:1883", f"127.0.0.1:{outer.port}").splitlines()
    own = [line for line in lines if line and not line.startswith(("#", "persistence", "max_queued_messages"))]
    return mosquitto_with(*own, persistent=True), outer


async def test_a_bridge_brings_everything_across_and_loses_nothing_when_either_broker_restarts(
    bridged: tuple[Broker, Broker], start_node: StartNode, sentence: Samples, call_id: str
) -> None:
    inner, outer = bridged
    node = await start_node(inner.url)
    await node.connected()
    told: set[str] = set()

    async def call(number: int) -> None:
        outcome = await native_call(node.url, sentence, call_id=f"{call_id}-{number}")
        told.update(event["id"] for event in outcome.events)

    async with listening(outer, "+") as bus:
        await call(1)
        await bus.until(lambda: len(bus.events("ended")) >= 1)
        outer.stop()
        await call(2)
        outer.start()
        await bus.until(lambda: len({event["id"] for event in bus.events("ended")}) >= 2)
        outer.stop()
        await call(3)
        await node.logged("call ended", lambda line: line["call"] == f"{call_id}-3")
        inner.stop()  # with what it has not brought across yet
        await call(4)
        inner.start()
        outer.start()
        await bus.until(lambda: len({event["id"] for event in bus.events("ended")}) >= 4)
        await bus.until(lambda: {event["id"] for event in bus.events("utterance")} >= told)
        last = next(message for message in bus.messages if message.payload)
    assert len(told) == 4
    assert last.properties is not None
    assert last.properties.ContentType == "application/cloudevents+json"  # MQTT 5 on the bridge as well
    assert dict(last.properties.UserProperty)["id"] == json.loads(last.payload)["id"]


async def test_nats_does_all_that_is_asked_of_a_broker(tmp_path: Path) -> None:
    if shutil.which("nats-server", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))) is None:
        pytest.skip("needs the program nats-server (Debian: apt-get install nats-server)")
    outcome = await tried("nats", tmp_path, dots=False)
    assert [what for what, works in outcome.items() if not works] == []
    assert len(outcome) == 6
