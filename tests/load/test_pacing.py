"""A peer is read no faster than it may be, and others have their turn."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streamer.config import LimitSettings
from streamer.load.pacing import LONGEST_TURN_S, TURN, Pacer, Turnstile
from streamer.metrics import Metrics


class Slept(list[float]):
    """What was slept, on a clock that moves by it."""

    now_s = 0.0

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)
        self.now_s += seconds


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> Slept:
    slept = Slept()
    monkeypatch.setattr(asyncio, "sleep", slept.sleep)
    return slept


async def test_what_is_too_much_waits_is_counted_and_said_once(slept: Slept) -> None:
    metrics = Metrics(CollectorRegistry())
    pacer = Pacer(LimitSettings(bytes_per_second=1000, messages_per_second=0), metrics, lambda: slept.now_s)
    with capture_logs() as logs:
        for _ in range(5):
            await pacer.read(1000)
    assert slept == [pytest.approx(1.0)] * 4
    assert metrics.registry.get_sample_value("streamer_held_back_seconds_total") == pytest.approx(4)
    assert [log["bytes_per_second"] for log in logs] == [1000]


async def test_others_have_their_turn_though_the_buffer_is_full(slept: Slept) -> None:
    limits = LimitSettings(bytes_per_second=0, messages_per_second=0)
    pacer = Pacer(limits, Metrics(CollectorRegistry()), lambda: 0.0)
    for _ in range(3 * TURN):
        await pacer.read(10)
    assert slept == [0, 0, 0]


async def test_a_live_call_in_every_dialect_is_never_held_back(slept: Slept) -> None:
    # The most that a live call brings natively: 8 channels of 16 bit at 48 kHz, in messages of 10 ms.
    pacer = Pacer(LimitSettings(), Metrics(CollectorRegistry()), lambda: slept.now_s)
    for _ in range(6000):
        slept.now_s += 0.01
        await pacer.read(7680)
    assert set(slept) == {0}


async def test_connections_are_let_in_one_by_one_and_who_would_wait_too_long_is_told_at_once(slept: Slept) -> None:
    turnstile = Turnstile(10, lambda: slept.now_s)
    assert [await turnstile.enter() for _ in range(4)] == [True] * 4
    assert slept == [pytest.approx(0.1)] * 3
    still = Turnstile(10, lambda: 0.0)
    let_in = [await still.enter() for _ in range(100)]
    assert let_in.count(True) == 10 * LONGEST_TURN_S + 1
    assert let_in == sorted(let_in, reverse=True)


async def test_without_a_limit_all_are_let_in(slept: Slept) -> None:
    turnstile = Turnstile(0, lambda: 0.0)
    assert all([await turnstile.enter() for _ in range(1000)])
    assert slept == []
