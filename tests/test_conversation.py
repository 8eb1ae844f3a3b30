"""Several streams, one call: joined, left, come back to, withdrawn, drained, with nothing doubled or left behind."""

from __future__ import annotations

import asyncio
import json
import threading
from importlib import resources
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from structlog.testing import capture_logs

from streamer.conversation import MOST_PARTS
from streamer.session import Services, Session
from streamer.wire.native import Native
from tests.streams import (
    ADMITTED,
    STOP,
    Clock,
    ListPeer,
    LivePeer,
    NativePart,
    gauge,
    pending,
    start,
    waiting,
)

LONG_GRACE_S = 3600
PARTIES = ("customer", "agent")
WITHDRAW = '{"type":"withdraw"}'
NOTICE = '{"type":"notice"}'


@pytest.fixture(scope="module")
def spoken() -> NDArray[np.int16]:
    """Half a minute of the demo call, int16[samples, 2]."""
    with resources.as_file(resources.files("streamer.demo") / "call.flac") as path:
        return soundfile.read(path, dtype="int16", frames=30 * 8000)[0]


def side(spoken: NDArray[np.int16], party: str, begin_s: float = 0, end_s: float = 1e9) -> bytes:
    """One party's samples."""
    stretch = spoken[int(begin_s * 8000) : int(min(end_s * 8000, len(spoken)))]
    return np.ascontiguousarray(stretch[:, PARTIES.index(party)]).tobytes()


def begin(party: str = "customer", **more: Any) -> str:
    return start(channels=[{"role": party}], **more)


class Line:
    """A part of a call and the task that serves it."""

    def __init__(self, its: Services, *says: str, dialect: Native | None = None) -> None:
        self.peer = LivePeer(*says)
        self.session = Session(self.peer, dialect or NativePart(), ADMITTED, its)
        self.task = asyncio.create_task(self.session.run())

    @classmethod
    async def open(cls, its: Services, party: str = "customer", **more: Any) -> Line:
        """Open one, and return when it has been told that it is taken."""
        line = cls(its, begin(party, **more))
        await line.peer.until_told("ready")
        return line

    async def say(self, *messages: str | bytes) -> None:
        await self.peer.say(*messages)

    async def stop(self) -> None:
        """Say that it is done, and return when all its events have been handed over."""
        self.peer.end_with(STOP)
        await self.peer.until_told("ended")

    @property
    def utterances(self) -> list[dict[str, Any]]:
        return [message["event"] for message in self.peer.heard if message["type"] == "event"]


def said(event: dict[str, Any]) -> dict[str, Any]:
    """Of an utterance event all that must not depend on how the audio came."""
    data = event["data"]
    return {**data["utterance"], **data["emotion"], "role": data["speaker"]["role"], "quality": data["quality"]}


async def ended(its: Services) -> list[dict[str, Any]]:
    """The summaries on the bus."""
    return [json.loads(message.payload)["data"] for message in await waiting(its) if message.kind == "ended"]


async def retained(its: Services) -> list[bytes]:
    """The call's states as a broker would hold them in the end."""
    topics: dict[str, bytes] = {}
    for message in await waiting(its):
        if message.retain:
            topics[message.topic] = message.payload
    return [payload for payload in topics.values() if payload]


async def test_two_parties_on_two_streams_are_what_one_stream_of_both_is(services, spoken) -> None:
    both = {"emotion__analyse": ["customer", "agent"], "emotion__lawful_basis": "consent"}
    its = await services(max_calls=1, audio__join_grace_s=LONG_GRACE_S, clock=Clock(), **both)
    whole = ListPeer([start(), spoken.tobytes(), STOP])
    await Session(whole, Native(), ADMITTED, its).run()
    one_stream = [said(message["event"]) for message in whole.heard if message["type"] == "event"]
    (alone,) = await ended(its)

    customer = await Line.open(its, "customer", call_id="CA2")
    agent = await Line.open(its, "agent", call_id="CA2")
    for at in range(0, 30, 2):
        await customer.say(side(spoken, "customer", at, at + 2))
        await agent.say(side(spoken, "agent", at, at + 2))
    assert its.admission.active == 1
    await customer.stop()
    assert len(await ended(its)) == 1, "the other goes on"
    await agent.stop()
    its.admission.drain()
    await asyncio.gather(customer.task, agent.task)

    for line, role in ((customer, "customer"), (agent, "agent")):
        assert list(map(said, line.utterances)) == [each for each in one_stream if each["role"] == role] != []
    _, joined = await ended(its)
    assert {**joined, "call": 0} == {**alone, "call": 0}
    assert await retained(its) == []
    assert gauge(its, "calls_total", dialect="native", outcome="stop") == 2


