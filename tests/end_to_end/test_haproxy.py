"""HAProxy, configured as it ships, in front of several nodes: calls spread, nodes drain, nothing that is on is cut."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from benchmarks.balancer import Behind
from tests.certificates import Pair, authority, signed
from tests.conftest import Broker
from tests.docs.reading import ROOT
from tests.end_to_end.balancing import Balancer, behind, free_ports
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, linear
from tests.end_to_end.speaking import STOP, Outcome, hear, say, start, twilio_call, until

QUIET = {"timeout client 30s": "timeout client 1s", "timeout server 30s": "timeout server 1s"}
"""Short timeouts of everything but a call."""
SILENT = "[server]\nping_interval_s = 0\n[audio]\nidle_s = 600\n"
"""A node that says nothing by itself and does not mind a caller who says nothing either."""
MediaSocket = Subprotocol("media")

Front = Callable[..., Balancer]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("front")
    mine = authority(folder, "authority")
    pair = signed(mine, folder, "front")
    whole = folder / "whole.pem"
    whole.write_bytes(pair.cert.read_bytes() + mine.cert.read_bytes())
    return Pair(whole, pair.key)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Node]]:
    """Two nodes for the tests that do them no harm."""
    nodes = [Node(tmp_path_factory.mktemp(name), broker.url, config=SILENT, name=name) for name in ("two-1", "two-2")]
    try:
        for node in nodes:
            await node.listening()
            await node.connected()
        yield nodes
    finally:
        for node in nodes:
            node.close()


@pytest.fixture
def front(certificate: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Start a balancer: `front(node, node, changes={...})`."""
    running: list[Balancer] = []

    def make(*nodes: Node | Behind, changes: dict[str, str] | None = None) -> Balancer:
        seen = [node if isinstance(node, Behind) else behind(node) for node in nodes]
        running.append(Balancer(tmp_path_factory.mktemp("haproxy"), seen, certificate, changes))
        return running[-1]

    yield make
    for balancer in running:
        balancer.close()


@contextlib.asynccontextmanager
async def calling(balancer: Balancer, call: str) -> AsyncIterator[ClientConnection]:
    """Be in a call."""
    async with connect(balancer.url(), ssl=balancer.context, compression=None, ping_interval=None) as socket:
        await say(socket, start(call_id=call))
        await until(socket, "ready")
        yield socket


async def finish(socket: ClientConnection, samples: Samples) -> Outcome:
    """Say it all, and hear the call out."""
    await say(socket, linear(samples), STOP)
    return await hear(socket)


async def whole_call(balancer: Balancer, call: str, samples: Samples) -> str:
    """Have a call; return which node carried it."""
    async with calling(balancer, call) as socket:
        outcome = await finish(socket, samples)
    assert outcome.code == 1000
    return source(outcome)


def source(outcome: Outcome) -> str:
    """Return the node behind the events that a caller was told."""
    (node,) = {event["source"] for event in outcome.events}
    return str(node)


async def nodes_of(start_node: StartNode, broker: Broker, count: int, config: str = "") -> list[Node]:
    nodes = [await start_node(broker.url, name=f"behind-{number}", config=config) for number in range(1, count + 1)]
    for node in nodes:
        await node.connected()
    return nodes


async def active(node: Node) -> float:
    """Return how many calls a node carries."""
    _, page = await node.get("/metrics")
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith("streamer_calls_active{"))


async def test_calls_go_where_there_are_fewest_and_tls_ends_at_the_front(
    two: list[Node], front: Front, call_id: str
) -> None:
    balancer = front(*two)
    async with contextlib.AsyncExitStack() as stack:
        for number in range(6):
            await stack.enter_async_context(calling(balancer, f"{call_id}-{number}"))
        assert [await active(node) for node in two] == [3, 3]
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        await connect(balancer.url(), compression=None)


async def test_a_node_that_drains_ends_its_calls_in_peace_and_new_ones_go_elsewhere(
    start_node: StartNode, broker: Broker, front: Front, sentence: Samples, call_id: str
) -> None:
    nodes = await nodes_of(start_node, broker, 2)
    balancer = front(*nodes)
    async with calling(balancer, f"{call_id}-1") as one, calling(balancer, f"{call_id}-2") as two:
        nodes[0].terminate()
        await asyncio.to_thread(balancer.logged, "Server calls/node-1 is stopping")
        assert balancer.status("node-1").startswith("NOLB")
        carried = [await whole_call(balancer, f"{call_id}-new-{number}", sentence) for number in range(4)]
        outcomes = await asyncio.gather(finish(one, sentence), finish(two, sentence))
    assert carried == ["/nodes/behind-2"] * 4
    assert sorted(map(source, outcomes)) == ["/nodes/behind-1", "/nodes/behind-2"]
    assert [outcome.code for outcome in outcomes] == [1000, 1000]
    assert await nodes[0].ended() == 0
    await asyncio.to_thread(balancer.logged, "Server calls/node-1 is DOWN")


