"""A node full of calls goes down: no call is cut that may still end, and whatever happens, no event is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import Bus, listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, between, linear
from tests.end_to_end.speaking import (
    STOP,
    Json,
    Outcome,
    Sent,
    converse,
    hear,
    native_call,
    say,
    start,
    twilio_call,
    until,
)

CALLS = 40
"""Half of them native, half as Twilio's."""
UNSAID_MS = 1800
"""What `sentence` ends with, and a little of the word before it."""


class Caller:
    """A call that is on: it has said something, and has more to say."""

    def __init__(self, call: str, socket: ClientConnection, first: list[Sent], rest: list[Sent]) -> None:
        self.call = call
        self.told: list[Json] = []
        """Events that it was told before the node went down; natively."""
        self._socket = socket
        self._first = first
        self._rest = rest

    async def begin(self) -> None:
        """Say the first half; natively, wait for what the server says of it."""
        await say(self._socket, *self._first)
        if STOP in self._rest:
            self.told.append((await until(self._socket, "event"))["event"])

    async def go_on(self) -> Outcome:
        """Say the rest, and hear out the server."""
        await say(self._socket, *self._rest)
        return await self.hear()

    async def hear(self) -> Outcome:
        """Hear out the server."""
        outcome = await hear(self._socket)
        self.told += outcome.events
        return outcome


@asynccontextmanager
async def calls_on(node: Node, first: Samples, rest: Samples, call_id: str) -> AsyncIterator[list[Caller]]:
    """Open all calls; each has said its first part when this comes back."""
    async with AsyncExitStack() as stack:
        callers = []
        for n in range(CALLS):
            call, is_native = f"{call_id}-{n}", n % 2 == 0
            socket = await stack.enter_async_context(
                connect(node.url if is_native else node.twilio_url, compression=None)
            )
            if is_native:
                halves = [start(call_id=call), linear(first)], [linear(rest), STOP]
            else:
                messages = twilio_call(call, np.concatenate([first, rest]))
                middle = 2 + 2 * (len(first) // 160)
                halves = messages[:middle], messages[middle:]
            callers.append(Caller(call, socket, *halves))
        await asyncio.gather(*(caller.begin() for caller in callers))
        yield callers


def of(bus: Bus, callers: list[Caller], kind: str) -> dict[str, list[Json]]:
    """Return what was heard of each call, first tries only."""
    heard: dict[str, dict[str, Json]] = {caller.call: {} for caller in callers}
    for event in bus.events(kind):
        heard.get(event["data"]["call"]["id"], {}).setdefault(event["id"], event)
    return {call: list(events.values()) for call, events in heard.items()}


async def until_each(bus: Bus, callers: list[Caller], kind: str, least: int = 1) -> dict[str, list[Json]]:
    """Return what was heard of each call once it is so much."""
    await bus.until(lambda: all(len(events) >= least for events in of(bus, callers, kind).values()))
    return of(bus, callers, kind)


async def until_in_a_word(bus: Bus, callers: list[Caller]) -> None:
    """Return once a rolling verdict on the second utterance of each call is there: its beginning has been heard."""

    def is_in_it(events: list[Json]) -> bool:
        return any(event["data"]["utterance"]["n"] == 2 for event in events)

    await bus.until(lambda: all(is_in_it(events) for events in of(bus, callers, "partial").values()))


async def test_sigterm_with_forty_calls_on_cuts_none_and_loses_nothing(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url)
    await node.connected()
    async with listening(broker, "+") as bus, calls_on(node, sentence, sentence, call_id) as callers:
        await until_each(bus, callers, "utterance")
        node.terminate()
        await node.logged("draining")
        readiness, _ = await node.get("/readyz")
        late = await native_call(node.url, sentence, call_id=f"{call_id}-late")
        late_twilio = await converse(node.twilio_url, twilio_call(f"{call_id}-late-twilio", sentence))
        outcomes = await asyncio.gather(*(caller.go_on() for caller in callers))
        code = await node.ended()
        summaries = await until_each(bus, callers, "ended")
        utterances = of(bus, callers, "utterance")
    assert (readiness, code) == (503, 0)
    assert (late.error["code"], late.code, late_twilio.code) == ("draining", 1001, 1001)
    assert [outcome.code for outcome in outcomes] == [1000] * CALLS
    assert {summary["data"]["reason"] for (summary,) in summaries.values()} == {"stop"}
    for caller in callers:
        heard = utterances[caller.call]
        assert [event["data"]["utterance"]["n"] for event in heard] == [1, 2]
        assert caller.told in (heard, [])  # Twilio's are not told
    assert sum(bool(caller.told) for caller in callers) == CALLS // 2
    assert (await node.logged("drained"))["calls_cut"] == 0
    assert (await node.logged("stopped"))["undelivered"] == 0


@pytest.mark.parametrize("hurried_by", ["a second signal", "the limit"])
async def test_calls_that_are_cut_in_the_middle_of_a_word_lose_nothing_of_what_was_said(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str, hurried_by: str
) -> None:
    config = "[emotion]\npartial_every_ms = 300\n"
    config += "[server]\ndrain_s = 1\n" if hurried_by == "the limit" else ""
    node = await start_node(broker.url, config=config)
    await node.connected()
    word = between(sentence, 0, len(sentence) / 8 - UNSAID_MS + 800)
    first = np.concatenate([sentence, word])
    async with listening(broker, "+") as bus, calls_on(node, first, sentence, call_id) as callers:
        await until_each(bus, callers, "utterance")
        await until_in_a_word(bus, callers)  # it is sent faster than life, and might still be in a socket
        node.terminate()
        await node.logged("draining")
        if hurried_by == "a second signal":
            node.terminate()
        outcomes = await asyncio.gather(*(caller.hear() for caller in callers))
        code = await node.ended()
        summaries = await until_each(bus, callers, "ended")
        utterances = of(bus, callers, "utterance")
    assert code == 0
    assert [outcome.code for outcome in outcomes] == [1001] * CALLS
    assert {summary["data"]["reason"] for (summary,) in summaries.values()} == {"draining"}
    for caller in callers:
        cuts = [event["data"]["utterance"]["cut"] for event in utterances[caller.call]]
        assert cuts == ["silence", "end_of_call"]
        told = {event["id"] for event in caller.told if event["type"] == "emotion-streamer.utterance.v1"}
        assert told <= {event["id"] for event in utterances[caller.call]}
    assert (await node.logged("stopped"))["undelivered"] == 0