async def test_a_part_that_joins_is_seen_in_the_state(services) -> None:
    its = await services(clock=Clock())
    customer = await Line.open(its, "customer", labels={"queue": "billing"})
    agent = await Line.open(its, "agent", labels={"queue": "other", "desk": "7"}, notice=True)
    (state,) = [json.loads(payload)["data"] for payload in await retained(its)]
    assert state["roles"] == ["customer", "agent"]
    assert state["notice"]
    assert state["call"]["labels"] == {"queue": "billing", "desk": "7"}
    assert customer.peer.heard[0]["session_id"] == agent.peer.heard[0]["session_id"]
    its.admission.drain()
    for line in (customer, agent):
        line.peer.hang_up()
        await line.task


async def test_one_that_comes_back_in_time_continues_the_call(services, spoken) -> None:
    clock = Clock()
    its = await services(audio__join_grace_s=LONG_GRACE_S, clock=clock)
    first = await Line.open(its)
    await first.say(side(spoken, "customer", 0, 15))
    first.peer.hang_up()
    await first.peer.until_closed()
    assert await ended(its) == []
    clock.now_s += 18  # of which 15 s were heard
    again = await Line.open(its)
    await first.task
    await again.say(side(spoken, "customer", 15, 30))
    await again.stop()
    its.admission.drain()
    await again.task

    events = first.utterances + again.utterances
    assert first.utterances
    assert again.utterances
    assert [event["data"]["utterance"]["n"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["id"] for event in events}) == len(events)
    assert [event_id for kind, event_id in await pending(its) if kind == "utterance"] == [one["id"] for one in events]
    assert again.utterances[0]["data"]["utterance"]["start_ms"] >= 18_000
    (summary,) = await ended(its)
    assert summary["duration_ms"] == 33_000
    assert [speaker["lost_ms"] for speaker in summary["speakers"]] == [3000]
    assert len([message for message in await waiting(its) if message.kind == "state"]) == 1, "nothing new to say"
    assert gauge(its, "calls_total", dialect="native", outcome="stop") == 1


async def test_one_that_comes_back_too_late_begins_a_new_call(services, spoken) -> None:
    its = await services(audio__join_grace_s=0)
    lines = []
    for _ in range(2):
        line = await Line.open(its)
        await line.say(side(spoken, "customer", 0, 15))
        await line.stop()
        await line.task
        lines.append(line)
    one, other = ([event["id"] for event in line.utterances] for line in lines)
    assert len(one) == len(other) > 0
    assert not set(one) & set(other)
    assert lines[1].utterances[0]["data"]["utterance"]["n"] == 1
    assert len(await ended(its)) == 2


async def test_fifty_parts_of_twenty_five_calls_leave_nothing_behind(services, spoken) -> None:
    its = await services(max_calls=25, audio__join_grace_s=LONG_GRACE_S)
    before = asyncio.all_tasks()
    streams = {
        (call, party): LivePeer(begin(party, call_id=f"CA{call}"), side(spoken, party, 0, 1))
        for call in range(25)
        for party in PARTIES
    }
    running = [asyncio.create_task(Session(one, NativePart(), ADMITTED, its).run()) for one in streams.values()]
    for peer in streams.values():
        await peer.until_told("ready")
    assert (its.admission.active, len(its.conversations)) == (25, 25)
    for (call, _), peer in streams.items():
        if call % 2:
            peer.end_with(STOP)
        else:
            peer.hang_up()
    its.admission.drain()
    await asyncio.gather(*running)
    await its.admission.wait_empty()
    assert len(its.conversations) == 0
    assert its.bus._states == {}
    assert await retained(its) == []
    assert sorted(len(summary["speakers"]) for summary in await ended(its)) == [2] * 25
    assert gauge(its, "calls_active", dialect="native") == 0
    assert asyncio.all_tasks() == before