async def test_a_full_node_is_passed_over_until_it_has_room(
    start_node: StartNode, broker: Broker, front: Front, sentence: Samples, call_id: str
) -> None:
    small = await start_node(broker.url, name="small", config="[server]\nmax_calls = 1\n")
    large = await start_node(broker.url, name="large")
    balancer = front(small, large)
    async with contextlib.AsyncExitStack() as stack:
        for number in range(2):
            await stack.enter_async_context(calling(balancer, f"{call_id}-{number}"))
        await asyncio.to_thread(balancer.logged, "Server calls/node-1 is stopping")
        for number in range(2, 5):
            await stack.enter_async_context(calling(balancer, f"{call_id}-{number}"))
        assert [await active(small), await active(large)] == [1, 4]
    await asyncio.to_thread(balancer.logged, "Server calls/node-1 is UP")
    assert await whole_call(balancer, f"{call_id}-last", sentence) in {"/nodes/small", "/nodes/large"}


async def test_a_node_that_dies_gets_nothing_and_one_that_comes_back_gets_calls(
    start_node: StartNode, broker: Broker, front: Front, sentence: Samples, call_id: str
) -> None:
    nodes = await nodes_of(start_node, broker, 2)
    balancer = front(*nodes)
    await nodes[0].kill()
    # Also before the next look at it: who is not there is asked at the connect, and another one is.
    carried = [await whole_call(balancer, f"{call_id}-{number}", sentence) for number in range(3)]
    assert carried == ["/nodes/behind-2"] * 3


async def silence(balancer: Balancer, times: int) -> None:
    """Let so much time go by, on the balancer's own clock: as often as it cuts an idle connection after a second."""
    for _ in range(times):
        reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port, ssl=balancer.context)
        await reader.read()  # comes back when it is cut
        writer.close()


async def test_a_call_on_hold_outlives_the_timeouts_of_http(
    two: list[Node], front: Front, sentence: Samples, call_id: str
) -> None:
    balancer = front(*two, changes=QUIET)
    async with calling(balancer, call_id) as socket:
        await silence(balancer, 3)
        outcome = await finish(socket, sentence)
    assert (outcome.code, len(outcome.utterances)) == (1000, 1)


async def test_what_cuts_a_quiet_call_is_the_tunnels_timeout(two: list[Node], front: Front, call_id: str) -> None:
    balancer = front(*two, changes={"timeout tunnel 4h": "timeout tunnel 1s"})
    async with calling(balancer, call_id) as socket:
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert socket.close_code == 1006


async def test_both_sockets_of_a_call_meet_on_one_node_also_while_it_drains(
    start_node: StartNode, broker: Broker, front: Front, call_id: str
) -> None:
    nodes = await nodes_of(start_node, broker, 2, "[audio]\njoin_grace_s = 0\n")
    balancer = front(*nodes)
    calls = [f"{call_id}-{number}" for number in range(6)]
    async with listening(broker, "+") as bus, contextlib.AsyncExitStack() as stack:

        async def leg(call: str, leg: str) -> None:
            where = balancer.url(f"/asterisk?call={call}")
            snoop = connect(where, ssl=balancer.context, compression=None, subprotocols=[MediaSocket])
            socket = await stack.enter_async_context(snoop)
            await socket.send(media_start(call, leg))
            await socket.send(bytes(160))

        def states(roles: int) -> dict[str, str]:
            return {
                event["data"]["call"]["id"]: event["source"]
                for event in bus.events("state")
                if event["data"]["call"]["id"] in calls and len(event["data"]["roles"]) == roles
            }

        await asyncio.gather(*(leg(call, side) for call in calls[:5] for side in ("in", "out")))  # all at once
        await leg(calls[5], "in")
        await bus.until(lambda: len(states(2)) == 5 and calls[5] in states(1))
        carrier = states(1)[calls[5]]
        number = int(carrier[-1])
        nodes[number - 1].terminate()
        await asyncio.to_thread(balancer.logged, f"Server parts/node-{number} is stopping")
        await leg(calls[5], "out")
        await bus.until(lambda: calls[5] in states(2))
        assert states(2)[calls[5]] == carrier
        assert len(set(states(2).values())) > 1, "not all on one node"


