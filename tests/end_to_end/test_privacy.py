"""Never a telephone number, a name or a digit in a topic, a log line or an event; ids as topics take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import aiomqtt
import pytest
from websockets.asyncio.client import connect

from tests.conformance.contract import wrong_with
from tests.conftest import Broker, collect
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import level, listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, between, linear, silence
from tests.end_to_end.speaking import STOP, converse, hear, native_call, say, start, twilio_call, until

NUMBER = "491701234567"
SPELLINGS = [
    f"+{NUMBER}",
    f"00{NUMBER}",
    "+49 170 1234567",
    "+49 (0)170-1234567",
    f"sip:+{NUMBER}@pbx.example",
    "tel:+491701234567",
]


class TestPrivacy:
    """Never a telephone number in a topic, a log line or an event."""

    async def test_a_number_for_a_call_id_becomes_one_pseudonym_however_it_is_spelt(
        self, node: Node, broker: Broker, sentence: Samples
    ) -> None:
        async with collect(broker, "emotion/v1/default/calls/#") as heard:
            for spelling in SPELLINGS:
                outcome = await native_call(node.url, sentence, call_id=spelling)
                assert outcome.code == 1000
            await heard.until(lambda messages: len(list(ended_under_pseudonyms(messages))) == len(SPELLINGS))
        left = all_traces(node, heard.messages)
        assert not [trace for trace in ("1701234567", "170 1234567", "170-1234567") if trace in left]
        assert len(set(ended_under_pseudonyms(heard.messages))) == 1

    async def test_the_same_for_twilio(self, node: Node, broker: Broker, sentence: Samples) -> None:
        async with collect(broker, "emotion/v1/default/calls/#") as heard:
            parameters = {"caller": f"+{NUMBER}", "name": "Erika Mustermann"}
            await converse(node.twilio_url, twilio_call(f"+{NUMBER}", sentence, parameters=parameters))
            await heard.until(lambda messages: "ended" in map(level, messages))
        left = all_traces(node, heard.messages)
        assert "1701234567" not in left
        assert "Mustermann" not in left

    async def test_numbers_in_labels_do_not_get_through(
        self, node: Node, broker: Broker, sentence: Samples, call_id: str
    ) -> None:
        labels = {"ani": f"+{NUMBER}", f"+{NUMBER}": "name", "dnis": "00491701234567", "queue": "billing"}
        async with listening(broker, call_id) as bus:
            await native_call(node.url, sentence, call_id=call_id, labels=labels)
            await bus.ended()
        assert "1701234567" not in all_traces(node, bus.messages)
        assert bus.events("utterance")[0]["data"]["call"]["labels"]["queue"] == "billing"

    async def test_a_number_in_a_refused_message_is_not_logged(self, node: Node) -> None:
        wrong: list[dict[str, Any]] = [
            start(channels=[{"role": f"+{NUMBER}"}]),
            start(encoding=f"+{NUMBER}"),
            start(sample_rate=f"+{NUMBER}"),
            {"type": f"+{NUMBER}"},
        ]
        for message in wrong:
            assert (await converse(node.url, [message])).code == 1008
        unknown_track = twilio_call("CA-x", silence(40, channels=2))[:3]
        unknown_track[2]["media"]["track"] = f"+{NUMBER}"
        assert (await converse(node.twilio_url, unknown_track)).code == 1008
        assert "1701234567" not in node.text()

    @pytest.mark.parametrize(
        "platform",
        [
            "CA6d1a4f0b2c3e4d5f60718293a4b5c6d7",
            "2f1c9e1e-7a53-4a0b-9f52-0d6b5a2f4c11",
            "1763806504.1234",
            "pbx-1.call-77",
        ],
    )
    async def test_the_id_of_a_platform_stays_as_it_is(
        self, node: Node, broker: Broker, sentence: Samples, platform: str
    ) -> None:
        async with listening(broker, platform) as bus:
            await native_call(node.url, sentence, call_id=platform)
            await bus.ended()
        assert bus.events("utterance")[0]["subject"] == f"{platform}/customer/1"

    @pytest.mark.parametrize(
        "hostile", ["a/b/../c", "#", "+", "$SYS/broker", "x" * 200, "a\u0000b", "änderung 7", "🙂"]
    )
    async def test_any_other_id_becomes_one_level_of_a_topic(
        self, node: Node, broker: Broker, sentence: Samples, hostile: str
    ) -> None:
        async with listening(broker, "+") as bus:
            outcome = await native_call(node.url, sentence, call_id=hostile)
            await bus.ended()
        assert outcome.code == 1000
        assert {str(message.topic).split("/")[5] for message in bus.messages} == {"state", "customer", "ended"}
        assert wrong_with(bus.events("utterance")[0], "utterance") == []


async def test_of_a_call_whose_caller_objects_no_byte_is_left_on_the_disk(
    start_node: StartNode, mosquitto: Broker, recording: Samples, call_id: str
) -> None:
    node = await start_node(mosquitto.url, config='[log]\nlevel = "debug"\n')
    await node.connected()
    mosquitto.stop()
    theirs, other = f"{call_id}-of-who-objects", f"{call_id}-of-another"
    async with connect(node.url) as objects:
        await say(objects, start(call_id=call_id, labels={"case": theirs}), linear(recording))
        await until(objects, "event")
        assert theirs.encode() in files(node), "it waits for the broker"
        await say(objects, {"type": "withdraw"})
        await node.logged("analysis withdrawn", lambda line: line["call"] == call_id)
        await say(objects, linear(recording), STOP)
        await hear(objects)
    await node.logged("call ended", lambda line: line["call"] == call_id)
    at_that_moment = len(node.log)
    await native_call(node.url, between(recording, 0, 20_000), call_id=other, labels={"case": other})
    await node.kill()
    assert theirs.encode() not in files(node)
    assert other.encode() in files(node)
    assert not [line for line in node.log[at_that_moment:] if line.get("call") == call_id]

    again = await start_node(mosquitto.url, folder=node.folder)
    mosquitto.start()
    async with listening(mosquitto, "+") as bus:
        await bus.until(lambda: any(event["data"]["call"]["id"] == other for event in bus.events("ended")))
    assert {event["data"]["call"]["id"] for event in bus.events("utterance", "ended", "state")} == {other}
    assert theirs not in again.text()


def files(node: Node) -> bytes:
    """Return all bytes of the outbox, its log included."""
    return b"".join(path.read_bytes() for path in node.folder.glob("outbox*"))


def ended_under_pseudonyms(messages: list[aiomqtt.Message]) -> Iterator[str]:
    """Yield the name of each call that has ended and whose id was a number; others may just be ending, too."""
    for message in messages:
        name = str(message.topic).split("/")[4]
        if name.startswith("n-") and level(message) == "ended":
            yield name


def all_traces(node: Node, messages: list[aiomqtt.Message]) -> str:
    """Return all that can be read of calls: the log, topics, payloads, properties."""
    on_the_bus = [f"{one.topic} {bytes(one.payload).decode()} {one.properties}" for one in messages]
    return "\n".join([node.text(), *on_the_bus])