async def test_an_objection_on_one_part_is_one_of_the_whole_call(services, spoken) -> None:
    its = await services(audio__join_grace_s=LONG_GRACE_S)
    customer = await Line.open(its, "customer")
    agent = await Line.open(its, "agent")
    await customer.say(side(spoken, "customer", 0, 15))
    await customer.peer.until_told("event")
    await agent.say(WITHDRAW)
    said_before = len(customer.utterances)
    await customer.say(side(spoken, "customer", 15, 30))
    for line in (customer, agent):
        await line.stop()
    again = await Line.open(its, "customer")
    await again.say(side(spoken, "customer"))
    await again.stop()
    its.admission.drain()
    await asyncio.gather(customer.task, agent.task, again.task)
    assert len(customer.utterances) == said_before
    assert again.utterances == [], "an objection outlives a stream"
    assert {kind for kind, _ in await pending(its)} == {"clear"}
    assert await retained(its) == []
    assert gauge(its, "calls_total", dialect="native", outcome="withdrawn") == 1


async def test_an_objection_takes_back_what_is_being_judged_at_that_moment(services, spoken, monkeypatch) -> None:
    its = await services()
    judging, go_on = threading.Event(), threading.Event()
    real, judged = its.batcher._model.judge, []

    def judge(*given: Any) -> Any:
        judged.append(given)
        judging.set()
        go_on.wait()
        return real(*given)

    monkeypatch.setattr(its.batcher, "_model", SimpleNamespace(judge=judge))
    line = Line(its, begin(), dialect=Native())
    await line.say(side(spoken, "customer"))
    await asyncio.to_thread(judging.wait)
    assert its.batcher.waiting > 0, "one is being judged, others wait"
    with capture_logs() as logs:
        await line.say(WITHDRAW)
        go_on.set()
        await line.stop()
        await line.task
    await its.batcher.close()  # the thread has come to the end of its queue
    assert (len(judged), its.batcher.waiting) == (1, 0)
    assert line.utterances == []
    assert {kind for kind, _ in await pending(its)} == {"clear"}
    assert [entry["event"] for entry in logs if entry["log_level"] != "info"] == []


async def test_an_objection_while_an_event_is_written_to_the_disk_takes_that_back_too(services, spoken) -> None:
    its = await services()
    written, go_on = asyncio.Event(), asyncio.Event()
    real = its.bus.utterance

    async def utterance(*given: Any) -> None:
        await real(*given)
        written.set()
        await go_on.wait()

    its.bus.utterance = utterance
    line = Line(its, begin(), dialect=Native())
    await line.say(side(spoken, "customer", 0, 15))
    await written.wait()
    with capture_logs() as logs:
        await line.say(WITHDRAW)
        go_on.set()
        await line.stop()
        await line.task
    assert line.utterances == [], "the peer hears nothing of it either"
    assert {kind for kind, _ in await pending(its)} == {"clear"}
    assert "utterance" not in [entry["event"] for entry in logs]


async def test_one_part_objects_while_another_waits_for_room(services, spoken, monkeypatch) -> None:
    monkeypatch.setattr("streamer.conversation.UNJUDGED", 1)
    its = await services(audio__join_grace_s=0)
    go_on = threading.Event()
    real = its.batcher._model.judge
    monkeypatch.setattr(its.batcher, "_model", SimpleNamespace(judge=lambda *given: go_on.wait() and real(*given)))
    customer, agent = await Line.open(its, "customer"), await Line.open(its, "agent")
    speaking = asyncio.create_task(customer.say(side(spoken, "customer")))
    while customer.session._conversation.has_room:  # noqa: ASYNC110 - what is told apart has no event
        await asyncio.sleep(0)
    await agent.say(WITHDRAW)
    await speaking
    go_on.set()
    for line in (customer, agent):
        await line.stop()
        await line.task
    assert customer.utterances == []
    assert {kind for kind, _ in await pending(its)} == {"clear"}


@pytest.mark.parametrize("in_start", [True, False])
async def test_a_notice_on_one_part_counts_for_the_whole_call(services, spoken, *, in_start: bool) -> None:
    its = await services(emotion__require_notice=True)
    customer = await Line.open(its, "customer")
    await customer.say(side(spoken, "customer", 0, 15))
    agent = await Line.open(its, "agent", notice=in_start)
    if not in_start:
        await agent.say(NOTICE)
    await customer.say(side(spoken, "customer", 15, 30))
    its.admission.drain()
    await customer.stop()
    await agent.stop()
    await asyncio.gather(customer.task, agent.task)
    assert customer.utterances
    assert min(event["data"]["utterance"]["start_ms"] for event in customer.utterances) >= 15_000 - 500


