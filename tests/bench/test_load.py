"""One measurement: a real server as a process, a real broker, a few seconds."""

from __future__ import annotations

import os
import sys

import pytest

from streamer.bench.load import STAGES, measure, trial
from streamer.bench.place import Place
from streamer.bench.plan import Plan
from streamer.bench.served import BenchError, Variant, served, streamer_variant
from tests.bench.test_served import PLAIN
from tests.conftest import Broker

CORES = frozenset(os.sched_getaffinity(0))
HERE = Place(CORES, CORES, is_preferred=False)


def plan(**more: object) -> Plan:
    given = {"calls": 2, "seconds": 4.0, "spread_s": 0.5, "warm_s": 0.5, "patience_s": 60.0} | more
    return Plan(port=0, mqtt_port=0, **given)


def test_a_server_is_measured_from_outside(mosquitto: Broker) -> None:
    seen: list[tuple[str, int]] = []
    found = trial(streamer_variant(), plan(), HERE, mosquitto.port, lambda at, pids: seen.append((at, len(pids))))
    assert seen == [("begin", 1), ("end", 1)]
    assert found.outcome.lost == 0
    assert found.outcome.expected >= 2
    assert found.cpu_s > 0
    assert found.wall_s >= 3.9
    assert found.waited_s >= 0
    assert found.cpu_per_leg == found.cpu_s / found.wall_s / 4
    assert found.memory_bytes > 1 << 24
    assert found.lag_p99_ms is not None
    assert found.missing == 0
    assert set(found.stages) == set(STAGES)
    model = found.stages["model"]
    assert model.mean is not None
    assert model.mean > 0
    assert model.p50 is not None


def test_a_server_that_takes_no_websockets_is_said(mosquitto: Broker) -> None:
    with served(PLAIN, mosquitto.port, HERE) as one, pytest.raises(BenchError, match="the generator ended"):
        measure(one, Plan(port=one.port, mqtt_port=mosquitto.port, calls=1, seconds=1.0))


def test_a_server_that_falls_under_the_load_is_said_with_its_last_words(mosquitto: Broker) -> None:
    code = """
import socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
listening.accept()
listening.accept()
sys.exit("cannot do that")
"""
    falls = Variant("falls", (sys.executable, "-c", code, "{port}"))
    with pytest.raises(BenchError, match=r"falls ended by itself with 1: cannot do that|the generator ended"):
        trial(falls, plan(calls=1), HERE, mosquitto.port)
