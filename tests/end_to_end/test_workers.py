"""A node of several workers: calls spread, counted together, joined across workers, and none lost while they change."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import Broker, Collector, MakeBroker, collect
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Line, Node
from tests.end_to_end.sounds import Samples, between, linear
from tests.end_to_end.speaking import STOP, Outcome, hear, native_call, say, start, until
from tests.end_to_end.test_joining import PATIENT, live, media_start, snoop
from tests.end_to_end.test_joining import say as speak

TWO = "[server]\nworkers = 2\n"
UNSHED = "[limits]\nshed_lag_ms = 0\nshed_queue_ms = 0\n"
"""However slow the machine is: a node that sheds refuses calls, and here none may be."""
AT_ONCE = 4
EVERY_S = 0.005


async def complete(node: Node, workers: int = 2) -> Node:
    """Return once all workers take calls."""
    for _ in range(1, workers):
        await node.logged("a worker takes calls", lambda line: line["workers"] == workers)
    return node


def started(node: Node) -> dict[int, int]:
    """Return the process of each worker that was ever started."""
    return {line["worker"]: line["pid"] for line in node.log if line["event"] == "worker started"}


async def carrier(node: Node, call: str) -> int:
    """Return the worker that carries a call."""
    line: Line = await node.logged("call started", lambda line: line["call"] == call)
    return int(line["worker"])


async def replaced_by(node: Node, *workers: int) -> None:
    """Return once these have taken the place of those before them."""
    for worker in workers:
        await node.logged("listening", lambda line, worker=worker: line["worker"] == worker)
    await node.logged("workers replaced")


def hang_up(node: Node) -> None:
    """SIGHUP, as a service manager does to have the configuration read anew."""
    os.kill(node.pid, signal.SIGHUP)


async def begin(node: Node, call: str) -> ClientConnection:
    """Start a call and return its socket once it is accepted."""
    socket = await connect(node.url, compression=None)
    await say(socket, start(call_id=call))
    await until(socket, "ready")
    return socket


@asynccontextmanager
async def status_of(broker: Broker, name: str) -> AsyncIterator[Collector]:
    """Hear what the node says that it is."""
    async with collect(broker, f"emotion/v1/nodes/{name}/status") as said:
        yield said


def words(said: Collector) -> list[str]:
    return [json.loads(payload)["data"]["status"] for payload in said.payloads() if payload]


async def test_calls_that_begin_while_all_workers_are_replaced_are_served_to_their_end(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await complete(await start_node(broker.url, config=TWO + UNSHED))
    before = set(started(node))
    ids: list[str] = []
    room = asyncio.Semaphore(AT_ONCE)
    tasks: list[asyncio.Task[Outcome]] = []
    outcome = await native_call(node.url, sentence, call_id=f"{call_id}-one")

    async def call(name: str) -> Outcome:
        try:
            return await native_call(node.url, sentence, call_id=name)
        finally:
            room.release()

    async with listening(broker, "+") as bus, asyncio.TaskGroup() as calls:
        long = await begin(node, f"{call_id}-long")
        long_by = await carrier(node, f"{call_id}-long")
        hang_up(node)
        replaced = asyncio.create_task(replaced_by(node, 3, 4))
        while not replaced.done():
            await room.acquire()
            ids.append(f"{call_id}-{len(ids)}")
            tasks.append(calls.create_task(call(ids[-1])))
            await asyncio.sleep(EVERY_S)
        await say(long, linear(sentence), STOP)
        last = await hear(long)
        outcomes = [await task for task in tasks]
        expected = len(outcome.utterances) * (len(ids) + 1)
        everybody = {*ids, f"{call_id}-long"}
        await bus.until(lambda: everybody <= {event["subject"] for event in bus.events("ended")})
    utterances = [event for event in bus.events("utterance") if event["data"]["call"]["id"] in everybody]
    endings = [event["subject"] for event in bus.events("ended") if event["subject"] in everybody]
    status, metrics = await node.get("/metrics")
    node.terminate()
    code = await node.ended()

    assert len(outcome.utterances) >= 1
    assert {one.code for one in outcomes} == {1000}
    assert {len(one.of("ready")) for one in outcomes} == {1}
    assert {len(one.of("ended")) for one in outcomes} == {1}
    assert [one.utterances for one in outcomes] == [outcome.utterances] * len(ids)
    assert (last.code, last.utterances) == (1000, outcome.utterances)
    heard = Counter(event["id"] for event in utterances)
    assert set(heard.values()) == {1}
    assert len(heard) == expected
    assert Counter(endings) == Counter(everybody)
    assert long_by in before
    assert len(set(started(node)) - before) == 2
    assert {await carrier(node, name) for name in (ids[0], ids[-1])} & before != {await carrier(node, ids[-1])}
    assert not [line for line in node.log if line["event"] in {"stream refused", "connection refused"}]
    assert status == 200
    assert total(metrics, "streamer_calls") == len(ids) + 2
    assert code == 0


def total(metrics: str, family: str) -> float:
    """Return the sum of a counter."""
    found = next(one for one in text_string_to_metric_families(metrics) if one.name == family)
    return sum(sample.value for sample in found.samples if sample.name == f"{family}_total")


async def test_a_worker_that_is_killed_takes_only_its_own_calls_with_it(
    start_node: StartNode, mosquitto_with: MakeBroker, sentence: Samples, call_id: str
) -> None:
    broker = mosquitto_with(persistent=True)
    node = await complete(await start_node(broker.url, config=f"{TWO}max_calls = 2\n", name="struck"))
    async with status_of(broker, "struck") as status, listening(broker, "+") as bus:
        await status.count(1)
        first, second = [await begin(node, f"{call_id}-{n}") for n in range(2)]
        of_first, of_second = [await carrier(node, f"{call_id}-{n}") for n in range(2)]
        await bus.until(lambda: len(bus.events("state")) == 2)
        refused = await native_call(node.url, sentence, call_id=f"{call_id}-refused")
        broker.stop()
        await say(first, linear(sentence))
        await until(first, "event")  # in the outbox of its worker, and nowhere else
        os.kill(started(node)[of_first], signal.SIGKILL)
        cut_off = await hear(first)
        broker.start()
        await say(second, linear(sentence), STOP)
        went_on = await hear(second)
        fell = await node.logged("a worker fell")
        await bus.until(lambda: {event["subject"] for event in bus.events("ended")} == {f"{call_id}-1"})
        await bus.until(lambda: len({event["id"] for event in bus.events("utterance")}) == 2)
        await bus.until(lambda: cleared(bus.messages) == {f"{call_id}-0", f"{call_id}-1"})
        await node.logged("a worker takes calls", lambda line: line["worker"] > 2)
        again = [await begin(node, f"{call_id}-{n}") for n in (2, 3)]
        await status.until(lambda _: words(status)[-1] == "online")
        said_before = len(words(status))  # a broker that is stopped says `offline` of all that it knows
        struck = await carrier(node, f"{call_id}-2")
        os.kill(started(node)[struck], signal.SIGKILL)
        assert (await hear(again[0])).code in {1001, 1006}
        await node.logged("a worker takes calls", lambda line: line["worker"] > 3)
        await say(again[1], STOP)
        assert (await hear(again[1])).code == 1000
        readiness = await node.get("/readyz")
        node.terminate()
        code = await node.ended()
        await status.until(lambda _: words(status)[-1] == "offline")

    assert of_first != of_second
    assert (refused.error["code"], refused.code) == ("full", 1013)
    assert cut_off.code in {1001, 1006}
    assert (went_on.code, len(went_on.utterances)) == (1000, 1)
    assert (fell["worker"], fell["status"]) == (of_first, "killed by SIGKILL")
    assert readiness == (200, "ready\n")
    assert words(status)[said_before:] == ["draining", "offline"]
    assert code == 0


def cleared(messages: list) -> set[str]:
    return {str(one.topic).split("/")[-2] for one in messages if str(one.topic).endswith("/state") and not one.payload}


async def test_limits_are_those_of_the_node_not_of_each_worker(
    start_node: StartNode, broker: Broker, call_id: str
) -> None:
    config = f'{TWO}max_calls = 5\nrequire_key = true\n[[keys]]\nid = "crm"\nsecret = "s"\nmax_calls = 3\n'
    node = await complete(await start_node(broker.url, config=config))
    headers = {"Authorization": "Bearer s"}

    async def knock(n: int) -> tuple[ClientConnection, dict]:
        socket = await connect(node.url, compression=None, additional_headers=headers)
        await say(socket, start(call_id=f"{call_id}-{n}"))
        return socket, json.loads(await socket.recv())

    answers = await asyncio.gather(*(knock(n) for n in range(12)))
    taken = [socket for socket, answer in answers if answer["type"] == "ready"]
    refused = [answer for _, answer in answers if answer["type"] == "error"]
    assert len(taken) == 3
    assert {answer["code"] for answer in refused} == {"full"}
    assert all("max_calls = 3" in answer["message"] for answer in refused)
    await say(taken[0], STOP)
    await hear(taken[0])
    again, answer = await knock(13)
    assert answer["type"] == "ready"
    for socket in [*taken, again, *(socket for socket, _ in answers)]:
        await socket.close()


async def test_two_sockets_of_one_call_are_one_call_whichever_workers_they_come_to(
    start_node: StartNode, broker: Broker, recording: Samples, call_id: str
) -> None:
    node = await complete(await start_node(broker.url, config=f"{PATIENT}{TWO}"))
    async with listening(broker, call_id) as bus:
        async with snoop(node) as customer:
            await customer.send(media_start(call_id, "in"))
            await live(bus, 1)
            async with snoop(node) as agent:  # its worker is the other one, which has no connection yet
                await agent.send(media_start(call_id, "out"))
                await live(bus, 2)
                await speak(customer, between(recording, 0, 12_000), 0)
                await speak(agent, between(recording, 0, 12_000), 1)
        await node.logged("no part carries the call")
        async with snoop(node) as again:
            await again.send(media_start(call_id, "in"))
            await node.logged("part joined the call", lambda line: line["parts"] == 1)
            await speak(again, between(recording, 12_000, 20_000), 0)
        node.terminate()
        summary = await bus.ended()
        code = await node.ended()
    assert [speaker["role"] for speaker in summary["data"]["speakers"]] == ["customer", "agent"]
    assert all(speaker["talk_ms"] > 0 for speaker in summary["data"]["speakers"])
    assert len(bus.events("ended")) == 1
    assert len([line for line in node.log if line["event"] == "call started"]) == 1
    assert len([line for line in node.log if line["event"] == "part joined the call"]) == 2
    ordered = [event["data"]["utterance"]["n"] for event in bus.events("utterance")]
    assert ordered == list(range(1, len(ordered) + 1))
    assert len(ordered) >= 2
    assert code == 0


async def test_a_wrong_configuration_is_refused_in_words_and_the_workers_go_on(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await complete(await start_node(broker.url, config=TWO))
    before = started(node)
    for config, said in (
        ("[server]\nworkers = 2\nprot = 1\n", "server.prot: unknown key"),
        ('[server]\nworkers = 2\nhost = "127.0.0.2"\n', "server.host changed"),
    ):
        (node.folder / "streamer.toml").write_text(config, encoding="utf-8")
        hang_up(node)
        line = await node.logged("the configuration is not taken", lambda line, said=said: said in line["problem"])
        assert line["level"] == "error"
    (node.folder / "streamer.toml").write_text(
        '[server]\nworkers = 2\n[emotion]\nmodel = "nowhere"\n', encoding="utf-8"
    )
    hang_up(node)
    await node.logged("a new worker cannot begin", lambda line: "nowhere" in line["problem"])
    assert (await native_call(node.url, sentence, call_id=call_id)).code == 1000
    assert await carrier(node, call_id) in before


async def test_calls_outlive_a_supervisor_that_is_killed(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await complete(await start_node(broker.url, config=TWO, name="headless"))
    async with status_of(broker, "headless") as status, listening(broker, call_id) as bus:
        await status.count(1)
        socket = await begin(node, call_id)
        os.kill(node.pid, signal.SIGKILL)
        await node.logged("the supervisor is gone")
        await say(socket, linear(sentence), STOP)
        outcome = await hear(socket)
        await bus.ended()
        await status.until(lambda _: words(status)[-1] == "offline")
    assert (outcome.code, len(outcome.utterances)) == (1000, 1)
    assert await node.ended() == -signal.SIGKILL


async def test_a_hangup_of_one_process_says_what_the_next_start_would_do(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url)
    for config, said in (
        ("", "SIGHUP: the configuration has not changed"),
        ("[server]\nmax_calls = 7\n", "the configuration has changed"),
        ("[server]\nprot = 1\n", "the configuration has a mistake"),
    ):
        (node.folder / "streamer.toml").write_text(config, encoding="utf-8")
        hang_up(node)
        await node.logged(said)
    assert (await native_call(node.url, sentence, call_id=call_id)).code == 1000