async def test_a_drain_does_not_wait_for_parts_that_may_come_back(services, spoken) -> None:
    its = await services(audio__join_grace_s=LONG_GRACE_S)
    line = await Line.open(its)
    await line.say(side(spoken, "customer", 0, 15))
    await line.stop()
    assert its.admission.active == 1
    its.admission.drain()
    await its.admission.wait_empty()
    await line.task
    (summary,) = await ended(its)
    assert summary["reason"] == "stop"
    late = ListPeer([begin()])
    await Session(late, NativePart(), ADMITTED, its).run()
    assert late.closed == (1001, "draining")


async def test_while_the_server_drains_a_part_may_still_join_a_call_that_goes_on(services) -> None:
    its = await services()
    customer = await Line.open(its, "customer")
    its.admission.drain()
    agent = await Line.open(its, "agent")
    await customer.stop()
    await agent.stop()
    await asyncio.gather(customer.task, agent.task)
    (summary,) = await ended(its)
    assert [speaker["role"] for speaker in summary["speakers"]] == list(PARTIES)


async def test_a_call_in_its_grace_that_is_cancelled_is_ended_all_the_same(services) -> None:
    its = await services(audio__join_grace_s=LONG_GRACE_S)
    line = await Line.open(its)
    await line.stop()
    line.task.cancel()
    await asyncio.wait([line.task])
    assert (its.admission.active, len(its.conversations), len(await ended(its))) == (0, 0, 1)


async def test_when_everything_is_cancelled_at_once_nothing_is_waited_for(services) -> None:
    its = await services(audio__join_grace_s=LONG_GRACE_S)
    before = asyncio.all_tasks()
    await Line.open(its)
    tasks = asyncio.all_tasks() - before
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (its.admission.active, len(its.conversations)) == (0, 0)


async def test_a_call_takes_one_slot_but_only_so_many_parts(services) -> None:
    its = await services(max_calls=1)
    lines = [await Line.open(its, "unknown") for _ in range(MOST_PARTS)]
    crowded = ListPeer([begin("unknown")])
    await Session(crowded, NativePart(), ADMITTED, its).run()
    other = ListPeer([begin(call_id="CA2")])
    await Session(other, NativePart(), ADMITTED, its).run()
    assert crowded.closed == (1008, "too_many_parts")
    assert other.closed == (1013, "full")
    its.admission.drain()
    for line in lines:
        line.peer.hang_up()
        await line.task
    (summary,) = await ended(its)
    assert [speaker["channel"] for speaker in summary["speakers"]] == list(range(MOST_PARTS))


async def test_tenants_that_use_one_call_id_have_two_calls(services) -> None:
    its = await services(audio__join_grace_s=0)
    lines = [Line(its, begin()) for _ in range(2)]
    lines[1].session._admitted = type(ADMITTED)(tenant="other", key_id="k")
    for line in lines:
        await line.peer.until_told("ready")
    assert its.admission.active == 2
    for line in lines:
        await line.stop()
        await line.task
    assert len(await ended(its)) == 2


@pytest.mark.parametrize("how", [STOP, WITHDRAW])
async def test_a_stream_of_its_own_that_ends_leaves_the_state_of_another_of_that_id(services, how: str) -> None:
    its = await services()
    lines = [Line(its, begin(role), dialect=Native()) for role in PARTIES]
    for line in lines:
        await line.peer.until_told("ready")
    assert its.admission.active == 2
    if how is STOP:
        await lines[1].stop()
        await lines[1].task
    else:
        await lines[1].say(how)
    (state,) = [json.loads(payload)["data"] for payload in await retained(its)]
    assert state["roles"] == ["customer"]
    for line in lines:
        line.peer.hang_up()
        await line.task
    assert await retained(its) == []
    assert its.bus._states == {}


async def test_an_event_is_as_old_as_the_end_of_its_speech(services, spoken) -> None:
    its = await services(clock=Clock())  # stands still: all that passes is media time
    peer = ListPeer([start(), *(spoken[at : at + 800].tobytes() for at in range(0, len(spoken), 800)), STOP])
    await Session(peer, Native(), ADMITTED, its).run()
    events = [message["event"]["data"]["utterance"] for message in peer.heard if message["type"] == "event"]
    after_silence = sum(event["cut"] == "silence" for event in events)
    assert after_silence > 1
    assert gauge(its, "event_latency_seconds_count") == len(events)
    hangover_s, chunk_s = 0.4, 0.1
    assert 0 <= gauge(its, "event_latency_seconds_sum") - after_silence * hangover_s <= len(events) * (chunk_s + 0.02)
    assert gauge(its, "stage_latency_seconds_count", stage="audio") == len(events)
