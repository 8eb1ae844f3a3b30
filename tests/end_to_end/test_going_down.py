"""Admission, drain and health: what a load balancer and a service manager see."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, linear
from tests.end_to_end.speaking import STOP, converse, hear, native_call, say, start, twilio_start, until


async def test_sigterm_lets_calls_end_and_refuses_new_ones(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url)
    await node.connected()
    async with listening(broker, call_id) as bus:
        async with connect(node.url) as socket:
            await say(socket, start(call_id=call_id), linear(sentence))
            await until(socket, "event")
            node.terminate()
            await node.logged("draining")
            readiness = await node.get("/readyz")
            liveness, _ = await node.get("/livez")
            late = await converse(node.url, [start(call_id=f"{call_id}-late"), linear(sentence), STOP])
            late_twilio = await converse(node.twilio_url, twilio_start(f"{call_id}-late-twilio"))
            await say(socket, linear(sentence), STOP)
            outcome = await hear(socket)
        summary = await bus.ended()
        code = await node.ended()
    assert readiness == (503, "draining\n")
    assert liveness == 200
    assert (late.error["code"], late.code) == ("draining", 1001)
    assert late_twilio.code == 1001
    assert outcome.code == 1000
    assert outcome.of("ended") == [{"type": "ended", "utterances": 2}]
    assert summary["data"]["reason"] == "stop"
    assert code == 0


async def test_a_second_sigterm_ends_at_once_in_an_orderly_way(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url)
    await node.connected()
    async with listening(broker, call_id) as bus, connect(node.url) as socket:
        await say(socket, start(call_id=call_id), linear(sentence))
        await until(socket, "event")
        node.terminate()
        await node.logged("draining")
        node.terminate()
        outcome = await hear(socket)
        summary = await bus.ended()
        code = await node.ended()
    assert (outcome.error["code"], outcome.code) == ("draining", 1001)
    assert summary["data"]["reason"] == "draining"
    assert code == 0


async def test_calls_that_outlast_the_drain_are_cut(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url, config="[server]\ndrain_s = 0.1\n")
    async with connect(node.url) as socket:
        await say(socket, start(call_id=call_id), linear(sentence))
        await until(socket, "event")
        node.terminate()
        outcome = await hear(socket)
        code = await node.ended()
    assert (outcome.error["code"], outcome.code, code) == ("draining", 1001, 0)


async def test_a_node_without_calls_ends_at_once(start_node: StartNode, broker: Broker) -> None:
    node = await start_node(broker.url)
    await node.connected()
    async with connect(node.url) as idle:  # a connection is no call
        node.terminate()
        assert await node.ended() == 0
        assert (await hear(idle)).code == 1001
    assert (await node.logged("stopped"))["undelivered"] == 0


async def test_a_full_node_sends_calls_elsewhere_until_one_ends(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url, config="[server]\nmax_calls = 1\n")
    async with connect(node.url) as socket:
        await say(socket, start(call_id=call_id))
        await until(socket, "ready")
        full = await node.get("/readyz")
        turned_away = await native_call(node.url, sentence, call_id=f"{call_id}-2")
        turned_away_twilio = await converse(node.twilio_url, twilio_start(f"{call_id}-3"))
        await say(socket, linear(sentence), STOP)
        served = await hear(socket)
    await node.logged("call ended")
    after = await native_call(node.url, sentence, call_id=f"{call_id}-4")
    assert full == (503, "full: 1 calls\n")
    assert (turned_away.error["code"], turned_away.code, turned_away_twilio.code) == ("full", 1013, 1013)
    assert (served.code, after.code) == (1000, 1000)
    assert await node.get("/readyz") == (200, "ready\n")


async def test_calls_that_fail_in_any_way_give_their_place_back(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url, config="[server]\nmax_calls = 1\n")
    first = start(call_id=call_id)
    for wrong in (first, "nonsense", bytes(9_000_000)):
        socket = await connect(node.url)
        await say(socket, first)
        await until(socket, "ready")
        await say(socket, wrong)
        assert (await hear(socket)).code in {1008, 1009}
        await ready(node)
    lost = await connect(node.url)
    await say(lost, first)
    await until(lost, "ready")
    lost.transport.abort()
    await lost.wait_closed()
    await ready(node)
    _, metrics = await node.get("/metrics")
    assert 'streamer_calls_active{dialect="native"} 0.0' in metrics
    assert (await native_call(node.url, sentence, call_id=call_id)).code == 1000


async def ready(node: Node) -> None:
    """Return once the node takes calls; a peer may see its socket closed a moment before its place is free."""
    while (await node.get("/readyz"))[0] != 200:
        pass


async def test_live_and_ready(node: Node) -> None:
    assert await node.get("/livez") == (200, "live\n")
    assert await node.get("/readyz") == (200, "ready\n")
    assert (await node.get("/"))[0] == 404


async def test_the_metrics_can_be_read_and_name_no_call(node: Node, sentence: Samples, call_id: str) -> None:
    await native_call(node.url, sentence, call_id=call_id)
    status, text = await node.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert status == 200
    assert {name.partition("_")[0] for name in families} == {"streamer", "process"}
    assert all(family.documentation for family in families.values())
    assert call_id not in text
    for name in ("calls", "utterances", "audio_seconds", "auth_failures", "protocol_faults", "outbox_rows"):
        assert f"streamer_{name}" in families
    utterances = sum(
        sample.value for sample in families["streamer_utterances"].samples if sample.name.endswith("_total")
    )
    assert utterances >= 1
    assert families["streamer_broker_connected"].samples[0].value == 1


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 10_000,
        b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["TLS", "HTTP without a host", "zeros", "HTTP without an upgrade"],
)
async def test_what_is_no_websocket_gets_a_closed_door(
    node: Node, sentence: Samples, call_id: str, bytes_sent: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(bytes_sent)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    assert b"101" not in answer.split(b"\r\n")[0]
    assert (await native_call(node.url, sentence, call_id=call_id)).code == 1000


async def test_no_websocket_opens_on_the_admin_port(node: Node) -> None:
    with pytest.raises((InvalidStatus, InvalidMessage)):
        await connect(f"ws://127.0.0.1:{node.admin_port}/livez")