async def test_streams_of_one_uuid_meet_over_audiosocket_and_strangers_are_kept_out(
    start_node: StartNode, broker: Broker, front: Front
) -> None:
    ports = free_ports(2)
    config = "[dialects.audiosocket]\nport = {}\njoin = true\n[audio]\njoin_grace_s = 0\n"
    nodes = [await start_node(broker.url, name=f"tcp-{port}", config=config.format(port)) for port in ports]
    behind_it = [behind(node, port) for node, port in zip(nodes, ports, strict=True)]
    balancer = front(*behind_it)
    calls = [str(uuid.UUID(int=number)) for number in range(1, 7)]
    async with listening(broker, "+") as bus, contextlib.AsyncExitStack() as stack:
        for call in calls * 2:
            _, writer = await asyncio.open_connection("127.0.0.1", balancer.audiosocket_port)
            stack.callback(writer.close)
            writer.write(b"\x01\x00\x10" + uuid.UUID(call).bytes + b"\x10\x01\x40" + bytes(320))
        await bus.until(lambda: {event["data"]["call"]["id"] for event in bus.events("state")} >= set(calls))
        carrying = {event["data"]["call"]["id"]: event["source"] for event in bus.events("state")}
        for call in calls:
            (node,) = [node for node, port in zip(nodes, ports, strict=True) if carrying[call] == f"/nodes/tcp-{port}"]
            await node.logged("part joined the call", lambda line, call=call: line["call"] == call)  # type: ignore[misc]
    closed = front(*behind_it, changes={"src 127.0.0.0/8 10.0.0.0/8": "src 192.0.2.0/24"})
    with contextlib.suppress(ConnectionResetError):  # comes at the connect, or at the first reading
        reader, writer = await asyncio.open_connection("127.0.0.1", closed.audiosocket_port)
        stranger = await reader.read()
        writer.close()
        assert stranger == b""


def media_start(call: str, leg: str) -> str:
    """Return the first message of one of Asterisk's sockets."""
    fields = {"event": "MEDIA_START", "channel_id": f"{call}.{leg}", "format": "ulaw", "optimal_frame_size": 160}
    return json.dumps(fields | {"channel_variables": {"call": call, "leg": leg}})


async def test_a_platforms_signature_over_the_public_url_holds_behind_the_front(
    start_node: StartNode, broker: Broker, front: Front, sentence: Samples, call_id: str
) -> None:
    config = """
[server]
require_key = true
public_url = "wss://calls.example.com"
[[keys]]
id = "twilio"
secret = "auth-token"
dialects = ["twilio"]
"""
    balancer = front(*await nodes_of(start_node, broker, 1, config))

    async def refused(**signed: str) -> int:
        with pytest.raises(InvalidStatus) as raised:
            await connect(balancer.url("/twilio"), ssl=balancer.context, additional_headers=signed)
        return raised.value.response.status_code

    assert await refused(**signature(balancer.url("/twilio"))) == 403  # of what stands nowhere in TwiML
    forwarded = {"x-forwarded-host": f"127.0.0.1:{balancer.port}", "x-forwarded-proto": "https"}
    assert await refused(**signature(balancer.url("/twilio")), **forwarded) == 403
    taken = signature("wss://calls.example.com/twilio")
    async with connect(
        balancer.url("/twilio"), ssl=balancer.context, additional_headers=taken, compression=None
    ) as socket:
        await say(socket, *twilio_call(call_id, sentence))
        assert (await hear(socket)).code == 1000


def signature(url: str) -> dict[str, str]:
    """Return the header that Twilio signs an upgrade with."""
    digest = hmac.new(b"auth-token", url.encode(), hashlib.sha1).digest()
    return {"x-twilio-signature": base64.b64encode(digest).decode()}


async def test_who_guesses_keys_is_held_back_at_the_front_where_addresses_are_known(
    start_node: StartNode, broker: Broker, front: Front
) -> None:
    config = """
[server]
require_key = true
auth_failures_per_minute = 0
[[keys]]
id = "crm"
secret = "of-the-crm"
"""
    (node,) = await nodes_of(start_node, broker, 1, config)
    balancer = front(node)

    async def guess(path: str, key: str) -> int:
        with pytest.raises(InvalidStatus) as raised:
            await connect(
                balancer.url(path), ssl=balancer.context, additional_headers={"Authorization": f"Bearer {key}"}
            )
        return raised.value.response.status_code

    assert [await guess("/v1/stream", "wrong") for _ in range(21)] == [401] * 21
    assert await guess("/v1/stream", "of-the-crm") == 429
    assert await guess("/audiocodes", "wrong") == 401  # a platform in the cloud shares its addresses


async def test_a_reload_cuts_no_call_and_refuses_none(
    two: list[Node], front: Front, sentence: Samples, call_id: str
) -> None:
    balancer = front(*two)
    async with calling(balancer, f"{call_id}-before") as before:
        for number in range(2):
            reloading = asyncio.create_task(asyncio.to_thread(balancer.reload))
            for n in range(3):
                await whole_call(balancer, f"{call_id}-{number}-{n}", sentence)
            await reloading
        await whole_call(balancer, f"{call_id}-after", sentence)
        outcome = await finish(before, sentence)
    assert (outcome.code, len(outcome.utterances)) == (1000, 1)


async def test_figures_are_for_this_machine_alone(two: list[Node], front: Front) -> None:
    balancer = front(*two)

    def get(path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", balancer.figures_port)
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        body = answer.read().decode()
        connection.close()
        return body

    assert 'haproxy_server_status{proxy="calls",server="node-1",state="UP"} 1' in await asyncio.to_thread(
        get, "/metrics"
    )
    assert "node-1" in await asyncio.to_thread(get, "/")
    shipped = (ROOT / "docker/haproxy.cfg").read_text(encoding="utf-8")
    assert "    bind 127.0.0.1:8405\n    no log\n    stats enable\n" in shipped
    assert shipped.count("stats uri") == 1
