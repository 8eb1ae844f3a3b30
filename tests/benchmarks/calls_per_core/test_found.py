"""What a campaign found: ratios within a round, slopes, and a file that can be read again."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from benchmarks.calls_per_core.found import Cost, Found, Load, Ramp, growth_of_cost, memory_per_leg
from streamer.bench.load import Measured
from tests.bench.test_ramp import measured


def costing(cpu_s: float, *, legs: int = 4, memory: int = 1) -> Measured:
    return replace(measured(cpu_s=cpu_s, legs=legs), memory_bytes=memory)


def test_a_ratio_is_the_median_of_those_within_each_round() -> None:
    ours = Cost("streamer", tuple(costing(one) for one in (3.0, 8.0, 4.0)))
    sink = Cost("websockets-sink", tuple(costing(one) for one in (2.0, 8.0, 2.0)))
    load = Load("twilio", 20, 4, (sink, ours))
    assert load.over("streamer", "websockets-sink") == pytest.approx(1.5)
    assert load.over("websockets-sink", "websockets-sink") == 1.0
    assert load.over("streamer", "picows-sink") is None
    assert ours.ms_per_leg == pytest.approx(1000 * 4.0 / 10.0 / 4)


def test_memory_per_leg_is_a_slope_and_not_what_the_process_holds_anyway() -> None:
    points = [costing(1.0, legs=legs, memory=10_000_000 + 4096 * legs) for legs in (10, 100, 400)]
    assert memory_per_leg(points) == pytest.approx(4096)
    assert memory_per_leg(points[:1]) is None


def test_the_growth_of_cost_is_the_dearest_over_the_cheapest() -> None:
    assert growth_of_cost([costing(1.0, legs=10), costing(12.0, legs=100)]) == pytest.approx(0.2)
    assert growth_of_cost([costing(1.0)]) is None


def test_everything_can_be_written_and_read_again() -> None:
    ramp = Ramp("streamer", (10, 12, 14), is_bound=True, why="lag", tried=(measured(),))
    found = Found("m", ("how",), ramps=(ramp,), growth=(measured(),), profiles={"streamer": {"vad": 0.5}})
    assert msgspec.json.decode(msgspec.json.encode(found), type=Found) == found
    assert found.ramp("streamer") == ramp
    assert found.ramp("naive") is None
    assert ramp.median == 12
