"""The native protocol message by message, as somebody else's client would speak it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, between, linear
from tests.end_to_end.speaking import (
    STOP,
    Json,
    Outcome,
    converse,
    cut,
    hear,
    native_call,
    say,
    start,
    until,
)


async def test_ready_comes_first_and_ended_last_with_the_number_of_events(reference: Outcome) -> None:
    kinds = [message["type"] for message in reference.said]
    assert kinds == ["ready", *["event"] * len(reference.events), "ended"]
    assert reference.said[0].keys() == {"type", "session_id", "analysed"}
    assert reference.said[0]["analysed"] == ["customer"]
    assert reference.said[-1] == {"type": "ended", "utterances": len(reference.events)}
    assert (reference.code, reference.reason) == (1000, "")


async def test_the_peer_gets_the_very_events_that_the_bus_gets(
    node: Node, broker: Broker, recording: Samples, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        outcome = await native_call(node.url, recording, call_id=call_id)
        await bus.ended()
    assert outcome.events == bus.events("utterance")


async def test_events_come_only_where_start_asks_for_them(node: Node, sentence: Samples, call_id: str) -> None:
    outcome = await native_call(node.url, sentence, call_id=call_id, events=False)
    assert [message["type"] for message in outcome.said] == ["ready", "ended"]
    assert outcome.said[-1]["utterances"] >= 1


async def test_events_and_labels_may_be_left_out(node: Node, sentence: Samples, call_id: str) -> None:
    bare = {name: value for name, value in start(call_id=call_id).items() if name not in {"events", "labels"}}
    outcome = await converse(node.url, [bare, linear(sentence), STOP])
    assert ([message["type"] for message in outcome.said], outcome.code) == (["ready", "ended"], 1000)


async def test_an_event_comes_while_the_call_goes_on(node: Node, sentence: Samples, call_id: str) -> None:
    async with connect(node.url) as socket:
        await say(socket, start(call_id=call_id), linear(sentence))
        event = (await until(socket, "event"))["event"]
        await say(socket, STOP)
    assert event["data"]["utterance"]["cut"] == "silence"


async def test_what_is_spoken_when_the_call_stops_still_gets_its_verdict(
    node: Node, sentence: Samples, verdict: Json, call_id: str
) -> None:
    middle = (verdict["start_ms"] + verdict["end_ms"]) / 2
    outcome = await native_call(node.url, between(sentence, 0, middle), call_id=call_id)
    (said,) = outcome.utterances
    assert (said["cut"], said["start_ms"]) == ("end_of_call", verdict["start_ms"])
    assert outcome.of("ended") == [{"type": "ended", "utterances": 1}]


async def test_a_gap_ends_the_utterance_and_moves_the_clock(
    node: Node, broker: Broker, sentence: Samples, verdict: Json, call_id: str
) -> None:
    middle = (verdict["start_ms"] + verdict["end_ms"]) // 2
    before, after = between(sentence, 0, middle), between(sentence, middle, math.inf)
    gap = {"type": "gap", "duration_ms": 60_000}
    async with listening(broker, call_id) as bus:
        outcome = await converse(node.url, [start(call_id=call_id), linear(before), gap, linear(after), STOP])
        summary = await bus.ended()
    one, *others = outcome.utterances
    assert (one["cut"], one["start_ms"]) == ("gap", verdict["start_ms"])
    assert one["end_ms"] <= middle + 20
    assert others[0]["start_ms"] >= middle + 60_000 - 20
    assert others[-1]["end_ms"] == pytest.approx(verdict["end_ms"] + 60_000, abs=60)
    assert summary["data"]["duration_ms"] == pytest.approx(len(sentence) / 8 + 60_000, abs=40)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def other_nodes(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Node]]:
    """One that waits two seconds only, and one that wants everybody to be told."""
    configs = {"impatient": "[audio]\nidle_s = 2\nstall_ms = 100\n", "strict": "[emotion]\nrequire_notice = true\n"}
    nodes = {
        name: Node(tmp_path_factory.mktemp(name), broker.url, config=config, name=name)
        for name, config in configs.items()
    }
    try:
        for node in nodes.values():
            await node.listening()
            await node.connected()
        yield nodes
    finally:
        for node in nodes.values():
            node.close()


@pytest.fixture
def impatient(other_nodes: dict[str, Node]) -> Node:
    """A node whose idle limit is two seconds."""
    return other_nodes["impatient"]


@pytest.fixture
def strict(other_nodes: dict[str, Node]) -> Node:
    """A node with `require_notice`."""
    return other_nodes["strict"]


async def test_a_pause_keeps_the_call_beyond_the_idle_limit_and_silence_does_not(
    impatient: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    audio = linear(sentence)
    async with listening(broker, f"{call_id}-idle") as bus, connect(impatient.url) as held:
        await say(held, start(call_id=call_id), audio, {"type": "pause"})
        # Ended for its silence after the limit: by the same clock the paused call has been silent as long.
        idle = await converse(impatient.url, [start(call_id=f"{call_id}-idle"), audio])
        await say(held, audio, STOP)
        outcome = await hear(held)
        summary = await bus.ended()
    assert (outcome.code, len(outcome.events)) == (1000, 2 * len(idle.events))
    assert (idle.error["code"], summary["data"]["reason"]) == ("idle", "idle")
    assert "audio.idle_s" in idle.error["message"]


async def test_resume_after_a_long_pause_gives_the_whole_idle_limit_again(
    impatient: Node, sentence: Samples, call_id: str
) -> None:
    async with connect(impatient.url) as socket:
        await say(socket, start(call_id=call_id), {"type": "pause"})
        await converse(impatient.url, [start(call_id=f"{call_id}-idle"), linear(sentence)])
        await say(socket, {"type": "resume"})
        await looked_after(impatient, times=2)
        await say(socket, linear(sentence), STOP)
        outcome = await hear(socket)
    assert outcome.code == 1000
    assert outcome.events


async def looked_after(node: Node, *, times: int) -> None:
    """Return once the server has looked for silent calls so many times more; it counts its rounds, 0.25 s apart."""

    async def rounds() -> float:
        _, page = await node.get("/metrics")
        return next(float(line.split()[1]) for line in page.splitlines() if "event_loop_lag_seconds_count" in line)

    enough = await rounds() + times
    while await rounds() < enough:
        pass


class TestNoticeAndObjection:
    """What the people on the line were told, and what they want."""

    async def test_no_emotion_event_before_the_notice_where_one_is_required(
        self, strict: Node, broker: Broker, sentence: Samples, call_id: str
    ) -> None:
        audio = linear(sentence)
        async with listening(broker, call_id) as bus:
            outcome = await converse(strict.url, [start(call_id=call_id), audio, {"type": "notice"}, audio, STOP])
            await bus.ended()
        told = await native_call(strict.url, sentence, call_id=f"{call_id}-told", notice=True)
        never_told = await native_call(strict.url, sentence, call_id=f"{call_id}-never")
        length_ms = len(sentence) / 8
        assert len(told.events) >= 1
        assert never_told.events == []
        assert len(outcome.events) == len(told.events)
        assert all(said["start_ms"] >= length_ms - 20 for said in outcome.utterances)
        assert bus.events("utterance") == outcome.events
        assert [state["data"]["notice"] for state in bus.events("state")] == [False, True]

    async def test_a_sentence_in_which_the_notice_falls_is_not_judged(
        self, strict: Node, sentence: Samples, call_id: str
    ) -> None:
        audio = linear(sentence)
        middle = len(audio) // 8 * 4
        outcome = await converse(
            strict.url, [start(call_id=call_id), audio[:middle], {"type": "notice"}, audio[middle:], STOP]
        )
        assert (outcome.events, outcome.code) == ([], 1000)

    async def test_after_an_objection_nothing_more_of_the_call_is_named(
        self, node: Node, broker: Broker, sentence: Samples, call_id: str
    ) -> None:
        audio = linear(sentence)
        async with listening(broker, call_id) as bus, connect(node.url) as socket:
            await say(socket, start(call_id=call_id), audio)
            before = await until(socket, "event")
            await bus.utterances(1)  # else it would be removed before it left, as the next test wants it
            await say(socket, {"type": "withdraw"}, audio, audio)
            await bus.cleared()
            await say(socket, STOP)
            outcome = await hear(socket)
        assert (outcome.events, outcome.code) == ([], 1000)
        assert bus.events("utterance") == [before["event"]]

    async def test_an_objection_removes_what_the_broker_has_not_got_yet(
        self, start_node: StartNode, mosquitto: Broker, recording: Samples, call_id: str
    ) -> None:
        node = await start_node(mosquitto.url)
        await node.connected()
        mosquitto.stop()
        async with connect(node.url) as objects:
            await say(objects, start(call_id=call_id), linear(recording))
            await until(objects, "event")
            await say(objects, {"type": "withdraw"}, STOP)
            await hear(objects)
        await native_call(node.url, between(recording, 0, 20_000), call_id=f"{call_id}-other")
        mosquitto.start()
        async with listening(mosquitto, "+") as bus:
            # Put behind what was pending: when it is there, that would be there too.
            await bus.ended()
        others = {event["data"]["call"]["id"] for event in bus.events("utterance", "ended", "state")}
        assert others == {f"{call_id}-other"}


async def test_empty_binary_messages_are_nothing(node: Node, sentence: Samples, call_id: str) -> None:
    plain = await native_call(node.url, sentence, call_id=f"{call_id}-plain")
    messages = [message for piece in cut(linear(sentence), 6400) for message in (b"", piece, b"")]
    outcome = await converse(node.url, [start(call_id=call_id), *messages, STOP])
    assert outcome.utterances == plain.utterances


async def test_fields_that_this_version_does_not_know_are_ignored(node: Node, sentence: Samples, call_id: str) -> None:
    outcome = await native_call(node.url, sentence, call_id=call_id, weather="fine")
    assert outcome.code == 1000
    assert outcome.events


async def test_a_peer_that_disappears_leaves_no_state_behind(
    node: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        socket = await connect(node.url)
        await say(socket, start(call_id=call_id), linear(sentence))
        await until(socket, "event")
        socket.transport.abort()
        summary = await bus.ended()
        await socket.wait_closed()
    assert summary["data"]["reason"] == "disconnected"
    assert summary["data"]["utterances"] == len(bus.events("utterance")) >= 1


async def test_a_peer_that_never_reads_holds_up_neither_the_bus_nor_others(
    node: Node, broker: Broker, recording: Samples, reference: Outcome, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        deaf = await connect(node.url, max_queue=1)  # stops reading when one message waits
        await say(deaf, start(call_id=call_id), linear(recording), STOP)
        others = await native_call(node.url, recording, call_id=f"{call_id}-other")
        await bus.ended()
        deaf.transport.abort()
        await deaf.wait_closed()
    assert len(bus.events("utterance")) == len(reference.events) == len(others.events)


async def test_anything_behind_stop_does_no_harm(node: Node, sentence: Samples, call_id: str) -> None:
    outcome = await converse(node.url, [start(call_id=call_id), linear(sentence), STOP, STOP, bytes(320), start()])
    assert outcome.code == 1000
    assert len(outcome.of("ended")) == 1


async def test_two_calls_of_one_id_are_two_calls(node: Node, sentence: Samples, call_id: str) -> None:
    one, two = await asyncio.gather(*(native_call(node.url, sentence, call_id=call_id) for _ in range(2)))
    assert {event["id"] for event in one.events}.isdisjoint(event["id"] for event in two.events)
    assert one.utterances == two.utterances != []
