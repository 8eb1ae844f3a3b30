"""One call over several sockets, as Asterisk snoops it: a socket for each party, lost and opened again.

Through the command, the sockets and a real broker. The utterances of the parts must be those of one stream of both.
"""

from __future__ import annotations

import asyncio
import itertools
import json

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import Bus, listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, between, mulaw
from tests.end_to_end.speaking import Json, Outcome, converse, cut, essence

PATIENT = "[audio]\njoin_grace_s = 600\n"
"""No machine is so slow that a socket would come back too late; what ends these calls is the drain."""


def media_start(call: str, leg: str, **variables: str) -> str:
    """Return the first message of a socket of a snooped channel, in JSON control format."""
    return json.dumps(
        {
            "event": "MEDIA_START",
            "connection_id": "conn1",
            "channel": f"WebSocket/conn1/{leg}",
            "channel_id": f"1795328721.{len(leg)}",
            "format": "ulaw",
            "optimal_frame_size": 160,
            "ptime": 20,
            "channel_variables": {"call": call, "leg": leg, **variables},
        }
    )


def snoop(node: Node) -> connect:
    return connect(
        f"ws://127.0.0.1:{node.port}/asterisk", compression=None, close_timeout=60, subprotocols=[Subprotocol("media")]
    )


async def say(socket: ClientConnection, samples: Samples, channel: int) -> None:
    for message in cut(mulaw(samples[:, [channel]]), 160):
        await socket.send(message)


async def live(bus: Bus, roles: int) -> None:
    """Return once the call's state shows so many parties."""
    await bus.until(lambda: any(len(state["data"]["roles"]) == roles for state in bus.events("state")))


async def talk(node: Node, bus: Bus, call: str, samples: Samples) -> None:
    """Let both parties speak on a socket each, in turns of a second; hang up on both."""
    async with snoop(node) as customer, snoop(node) as agent:
        await customer.send(media_start(call, "in"))
        await say(customer, between(samples, 0, 20), 0)
        await live(bus, 1)
        await agent.send(media_start(call, "out"))
        await say(agent, between(samples, 0, 20), 1)
        for begin, end in itertools.pairwise([20, *range(1000, len(samples) // 8 + 1000, 1000)]):
            for socket, channel in ((customer, 0), (agent, 1)):
                await say(socket, between(samples, begin, end), channel)


def emotions_of(bus: Bus) -> list[Json]:
    return [essence(event) for event in bus.events("utterance")]


async def test_a_socket_for_each_party_gives_what_one_stream_of_both_gives(
    start_node: StartNode, broker: Broker, recording: Samples, reference: Outcome, call_id: str
) -> None:
    node = await start_node(broker.url, config="[audio]\njoin_grace_s = 0.1\n")
    await node.connected()
    async with listening(broker, call_id) as bus:
        await talk(node, bus, call_id, recording)
        summary = await bus.ended()
    ours, theirs = emotions_of(bus), reference.utterances
    assert [said["n"] for said in ours] == [said["n"] for said in theirs]
    for said, other in zip(ours, theirs, strict=True):
        assert abs(said["start_ms"] - other["start_ms"]) <= 40
        assert abs(said["end_ms"] - other["end_ms"]) <= 40
        assert said["top"] == other["top"]
    assert len(bus.events("ended")) == 1
    assert [speaker["role"] for speaker in summary["data"]["speakers"]] == ["customer", "agent"]
    assert all(speaker["talk_ms"] > 5000 for speaker in summary["data"]["speakers"])
    assert {event["data"]["call"]["dialect"] for event in bus.events("utterance", "ended")} == {"asterisk"}


async def test_a_socket_that_is_lost_and_opened_again_continues_the_call_until_the_drain(
    start_node: StartNode, broker: Broker, recording: Samples, call_id: str
) -> None:
    node = await start_node(broker.url, config=PATIENT)
    await node.connected()
    middle_ms = len(recording) // 16
    async with listening(broker, call_id) as bus:
        async with snoop(node) as socket:
            await socket.send(media_start(call_id, "in"))
            await say(socket, between(recording, 0, middle_ms), 0)
        await node.logged("no part carries the call")
        before = len(bus.events("ended"))
        async with snoop(node) as socket:
            await socket.send(media_start(call_id, "in"))
            await say(socket, between(recording, middle_ms, 1e9), 0)
        await node.logged("part joined the call")
        node.terminate()
        await bus.ended()
        code = await node.ended()
    events = bus.events("utterance")
    assert before == 0
    assert [event["data"]["utterance"]["n"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["id"] for event in events}) == len(events) >= 4
    assert len(bus.events("ended")) == 1
    assert code == 0


async def test_an_objection_on_one_socket_is_one_of_the_call(
    start_node: StartNode, broker: Broker, excerpt: Samples, call_id: str
) -> None:
    node = await start_node(broker.url, config=PATIENT)
    await node.connected()
    async with listening(broker, call_id) as bus, snoop(node) as customer:
        await customer.send(media_start(call_id, "in"))
        await live(bus, 1)
        async with snoop(node) as agent:
            await agent.send(media_start(call_id, "out", withdraw="1"))
        await bus.cleared()
        await say(customer, excerpt, 0)
        await customer.close()
        node.terminate()
        assert await node.ended() == 0
    assert bus.events("utterance", "ended") == []


async def test_fifty_sockets_of_twenty_five_calls_end_with_one_summary_each(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url, config=f"{PATIENT}[server]\nmax_calls = 25\n")
    await node.connected()
    audio = list(cut(mulaw(sentence[:, :1]), 800))

    async def party(call: int, leg: str) -> None:
        async with snoop(node) as socket:
            for message in (media_start(f"{call_id}-{call}", leg), *audio):
                await socket.send(message)

    async with listening(broker, "+") as bus:
        await asyncio.gather(*(party(call, leg) for call in range(25) for leg in ("in", "out")))
        node.terminate()
        assert await node.ended() == 0
        await bus.until(lambda: len(ends(bus, call_id)) >= 25)
    assert sorted(len(ended["data"]["speakers"]) for ended in ends(bus, call_id)) == [2] * 25
    assert node.text().count('"stream refused"') == 0


def ends(bus: Bus, call_id: str) -> list[Json]:
    return [ended for ended in bus.events("ended") if ended["subject"].startswith(f"{call_id}-")]


async def test_a_part_alone_is_refused_like_any_call_when_the_server_is_full(
    start_node: StartNode, broker: Broker, call_id: str
) -> None:
    node = await start_node(broker.url, config="[server]\nmax_calls = 1\n")
    await node.connected()
    async with listening(broker, call_id) as bus, snoop(node) as first, snoop(node) as second:
        await first.send(media_start(call_id, "in"))
        await second.send(media_start(call_id, "out"))
        await live(bus, 2)
        other = await converse(f"ws://127.0.0.1:{node.port}/asterisk", [media_start(f"{call_id}-other", "in")])
    assert other.code == 1013
