"""The bare sink: takes calls as the server does, and says nothing."""

from __future__ import annotations

import os

import pytest

from benchmarks.calls_per_core.servers import sink
from streamer.bench.load import trial
from streamer.bench.place import Place
from streamer.bench.plan import Plan
from tests.conftest import Broker

CORES = frozenset(os.sched_getaffinity(0))


@pytest.mark.parametrize("library", ["websockets", "picows"])
def test_a_sink_takes_everything_and_nothing_comes_of_it(mosquitto: Broker, library: str) -> None:
    pytest.importorskip(library, reason="is in the group `bench` (make bench)")
    plan = Plan(port=0, mqtt_port=0, calls=2, seconds=1.0, spread_s=0.2, warm_s=0.2, patience_s=0.0)
    found = trial(sink(library), plan, Place(CORES, CORES, is_preferred=False), mosquitto.port)
    assert (found.outcome.cut, found.outcome.stuck) == (0, 0)
    assert found.outcome.latency.count == 0
    assert found.outcome.frames == 200
    assert found.lag_p99_ms is None
    assert found.stages == {}
