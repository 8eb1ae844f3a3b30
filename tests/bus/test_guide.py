"""The guide to MQTT: its commands hear what it says, its code does what it says, its topics are the ones in force."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from streamer_client.events import (
    AlertData,
    AlertEvent,
    CallRef,
    EndedData,
    EndedEvent,
    Severity,
    StateData,
    StateEvent,
    Status,
)

from streamer.bus.cloudevents import Outgoing, outgoing
from streamer.bus.mqtt import Publisher
from streamer.bus.outbox import Outbox
from streamer.bus.settings import MqttSettings
from streamer.bus.topics import Topics
from streamer.metrics import Metrics

GUIDE = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("mosquitto_sub")
]
CALL = CallRef(id="CA1", tenant="default", dialect="twilio")
COMMON = {"source": "/nodes/node-1", "subject": "CA1", "time": "2026-11-22T10:15:04.210Z"}


def events() -> list[Outgoing]:
    state = StateData(call=CALL, status="live", roles=("customer",), analysed=("customer",), notice=True)
    ended = EndedData(call=CALL, duration_ms=1, utterances=0, overlap_ms=0, reason="stop", speakers=())
    alert = AlertData(
        call=CALL, rule="angry", severity=Severity.CRITICAL, role="customer", message="Angry.", utterances=()
    )
    topics = Topics()
    plain = [
        outgoing(StateEvent(id="1", **COMMON, data=state), topics),
        outgoing(EndedEvent(id="2", **COMMON, data=ended), topics),
        outgoing(AlertEvent(id="3", **COMMON, data=alert), topics),
    ]
    verdict = Outgoing(
        id="4", kind=plain[1].kind, topic=topics.utterance("default", "CA1", "customer"), payload=b'{"id":"4"}'
    )
    return [*plain, verdict]


def test_the_guide_has_commands() -> None:
    assert len(COMMANDS) == 6


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_of_the_guide_hears_something(
    command: str, mosquitto_with: Any, find_program: Any, tmp_path: Path
) -> None:
    broker = mosquitto_with()
    program, *arguments = shlex.split(command)
    metrics = Metrics(CollectorRegistry())
    outbox = await Outbox.open(tmp_path / "o.sqlite", metrics=metrics)
    listener = await asyncio.create_subprocess_exec(
        find_program(program), "-p", str(broker.port), "-C", "1", *arguments, stdout=asyncio.subprocess.PIPE
    )
    await asyncio.to_thread(broker.wait_logged, "Sending SUBACK")
    publisher = Publisher(MqttSettings(broker.url), outbox, node="node-1", metrics=metrics)
    running = asyncio.create_task(publisher.run())
    await outbox.put(events())
    said, _ = await listener.communicate()
    assert listener.returncode == 0
    assert said.strip()
    running.cancel()
    await asyncio.wait([running])
    await outbox.close()


def test_the_table_of_topics_is_the_one_in_force() -> None:
    topics = Topics()
    call = ("<tenant>", "<call>")
    made = {
        topics.utterance(*call, "<role>"),
        topics.partial(*call, "<role>"),
        topics.state(*call),
        topics.ended(*call),
        topics.alert("<tenant>", "<severity>"),
        topics.acknowledgement("<tenant>"),
        topics.status("<node>"),
    }
    # Angle brackets are not topic-safe, so the names come back as `_tenant_-hash`.
    plain = {re.sub(r"_(\w+)_-[0-9a-f]{8}", r"<\1>", topic) for topic in made}
    assert set(re.findall(r"^\| `(emotion/[^`]+)`", GUIDE, re.MULTILINE)) == plain


def test_the_statuses_of_the_guide_are_all_there_are() -> None:
    (row,) = [line for line in GUIDE.splitlines() if line.startswith("| `emotion/v1/nodes")]
    assert set(re.findall(r"`(\w+)`", row)) == set(Status)


def test_the_code_of_the_guide_lets_every_id_through_once() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own guide
    once = names["Once"](size=2)
    assert [once.is_new(name) for name in ("a", "b", "a", "c", "b", "a")] == [True, True, False, True, False, True]
