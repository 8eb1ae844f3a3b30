"""Nothing final is lost: the broker goes away, the server is killed, and every event arrives once under its id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect

from tests.conftest import Broker, collect
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import Bus, listening
from tests.end_to_end.sounds import Samples, between, linear
from tests.end_to_end.speaking import (
    STOP,
    Json,
    Outcome,
    at_speed_of_life,
    converse,
    essence,
    hear,
    native_call,
    say,
    start,
    twilio_call,
    until,
)


def once_each(events: list[Json]) -> list[Json]:
    """Return events as a subscriber that de-duplicates by id sees them."""
    return list({event["id"]: event for event in events}.values())


class Wire:
    """A TCP proxy in front of the broker that can swallow what the broker answers."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._deaf = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    def swallow_answers(self) -> None:
        """Let messages through to the broker, and none of its acknowledgements back."""
        self._deaf = True

    async def open(self) -> asyncio.Server:
        """Listen on a free port."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._broker.port)
        await asyncio.gather(self._pump(reader, back, answers=False), self._pump(there, writer, answers=True))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        try:
            while data := await reader.read(65_536):
                if not (answers and self._deaf):
                    writer.write(data)
        except ConnectionError:
            pass  # a killed server resets its connection
        finally:
            writer.close()


@asynccontextmanager
async def wire_to(broker: Broker) -> AsyncIterator[Wire]:
    """Put a wire in front of a broker."""
    wire = Wire(broker)
    async with await wire.open():
        yield wire


async def test_a_broker_that_is_stopped_in_the_middle_of_a_call_and_started_again_gets_every_utterance(
    start_node: StartNode, mosquitto: Broker, recording: Samples, reference: Outcome, call_id: str
) -> None:
    node = await start_node(mosquitto.url)
    await node.connected()
    middle = reference.utterances[1]["end_ms"] + 1000
    async with listening(mosquitto, call_id) as bus:
        async with connect(node.url) as socket:
            await say(socket, start(call_id=call_id), linear(between(recording, 0, middle)))
            await bus.utterances(2)
            mosquitto.stop()
            await say(socket, linear(between(recording, middle, len(recording))), STOP)
            outcome = await hear(socket)
        mosquitto.start()
        await bus.ended()
    delivered = once_each(bus.events("utterance"))
    assert outcome.code == 1000
    assert outcome.of("ended")[0]["utterances"] == len(reference.events)
    assert [essence(event) for event in delivered] == reference.utterances
    assert delivered == outcome.events
    assert len(once_each(bus.events("ended"))) == 1
    assert bus.events("ended", "utterance")[-1]["type"] == "emotion-streamer.ended.v1"


async def test_the_same_at_the_speed_of_life_as_twilio(
    start_node: StartNode, mosquitto: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(mosquitto.url)
    await node.connected()
    async with listening(mosquitto, call_id) as bus:
        call = asyncio.create_task(converse(node.twilio_url, at_speed_of_life(twilio_call(call_id, sentence), 0.010)))
        await bus.until(lambda: bool(bus.events("state")))
        mosquitto.stop()
        await node.logged("broker ")
        mosquitto.start()
        assert (await call).code == 1000
        await bus.ended()
    fast = await native_call(node.url, sentence, call_id=f"{call_id}-fast")
    assert [essence(event) for event in once_each(bus.events("utterance"))] == fast.utterances != []


async def test_events_of_a_server_that_was_killed_while_the_broker_was_down_arrive_after_its_restart(
    start_node: StartNode, mosquitto: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(mosquitto.url)
    await node.connected()
    async with listening(mosquitto, call_id) as bus:
        async with connect(node.url) as socket:
            await say(socket, start(call_id=call_id))
            await until(socket, "ready")
            await bus.until(lambda: bool(bus.events("state")))
            mosquitto.stop()
            await say(socket, linear(sentence))
            promised = (await until(socket, "event"))["event"]
            await node.kill()
        mosquitto.start()
        await start_node(mosquitto.url, folder=node.folder)
        await bus.utterances(1)
        await bus.cleared()
    assert once_each(bus.events("utterance")) == [promised]


async def test_an_event_of_a_server_that_was_killed_before_the_acknowledgement_comes_again_under_the_same_id(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    async with wire_to(broker) as wire, listening(broker, call_id) as bus:
        node = await start_node(wire.url)
        await node.connected()
        async with connect(node.url) as socket:
            await say(socket, start(call_id=call_id))
            await until(socket, "ready")
            await bus.until(lambda: bool(bus.events("state")))
            while "\nstreamer_outbox_rows 0.0\n" not in (await node.get("/metrics"))[1]:
                pass  # what is not acknowledged holds back what comes behind it in its call
            wire.swallow_answers()
            await say(socket, linear(sentence))
            promised = (await until(socket, "event"))["event"]
            await bus.utterances(1)
            await node.kill()
        await start_node(broker.url, folder=node.folder)
        await bus.utterances(2)
        await bus.cleared()
    assert bus.events("utterance") == [promised, promised]
    assert bus.events("ended") == []


async def test_a_server_that_ends_while_the_broker_is_down_delivers_after_its_next_start(
    start_node: StartNode, mosquitto: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(mosquitto.url)
    await node.connected()
    mosquitto.stop()
    outcome = await native_call(node.url, sentence, call_id=call_id)
    node.terminate()
    await node.logged("drained")
    node.terminate()
    assert await node.ended() == 0
    assert (await node.logged("stopped"))["undelivered"] >= len(outcome.events) + 1
    mosquitto.start()
    async with listening(mosquitto, call_id) as bus:
        await start_node(mosquitto.url, folder=node.folder)
        await bus.ended()
    assert bus.events("utterance") == outcome.events != []
    assert bus.messages[-1].payload == b""  # the state is cleared last, whether it was ever seen or not


async def test_calls_go_on_and_are_ready_for_more_while_the_broker_is_down(
    start_node: StartNode, mosquitto: Broker, excerpt: Samples, call_id: str
) -> None:
    node = await start_node(mosquitto.url)
    await node.connected()
    mosquitto.stop()
    calls = [f"{call_id}-{n}" for n in range(5)]
    outcomes = await asyncio.gather(*(native_call(node.url, excerpt, call_id=call) for call in calls))
    ready, _ = await node.get("/readyz")
    _, metrics = await node.get("/metrics")
    mosquitto.start()
    async with collect(mosquitto, "emotion/v1/default/calls/#") as heard:
        await heard.until(lambda messages: sum(str(one.topic).endswith("/ended") for one in messages) == len(calls))
        utterances = Bus(heard).events("utterance")
    assert ready == 200
    assert "streamer_broker_connected 0.0" in metrics
    assert {event["id"] for event in utterances} == {event["id"] for outcome in outcomes for event in outcome.events}
    for call, outcome in zip(calls, outcomes, strict=True):
        assert [event for event in utterances if event["data"]["call"]["id"] == call] == outcome.events != []


async def test_a_broker_that_was_never_there_is_said_once_and_serves_when_it_comes(
    start_node: StartNode, mosquitto: Broker, sentence: Samples, call_id: str
) -> None:
    async with listening(mosquitto, call_id) as bus:
        mosquitto.stop()
        node = await start_node(mosquitto.url)
        await node.logged("broker ")
        outcome = await native_call(node.url, sentence, call_id=call_id)
        mosquitto.start()
        await bus.ended()
    said = [line for line in node.log if line["event"].startswith("broker ")]
    assert bus.events("utterance") == outcome.events
    assert len(said) <= 2
    assert mosquitto.url in said[0]["event"]
    assert "nothing listens there" in said[0]["event"]
