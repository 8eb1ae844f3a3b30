"""The ways in beside plain WebSocket, from outside: TLS with and without clients' certificates, web pages, bare TCP."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from tests.certificates import Pair, authority, client_context, signed
from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node, streamer
from tests.end_to_end.sounds import Samples, linear
from tests.end_to_end.speaking import STOP, Json, Outcome, cut, hear, say, start

PAGE = "https://desk.example.com"
UUID = "00112233-4455-6677-8899-aabbccddeeff"


def config(cert: Pair, ca: Pair) -> str:
    return f"""
[server]
tls_cert_file = "{cert.cert}"
tls_key_file = "{cert.key}"
tls_client_ca_file = "{ca.cert}"
require_key = true
origins = ["{PAGE}"]
[[keys]]
id = "pbx"
certificate = "pbx.example.com"
tenant = "by-certificate"
[[keys]]
id = "desk"
secret = "of-the-desk"
tenant = "by-token"
max_calls = 1
dialects = ["native"]
"""


class Guarded(NamedTuple):
    """A node that speaks TLS to who has a certificate, and the certificates."""

    node: Node
    ca: Pair
    pbx: Pair
    desk: Pair

    def socket(self, shows: Pair | None, **options: Any) -> connect:
        """Open a native stream as the owner of a certificate."""
        return connect(f"wss://127.0.0.1:{self.node.port}/v1/stream", ssl=client_context(self.ca, shows), **options)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    folder = tmp_path_factory.mktemp("certificates")
    ca = authority(folder, "ca")
    ours, pbx, desk = (signed(ca, folder, name) for name in ("calls.example.com", "pbx.example.com", "desk"))
    node = Node(tmp_path_factory.mktemp("guarded"), broker.url, config=config(ours, ca), name="guarded")
    try:
        yield Guarded(await node.listening(), ca, pbx, desk)
    finally:
        node.close()


async def whole_call(opening: connect, samples: Samples, call_id: str) -> Outcome:
    async with opening as stream:
        await say(stream, start(call_id=call_id), *cut(linear(samples), 16_000), STOP)
        return await hear(stream)


async def test_a_certificate_opens_the_door_of_the_tenant_that_names_it(
    guarded: Guarded, broker: Broker, sentence: Samples, verdict: Json, call_id: str
) -> None:
    async with listening(broker, call_id, tenant="by-certificate") as bus:
        outcome = await whole_call(guarded.socket(guarded.pbx), sentence, call_id)
        await bus.ended()
    assert outcome.code == 1000
    assert outcome.utterances == [verdict]
    assert outcome.events == bus.events("utterance")


async def test_a_certificate_that_no_key_names_gets_a_connection_and_needs_a_key(guarded: Guarded) -> None:
    with pytest.raises(InvalidStatus) as problem:
        await guarded.socket(guarded.desk)
    assert problem.value.response.status_code == 401
    line = await guarded.node.logged("connection refused")
    assert line["certificate"] == guarded.desk.fingerprint


async def test_without_a_certificate_or_without_tls_there_is_no_connection(guarded: Guarded) -> None:
    with pytest.raises((InvalidMessage, OSError)):
        await guarded.socket(None)
    with pytest.raises((InvalidMessage, OSError)):
        await connect(f"ws://127.0.0.1:{guarded.node.port}/v1/stream")
    assert (await guarded.node.get("/readyz"))[0] == 200


async def test_a_page_comes_in_by_a_token_among_the_subprotocols(
    guarded: Guarded, broker: Broker, sentence: Samples, verdict: Json, call_id: str
) -> None:
    offered: Any = {"origin": PAGE, "subprotocols": ["emotion-streamer.v1", "bearer.of-the-desk"]}
    async with listening(broker, call_id, tenant="by-token") as bus:
        outcome = await whole_call(guarded.socket(guarded.desk, **offered), sentence, call_id)
        await bus.ended()
    assert outcome.utterances == [verdict]

    async with guarded.socket(guarded.desk, **offered) as stream:
        assert stream.subprotocol == "emotion-streamer.v1"
        await say(stream, start(call_id=call_id))
        assert json.loads(await stream.recv())["type"] == "ready"
        async with guarded.socket(guarded.desk, **offered) as second:
            await say(second, start(call_id=f"{call_id}-2"))
            refused = await hear(second)
            assert refused.code == 1013
            assert "'desk'" in refused.error["message"]

    for change in ({"origin": "https://evil.example.com"}, {"subprotocols": ["emotion-streamer.v1", "bearer.guessed"]}):
        with pytest.raises(InvalidStatus):
            await guarded.socket(guarded.desk, **offered | change)
    assert "of-the-desk" not in guarded.node.text()


def test_files_that_cannot_be_used_are_one_line_and_no_server(broker: Broker, tmp_path: Path) -> None:
    pair, other = authority(tmp_path, "one"), authority(tmp_path, "other")
    done = streamer(
        "serve",
        folder=tmp_path,
        STREAMER_MQTT_URL=broker.url,
        STREAMER_SERVER_TLS_CERT_FILE=str(pair.cert),
        STREAMER_SERVER_TLS_KEY_FILE=str(other.key),
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "tls_key_file" in line]
    assert str(other.key) in line


def packets(samples: Samples, *, ms: int = 20) -> bytes:
    """Return a call as Asterisk puts it on the wire: the UUID, then linear audio of one party."""
    audio = samples[:, 0].astype("<i2").tobytes()
    named = b"\x01\x00\x10" + bytes.fromhex(UUID.replace("-", ""))
    return named + b"".join(b"\x10" + len(one).to_bytes(2, "big") + one for one in cut(audio, 16 * ms))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_call_over_bare_tcp_gives_what_it_gives_natively_however_it_is_cut(
    start_node: StartNode, broker: Broker, sentence: Samples, verdict: Json
) -> None:
    port = free_port()
    node = await start_node(broker.url, config=f"[dialects.audiosocket]\nport = {port}\ntenant = 'pbx'\n")
    assert (await node.logged("listening"))["audiosocket"] == port
    for size in (1, 997, 1 << 20):
        async with listening(broker, UUID, tenant="pbx") as bus:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for piece in cut(packets(sentence), size) if size > 1 else [packets(sentence)[:1], packets(sentence)[1:]]:
                writer.write(piece)
                await writer.drain()
            writer.write_eof()  # as most of its calls end: without a word
            assert await reader.read() == b""
            writer.close()
            ended = await bus.ended()
            (utterance,) = bus.events("utterance")
        assert ended["data"]["reason"] == "stop"
        said, expected = utterance["data"], verdict
        assert abs(said["utterance"]["start_ms"] - expected["start_ms"]) <= 40
        assert abs(said["utterance"]["end_ms"] - expected["end_ms"]) <= 40
        assert said["emotion"]["top"] == expected["top"]


async def test_a_node_that_goes_down_hangs_up_on_bare_tcp_too(
    start_node: StartNode, broker: Broker, sentence: Samples
) -> None:
    port = free_port()
    node = await start_node(broker.url, config=f"[dialects.audiosocket]\nport = {port}\n[server]\ndrain_s = 0\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(packets(sentence))
    await node.logged("call started")
    node.terminate()
    assert await reader.read() == b""
    writer.close()
    with suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
    assert await node.ended() == 0
    assert (await node.logged("call ended"))["reason"] == "draining"
