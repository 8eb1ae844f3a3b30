"""Every line of the log that belongs to a call carries the call's id, whoever writes it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from importlib import resources
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
import structlog
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streamer.bus.cloudevents import Kind, Outgoing, call_key
from streamer.bus.drain import give_up
from streamer.bus.outbox import OutboxError, Row
from streamer.emotion.batcher import Batcher
from streamer.emotion.model import EmotionModel, ModelError
from streamer.metrics import Metrics
from streamer.session import Services, Session
from streamer.watch import expire
from streamer.wire.events import Fault, Message, WireEvent
from streamer.wire.native import Native
from tests.streams import ADMITTED, STOP, Clock, ListPeer, LivePeer, NativePart, start

Lines = list[structlog.typing.EventDict]


@pytest.fixture(scope="module")
def spoken() -> bytes:
    """Ten seconds of the demo call, two channels."""
    with resources.as_file(resources.files("streamer.demo") / "call.flac") as path:
        return np.ascontiguousarray(soundfile.read(path, dtype="int16", frames=10 * 8000)[0]).tobytes()


async def lines_of(*streams: Session) -> Lines:
    """What is logged while streams are served, each in a task of its own as a listener gives it."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await asyncio.gather(*(asyncio.create_task(stream.run()) for stream in streams), return_exceptions=True)
    return lines


def stream(its: Services, *says: Message, dialect: Native | None = None) -> Session:
    return Session(ListPeer(says), dialect or Native(), ADMITTED, its)


def without_call(lines: Lines, after: str = "call started") -> list[str]:
    """The events behind the beginning of the first call that name no call."""
    events = [line["event"] for line in lines]
    return [line["event"] for line in lines[events.index(after) :] if not line.get("call")]


class Chatty(Native):
    """A dialect that logs on its own account, as platforms' readers do, and that has a defect."""

    def receive(self, message: Message) -> list[WireEvent]:
        structlog.get_logger().warning("the platform reports an error in a stream", dialect=self.name)
        if message == "break":
            raise RuntimeError
        return super().receive(message)


async def test_what_a_dialect_or_a_library_logs_in_a_call_names_it(services, spoken: bytes) -> None:
    its = await services()
    lines = await lines_of(stream(its, start(), spoken, STOP, dialect=Chatty()))
    said = [line for line in lines if line["event"].startswith("the platform reports")]
    assert [line.get("call") for line in said] == [None, "CA1", "CA1"], "before the start there is none"
    assert {line["session"] for line in said} == {"S0"}
    assert without_call(lines) == []


async def test_a_defect_in_reading_names_its_call(services) -> None:
    lines = await lines_of(stream(await services(), start(), "break", dialect=Chatty()))
    assert "a defect of ours in reading a message" in [line["event"] for line in lines]
    assert without_call(lines) == []


async def test_a_refusal_in_mid_call_and_one_at_the_start_name_the_call(services) -> None:
    lines = await lines_of(stream(await services(), start(), '{"type":"nonsense"}'))
    assert "stream refused" in [line["event"] for line in lines]
    assert without_call(lines) == []
    its = await services(max_calls=1)
    slot = its.admission.acquire()
    lines = await lines_of(stream(its, start(call_id="CA7")))
    assert [(line["event"], line["call"]) for line in lines] == [("stream refused", "CA7")]
    assert slot is not None


async def test_two_calls_at_once_keep_their_lines_apart(services, spoken: bytes) -> None:
    its = await services()
    lines = await lines_of(*(stream(its, start(call_id=name), spoken, STOP, dialect=Chatty()) for name in ("A", "B")))
    sessions = {(line["call"], line["session"]) for line in lines if line.get("call")}
    assert sorted(sessions) == [("A", "S0"), ("B", "S1")]
    said = Counter(line.get("call") for line in lines if line["event"].startswith("the platform reports"))
    assert said == {None: 2, "A": 2, "B": 2}, "each before its start, at its audio, at its end"


