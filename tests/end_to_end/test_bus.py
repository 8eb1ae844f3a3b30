"""What stands on the bus: topics, qualities of service, retention, payloads, and what must never stand there."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import aiomqtt
import pytest
from websockets.asyncio.client import connect

from tests.conformance.contract import wrong_with
from tests.conftest import Broker, collect
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import Bus, level, listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, linear, silence
from tests.end_to_end.speaking import BOTH, Outcome, converse, native_call, say, start, twilio_call, until


def property_of(message: aiomqtt.Message, name: str) -> Any:
    """Return an MQTT 5 property, or None."""
    return getattr(message.properties, name, None)


async def test_a_call_speaks_on_its_own_topics_and_no_others(
    node: Node, broker: Broker, recording: Samples, call_id: str
) -> None:
    async with collect(broker, "#") as heard:
        await native_call(node.url, recording, call_id=call_id)
        await heard.until(lambda messages: any(level(one) == "state" and not one.payload for one in messages))
    topics = {str(message.topic) for message in heard.messages if not message.retain}  # what others have left there
    own = {one for one in topics if not one.startswith(("emotion/v1/nodes/", "emotion/v1/default/calls/CA-"))}
    own |= {one for one in topics if f"/{call_id}/" in one}  # others are just ending
    topic = f"emotion/v1/default/calls/{call_id}"
    assert own == {f"{topic}/state", f"{topic}/customer/utterance", f"{topic}/ended"}


async def test_every_message_is_as_the_contract_says(
    node: Node, broker: Broker, recording: Samples, reference: Outcome, call_id: str
) -> None:
    async with listening(broker, f"{call_id}") as native, listening(broker, f"{call_id}-t") as twilio:
        await native_call(node.url, recording, call_id=call_id, labels={"queue": "billing", "language": "de"})
        await converse(node.twilio_url, twilio_call(f"{call_id}-t", recording))
        await native.ended()
        await twilio.ended()
    messages = [message for bus in (native, twilio) for message in bus.messages if message.payload]
    wrong = [(level(message), wrong_with(json.loads(message.payload), level(message))) for message in messages]
    assert [(kind, problems) for kind, problems in wrong if problems] == []
    assert len(messages) == 2 * (len(reference.events) + 2)
    assert native.events("utterance")[0]["data"]["call"] == {
        "id": call_id,
        "tenant": "default",
        "dialect": "native",
        "labels": {"queue": "billing", "language": "de"},
    }
    assert {message.qos for message in messages} == {1}
    assert not any(message.retain for message in messages)


async def test_under_version_5_a_message_says_what_it_is_without_being_parsed(
    node: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        await native_call(node.url, sentence, call_id=call_id)
        await bus.ended()
    for message in bus.messages:
        if message.payload:
            event = json.loads(message.payload)
            attributes = {name: event[name] for name in ("type", "source", "subject", "id", "specversion")}
            assert dict(property_of(message, "UserProperty")) == attributes
            assert property_of(message, "ContentType") == "application/cloudevents+json"


async def test_the_state_is_retained_while_the_call_lives_and_nothing_is_afterwards(
    node: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        async with connect(node.url) as socket:
            await say(socket, start(call_id=call_id), linear(sentence))
            await until(socket, "event")
            await bus.utterances(1)
            async with listening(broker, call_id) as newcomer:
                await newcomer.until(lambda: bool(newcomer.messages))
            await say(socket, {"type": "stop"})
            await until(socket, "ended")
        await bus.ended()
    retained = await still_there(broker, call_id)
    (state,) = newcomer.messages
    assert (level(state), state.retain, json.loads(state.payload)["data"]["status"]) == ("state", True, "live")
    assert retained == []


async def still_there(broker: Broker, call: str) -> list[str]:
    """Return the topics of a call on which the broker keeps something."""
    mark = f"emotion/v1/default/calls/{call}/end-of-retained"
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe(f"emotion/v1/default/calls/{call}/#", qos=1)
        await client.publish(mark, b"x", qos=1)  # what is retained comes before it
        topics: list[str] = []
        async for message in client.messages:
            if str(message.topic) == mark:
                break
            topics.append(str(message.topic))
    return topics


async def test_ids_are_unique_and_utterances_count_up_in_the_order_of_the_call(
    node: Node, broker: Broker, recording: Samples, call_id: str
) -> None:
    calls = [f"{call_id}-{n}" for n in range(3)]
    async with listening(broker, "+") as bus:
        await asyncio.gather(*(native_call(node.url, recording, call_id=call) for call in calls))
        await bus.until(lambda: {event["data"]["call"]["id"] for event in bus.events("ended")} >= set(calls))
    events = bus.events("utterance", "ended", "state")
    assert len({event["id"] for event in events}) == len(events)
    for call in calls:
        numbers = [event["data"]["utterance"]["n"] for event in said_in(bus, call)]
        starts = [event["data"]["utterance"]["start_ms"] for event in said_in(bus, call)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert starts == sorted(starts)
        sequences = [event["sequence"] for event in said_in(bus, call)]
        assert sequences == sorted(sequences)


def said_in(bus: Bus, call: str) -> list[Any]:
    """Return the utterance events of a call as they came."""
    return [event for event in bus.events("utterance") if event["data"]["call"]["id"] == call]


async def test_no_event_is_from_the_future_though_the_recording_is_played_fast(
    node: Node, broker: Broker, recording: Samples, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        await native_call(node.url, recording, call_id=call_id)
        await bus.ended()
    now = datetime.now(UTC)
    assert all(datetime.fromisoformat(event["time"]) <= now for event in bus.events("utterance", "state", "ended"))


async def test_a_long_utterance_has_rolling_verdicts_that_expire(
    start_node: StartNode, broker: Broker, excerpt: Samples, call_id: str
) -> None:
    node = await start_node(broker.url, config="[emotion]\npartial_every_ms = 500\n")
    await node.connected()
    async with listening(broker, call_id) as bus:
        outcome = await native_call(node.url, excerpt, call_id=call_id)
        await bus.ended()
    partials = bus.events("partial")
    messages = [message for message in bus.messages if level(message) == "partial"]
    assert [wrong_with(event, "partial") for event in partials] == [[]] * len(partials)
    assert len(partials) >= 4
    assert {message.qos for message in messages} == {0}
    assert all(0 < property_of(message, "MessageExpiryInterval") <= 60 for message in messages)
    assert not any(message.retain for message in messages)
    rolling = [event["sequence"] for event in partials]
    assert rolling == sorted(rolling)
    # In the order of sequences a rolling verdict stands between the utterance before and its own.
    everything_said = sorted(bus.events("partial", "utterance"), key=lambda event: event["sequence"])
    numbers = [event["data"]["utterance"]["n"] for event in everything_said]
    assert numbers == sorted(numbers)
    assert [event["type"] for event in everything_said][-1] == "emotion-streamer.utterance.v1"
    assert outcome.of("ended")[0]["utterances"] == len(bus.events("utterance")) >= 2
    assert len({event["id"] for event in partials}) == len(partials)


class TestSummary:
    """The `ended` event: what the law leaves open for everyone, for both roles."""

    async def test_it_adds_up_and_counts_the_verdicts(
        self, node: Node, broker: Broker, recording: Samples, call_id: str
    ) -> None:
        async with listening(broker, call_id) as bus:
            outcome = await native_call(node.url, recording, call_id=call_id)
            data = (await bus.ended())["data"]
        customer, agent = data["speakers"]
        certain = [said["top"] for said in outcome.utterances if not said["uncertain"]]
        assert data["reason"] == "stop"
        assert data["duration_ms"] == pytest.approx(len(recording) / 8, abs=20)
        assert data["utterances"] == len(outcome.events) == customer["utterances"]
        assert (customer["analysed"], agent["analysed"]) == (True, False)
        assert customer["emotions"] == {top: certain.count(top) for top in set(certain)}
        assert agent["emotions"] == {}
        for speaker in (customer, agent):
            assert speaker["talk_ms"] + speaker["silence_ms"] == data["duration_ms"]
            assert speaker["talk_ms"] > 5000
            assert -60 < speaker["loudness_dbfs"] < 0
            assert 1 < speaker["syllables_per_s"] < 10

    async def test_two_who_say_the_same_at_once_overlap_all_the_time(
        self, node: Node, broker: Broker, excerpt: Samples, call_id: str
    ) -> None:
        async with listening(broker, call_id) as bus:
            await native_call(node.url, excerpt[:, [0, 0]], call_id=call_id)
            data = (await bus.ended())["data"]
        assert data["overlap_ms"] == data["speakers"][0]["talk_ms"] == data["speakers"][1]["talk_ms"] > 0

    async def test_one_who_speaks_into_silence_overlaps_with_nobody(
        self, node: Node, broker: Broker, excerpt: Samples, call_id: str
    ) -> None:
        lonely = excerpt.copy()
        lonely[:, 1] = 0
        async with listening(broker, call_id) as bus:
            await native_call(node.url, lonely, call_id=call_id)
            data = (await bus.ended())["data"]
        assert (data["overlap_ms"], data["speakers"][1]["talk_ms"]) == (0, 0)
        assert data["speakers"][1]["loudness_dbfs"] is None

    async def test_a_call_without_a_word_has_one_too(self, node: Node, broker: Broker, call_id: str) -> None:
        async with listening(broker, call_id) as bus:
            await native_call(node.url, silence(1000, channels=2), call_id=call_id)
            summary = await bus.ended()
        assert wrong_with(summary, "ended") == []
        assert summary["data"]["duration_ms"] == 1000


class TestNode:
    """`nodes/<node>/status`, retained, with a last will."""

    async def test_a_node_is_online_drains_and_goes_offline(
        self, start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
    ) -> None:
        name = f"node-{call_id}"
        async with collect(broker, f"emotion/v1/nodes/{name}/status") as heard:
            node = await start_node(broker.url, name=name)
            await heard.count(1)
            async with connect(node.url) as socket:
                await say(socket, start(call_id=call_id), linear(sentence))
                await until(socket, "event")
                node.terminate()
                await heard.count(2)
                await say(socket, {"type": "stop"})
                await until(socket, "ended")
            await heard.count(3)
            assert await node.ended() == 0
        events = [json.loads(message.payload) for message in heard.messages]
        assert [event["data"]["status"] for event in events] == ["online", "draining", "offline"]
        assert [wrong_with(event, "status") for event in events] == [[], [], []]
        assert len({event["id"] for event in events}) == 3
        async with collect(broker, f"emotion/v1/nodes/{name}/status") as later:
            (status,) = await later.count(1)
        assert (status.retain, status.qos, json.loads(status.payload)["data"]["status"]) == (True, 1, "offline")

    async def test_the_broker_says_offline_for_nodes_that_were_killed(
        self, start_node: StartNode, broker: Broker, call_id: str
    ) -> None:
        names = {f"{call_id}-{version}": version for version in ("3.1.1", "5")}
        async with collect(broker, *(f"emotion/v1/nodes/{name}/status" for name in names)) as heard:
            nodes = [
                await start_node(broker.url, name=name, variables={"STREAMER_MQTT_VERSION": version})
                for name, version in names.items()
            ]
            await heard.count(2)
            # Under version 5 the broker waits some seconds for the node to come back.
            await asyncio.gather(*(node.kill() for node in nodes))
            await heard.count(4)
        last = [json.loads(message.payload)["data"] for message in heard.messages[2:]]
        assert {status["node"]: status["status"] for status in last} == dict.fromkeys(names, "offline")


async def test_version_3_1_1_carries_the_same_events(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url, variables={"STREAMER_MQTT_VERSION": "3.1.1", "STREAMER_MQTT_BASE": "site/a"})
    await node.connected()
    async with collect(broker, f"site/a/v1/default/calls/{call_id}/#", version="3.1.1") as heard:
        outcome = await native_call(node.url, sentence, call_id=call_id)
        await heard.until(lambda messages: any(level(one) == "state" and not one.payload for one in messages))
    said = [json.loads(message.payload) for message in heard.messages if level(message) == "utterance"]
    assert said == outcome.events != []


async def test_what_a_call_with_more_parties_says_is_kept_apart_by_channel(
    node: Node, broker: Broker, excerpt: Samples, call_id: str
) -> None:
    three = excerpt[:, [0, 1, 0]]
    channels = [*BOTH, {"role": "customer"}]
    async with listening(broker, call_id) as bus:
        outcome = await native_call(node.url, three, call_id=call_id, channels=channels)
        await bus.ended()
    places = [
        (
            event["data"]["speaker"]["channel"],
            event["data"]["utterance"]["start_ms"],
            event["data"]["utterance"]["end_ms"],
        )
        for event in outcome.events
    ]
    one_channel = [(begin, end) for channel, begin, end in places if channel == 0]
    assert [(begin, end) for channel, begin, end in places if channel == 2] == one_channel != []
    assert {channel for channel, _, _ in places} == {0, 2}
    assert len({event["subject"] for event in outcome.events}) == len(outcome.events)
    assert len({event["id"] for event in outcome.events}) == len(outcome.events)
