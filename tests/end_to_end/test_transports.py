"""A node whose WebSockets picows takes, as a process on its own loop: calls, refusals, close codes and its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.certificates import authority, client_context, signed
from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, demo_call, linear
from tests.end_to_end.speaking import STOP, converse, hear, native_call, say, start, twilio_call, until

pytest.importorskip("picows", reason="the extra picows is not installed")

PICOWS = '[server]\ntransport = "picows"\n'
REFUSING = PICOWS + 'max_message_bytes = 100000\nrequire_key = true\n[[keys]]\nid = "a"\nsecret = "of-the-crm"\n'


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def picows(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    node = Node(tmp_path_factory.mktemp("picows"), broker.url, config=PICOWS, name="picows")
    try:
        await node.listening()
        yield await node.connected()
    finally:
        node.close()
    assert [line["event"] for line in node.log if line.get("level") in {"error", "critical"}] == []


@pytest.mark.parametrize("dialect", ["native", "twilio"])
async def test_a_call_is_heard_as_on_the_other_library(
    picows: Node, node: Node, broker: Broker, call_id: str, dialect: str
) -> None:
    found = []
    recording = demo_call()
    for served, name in ((picows, f"{call_id}-p"), (node, f"{call_id}-w")):
        async with listening(broker, name) as bus:
            if dialect == "native":
                await native_call(served.url, recording, call_id=name)
            else:
                await converse(served.twilio_url, twilio_call(name, recording))
            summary = await bus.ended()
        found.append((summary["data"]["reason"], summary["data"]["utterances"], summary["data"]["duration_ms"]))
    assert found[0] == found[1]
    assert found[0][1]


async def test_who_may_not_come_in_is_told_so_and_a_message_too_large_ends_by_1009(
    start_node: StartNode, broker: Broker
) -> None:
    node = await start_node(broker.url, config=REFUSING)
    with pytest.raises(InvalidStatus, match="401"):
        await connect(node.url)
    with pytest.raises(InvalidStatus, match="404"):
        await connect(node.url.replace("/v1/stream", "/nowhere"))
    async with connect(node.url, additional_headers={"Authorization": "Bearer of-the-crm"}) as socket:
        await socket.send(bytes(100_001))
        assert (await hear(socket)).code == 1009


async def test_a_node_that_goes_ends_calls_by_1001(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url, config=PICOWS)
    await node.connected()
    async with connect(node.url) as socket:
        await say(socket, start(call_id=call_id), linear(sentence))
        await until(socket, "event")
        node.terminate()
        await node.logged("draining")
        node.terminate()
        outcome = await hear(socket)
    assert (outcome.error["code"], outcome.code) == ("draining", 1001)
    assert await node.ended() == 0


async def test_workers_serve_calls_with_tls(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str, tmp_path: Path
) -> None:
    ca = authority(tmp_path, "ca")
    ours = signed(ca, tmp_path, "calls.example.com")
    config = f'{PICOWS}workers = 2\ntls_cert_file = "{ours.cert}"\ntls_key_file = "{ours.key}"\n'
    node = await start_node(broker.url, config=config)
    await node.connected()
    async with connect(node.url.replace("ws:", "wss:"), ssl=client_context(ca)) as socket:
        await say(socket, start(call_id=call_id), linear(sentence), STOP)
        outcome = await hear(socket)
    assert (outcome.code, outcome.of("ended")) == (1000, [{"type": "ended", "utterances": 1}])
    node.terminate()
    assert await node.ended() == 0
