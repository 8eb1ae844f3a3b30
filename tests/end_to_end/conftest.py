"""What the tests from outside share: a broker, a node that takes calls on it, and the shipped call.

The shared node serves many tests, so it must come out of them unharmed: its log is read at the end, and an error in it
is a failure. Tests that stop, starve or kill things start nodes of their own by `start_node`.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.conftest import Broker, program
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, between, demo_call
from tests.end_to_end.speaking import Json, Outcome, native_call

_NUMBERS = itertools.count(2)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Mosquitto that runs for all tests; nobody may stop it."""
    broker = Broker(program("mosquitto"), tmp_path_factory.mktemp("broker"), (), persistent=False)
    broker.start()
    yield broker
    broker.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def node(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """A node with the default configuration; whatever peers do to it, it must not have logged an error."""
    node = Node(tmp_path_factory.mktemp("node"), broker.url)
    try:
        await node.listening()
        yield await node.connected()
    finally:
        node.close()
    harm = [line["event"] for line in node.log if line.get("level") in {"error", "critical"}]
    if harm:
        pytest.fail("the shared node was harmed:\n" + "\n".join(harm[-10:]), pytrace=False)


StartNode = Callable[..., Awaitable[Node]]


@pytest.fixture
def start_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartNode]:
    """Start nodes: `await start_node(broker.url, config="...")`; each one takes calls when it is returned."""
    nodes: list[Node] = []

    async def start(mqtt: str, **options: Any) -> Node:
        folder = options.pop("folder", None) or tmp_path_factory.mktemp("node")
        options.setdefault("name", f"node-{next(_NUMBERS)}")
        nodes.append(Node(folder, mqtt, **options))
        return await nodes[-1].listening()

    yield start
    for node in nodes:
        node.close()


@pytest.fixture
def call_id() -> str:
    """An id that no other test uses."""
    return f"CA-{next(_NUMBERS)}"


@pytest.fixture(scope="session")
def recording() -> Samples:
    """The whole shipped call, int16[samples, 2]: customer, agent."""
    return demo_call()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def reference(node: Node, recording: Samples) -> Outcome:
    """What the server says of the whole call when it comes natively, in pieces of 100 ms, as fast as it goes."""
    return await native_call(node.url, recording, call_id="reference")


PAUSE_MS = 1500
"""A pause in which an excerpt may begin or end without touching another utterance."""


@pytest.fixture(scope="session")
def excerpt(recording: Samples, reference: Outcome) -> Samples:
    """The call up to the first long pause behind at least two utterances of the customer."""
    said = reference.utterances
    last = next(n for n in range(1, len(said) - 1) if said[n + 1]["start_ms"] - said[n]["end_ms"] > PAUSE_MS)
    return between(recording, 0, said[last]["end_ms"] + 1000)


@pytest.fixture(scope="session")
def sentence(recording: Samples, reference: Outcome) -> Samples:
    """The shortest sentence of the customer between long pauses, with half a second before and a second behind."""
    said = reference.utterances
    alone = [
        one
        for before, one, behind in zip(said, said[1:], said[2:], strict=False)
        if one["start_ms"] - before["end_ms"] > PAUSE_MS and behind["start_ms"] - one["end_ms"] > PAUSE_MS
    ]
    one = min(alone, key=lambda one: one["end_ms"] - one["start_ms"])
    return between(recording, one["start_ms"] - 500, one["end_ms"] + 1000)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def verdict(node: Node, sentence: Samples) -> Json:
    """What the server says of that sentence."""
    (utterance,) = (await native_call(node.url, sentence, call_id="sentence")).utterances
    return utterance