async def test_a_part_that_joins_is_logged_under_the_session_of_its_call(services) -> None:
    its = await services(clock=Clock())
    first, second = LivePeer(start()), LivePeer(start(), STOP)
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        one = asyncio.create_task(Session(first, NativePart(), ADMITTED, its).run())
        await first.until_told("ready")
        two = asyncio.create_task(Session(second, Chatty2(), ADMITTED, its).run())
        await second.until_told("ended")
        first.end_with(STOP)
        its.admission.drain()
        await asyncio.gather(one, two)
    said = [line for line in lines if line["event"] == "from the second part"]
    assert [(line["session"], line.get("call")) for line in said] == [("S1", None), ("S0", "CA1")]


class Chatty2(NativePart):
    """A part that logs."""

    def receive(self, message: Message) -> list[WireEvent]:
        structlog.get_logger().info("from the second part")
        return super().receive(message)


async def test_what_model_and_outbox_cannot_do_names_the_call(services, model: EmotionModel, spoken: bytes) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def judge(self, *_: object) -> None:
            raise ModelError("no")

    its = await services()
    batcher = Batcher(Broken())  # type: ignore[arg-type]
    lines = await lines_of(stream(msgspec.structs.replace(its, batcher=batcher), start(), spoken, STOP))
    await batcher.close()
    assert "utterance not judged" in [line["event"] for line in lines]
    assert without_call(lines) == []

    async def full(*_: object) -> None:
        raise OutboxError("the disk is full")

    its.bus.utterance = full  # type: ignore[method-assign]
    lines = await lines_of(stream(its, start(), spoken, STOP))
    assert any(line["event"].startswith("event lost") for line in lines)
    assert without_call(lines) == []


async def test_a_stall_is_said_of_its_call_at_both_ends_and_counted_at_the_last(services) -> None:
    clock = Clock()
    its = await services(clock=clock)
    peer = LivePeer(start())
    session = Session(peer, Native(), ADMITTED, its)
    with capture_logs() as lines:
        task = asyncio.create_task(session.run())
        await peer.until_told("ready")
        for _ in range(2):
            clock.now_s += 3
            session.notice_stall(clock.now_s, 2)
            await peer.say(bytes(32_000))
            session.notice_stall(clock.now_s, 2)
        peer.end_with(STOP)
        await task
    stalls = [line for line in lines if line["event"].startswith("stall")]
    assert [(line["event"], line["call"]) for line in stalls] == [
        ("stall started: no audio comes", "CA1"),
        ("stall recovered", "CA1"),
    ] * 2
    assert [line["lasted_s"] for line in stalls if "recovered" in line["event"]] == [3, 3]
    assert lines[-1]["event"] == "call ended"
    assert lines[-1]["stalls"] == 2


async def test_a_stream_that_cannot_be_ended_names_its_call(services) -> None:
    class Sticky(ListPeer):
        async def close(self, code: int, reason: str) -> None:
            await super().close(code, reason)
            raise OSError("gone")

    peer = Sticky([start()], stays=True)
    session = Session(peer, Native(), ADMITTED, await services())
    task = asyncio.create_task(session.run())
    await peer.until_told("ready")
    with capture_logs() as lines:
        await expire(session, "idle", Fault("idle", "no audio"))
    assert [line["call"] for line in lines if line["event"] == "a stream could not be ended"] == ["CA1"]
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(("key", "call"), [(call_key("acme", "CA1", "S1"), "CA1"), ("", None)])
def test_a_message_that_is_given_up_names_its_call(key: str, call: str | None) -> None:
    message = Outgoing(id="1", kind=Kind.UTTERANCE, topic="t", payload=json.dumps({}).encode(), call_key=key)
    with capture_logs() as lines:
        give_up(Row(1, message), "refused", "the broker will never take it", Metrics(CollectorRegistry()))
    assert lines[0]["call"] == call
