"""Figures that are read when somebody asks: they are of that moment, also when nothing happens."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streamer import __version__
from streamer.emotion.model import EmotionModel
from streamer.observing.vitals import RecentMaximum, Vitals
from streamer.session import Services, Session
from streamer.wire.native import Native
from tests.streams import ADMITTED, STOP, Clock, LivePeer, gauge, start

SECOND = bytes(2 * 2 * 8000)


class Node:
    """Services with vitals, and the streams that a test opens."""

    def __init__(self, its: Services, clock: Clock) -> None:
        self.its = its
        self.clock = clock
        self.ready = True
        self.sessions: set[Session] = set()
        self.lag = RecentMaximum()
        Vitals(its, self.sessions, lambda: self.ready, self.lag, clock)

    async def open(self, **more: Any) -> tuple[LivePeer, asyncio.Task[None]]:
        peer = LivePeer(start(**more))
        session = Session(peer, Native(), ADMITTED, self.its)
        self.sessions.add(session)
        task = asyncio.create_task(session.run())
        await peer.until_told("ready")
        return peer, task


@pytest.fixture
async def node(services) -> Node:
    clock = Clock()
    return Node(await services(server__max_calls=7, clock=clock), clock)


async def test_the_age_of_what_waits_grows_while_nothing_happens(node: Node) -> None:
    peer, task = await node.open()
    await peer.say(SECOND)
    now_s = [node.its.bus._outbox.clock()]
    node.its.bus._outbox.clock = lambda: now_s[0]
    young_s = gauge(node.its, "outbox_oldest_age_seconds")
    now_s[0] += 3600
    assert gauge(node.its, "outbox_oldest_age_seconds") == pytest.approx(young_s + 3600)
    peer.end_with(STOP)
    await task


async def test_legs_are_counted_while_their_call_is_live_and_are_zero_afterwards(node: Node) -> None:
    first, first_task = await node.open()
    second, second_task = await node.open(call_id="CA2", channels=[{"role": "customer"}])
    assert gauge(node.its, "legs_active", dialect="native") == 3
    assert gauge(node.its, "calls_active", dialect="native") == 2
    for peer in (first, second):
        peer.end_with(STOP)
    await asyncio.gather(first_task, second_task)
    assert gauge(node.its, "legs_active", dialect="native") == 0
    assert node.its.metrics.registry.get_sample_value("streamer_legs_active", {"dialect": "native"}) == 0


async def test_a_stalled_stream_shows_until_audio_comes_or_it_pauses(node: Node) -> None:
    peer, task = await node.open()
    (session,) = node.sessions
    await peer.say(SECOND)
    assert gauge(node.its, "calls_stalled") == 0
    node.clock.now_s += 3
    session.notice_stall(node.clock.now_s, 2)
    assert gauge(node.its, "calls_stalled") == 1
    await peer.say('{"type":"pause"}')
    assert gauge(node.its, "calls_stalled") == 0
    await peer.say('{"type":"resume"}', SECOND)
    session.notice_stall(node.clock.now_s, 2)
    assert gauge(node.its, "calls_stalled") == 0
    assert gauge(node.its, "stalls_total") == 1
    peer.end_with(STOP)
    await task


async def test_the_worst_lag_is_that_of_the_last_minute(node: Node) -> None:
    node.lag.add(0.4, node.clock.now_s)
    node.lag.add(0.1, node.clock.now_s + 30)
    assert gauge(node.its, "event_loop_lag_max_seconds") == 0.4
    node.clock.now_s += 61
    assert gauge(node.its, "event_loop_lag_max_seconds") == 0.1


async def test_readiness_limit_build_and_tasks_are_shown(node: Node, model: EmotionModel) -> None:
    card = model.card
    assert gauge(node.its, "build_info", version=__version__, model=card.name, model_version=card.version) == 1
    assert gauge(node.its, "calls_limit") == 7
    assert gauge(node.its, "ready") == 1
    node.ready = False
    assert gauge(node.its, "ready") == 0
    before = gauge(node.its, "asyncio_tasks")
    more = asyncio.create_task(asyncio.Event().wait())
    assert gauge(node.its, "asyncio_tasks") == before + 1
    more.cancel()
    assert gauge(node.its, "model_waiting") == 0


async def test_utterances_that_wait_for_the_model_are_shown(services) -> None:
    class Busy:
        waiting = 5

    node = Node(msgspec.structs.replace(await services(), batcher=Busy()), Clock())
    assert gauge(node.its, "model_waiting") == 5


async def test_memory_and_descriptors_of_the_process_stand_beside_ours(node: Node) -> None:
    text = generate_latest(node.its.metrics.registry).decode()
    values = {
        family.name: family.samples[0].value
        for family in text_string_to_metric_families(text)
        if family.name.startswith("process_")
    }
    assert values["process_resident_memory_bytes"] > 10_000_000
    assert values["process_open_fds"] > 3
    assert values["process_start_time_seconds"] > 1.7e9
    assert not re.search(r"^python_", text, re.MULTILINE)


looks = st.lists(st.tuples(st.floats(0, 30), st.floats(0, 10)), max_size=50)


@given(looks)
def test_the_maximum_is_what_a_look_at_all_values_of_the_window_finds(steps: list[tuple[float, float]]) -> None:
    recent, now_s, all_values = RecentMaximum(60.0), 0.0, []
    for passed_s, value in steps:
        now_s += passed_s
        all_values.append((now_s, value))
        recent.add(value, now_s)
        assert recent.at(now_s) == max(value for at_s, value in all_values if now_s - at_s <= 60.0)


@given(st.integers(0, 2000))
def test_the_maximum_keeps_no_more_than_a_window(count: int) -> None:
    recent = RecentMaximum(60.0)
    for n in range(count):
        recent.add(float(count - n), n * 0.25)
    assert len(recent._held) <= 241


def test_without_a_value_it_is_nothing() -> None:
    recent = RecentMaximum(60.0)
    assert recent.at(5.0) == 0
    recent.add(1.0, 5.0)
    assert recent.at(70.0) == 0
