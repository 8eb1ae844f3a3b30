"""The figures of a node: sums under the old names that never go back, gauges of those that are there."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from streamer.metrics import Metrics
from streamer.workers.figures import Figures, Node, figures, merged, packed, unpacked


def process(calls: int = 0, *, active: float = 0, oldest: float = 0, connected: float = 1) -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("streamer_calls", "Calls.", ["dialect"], registry=registry).labels("native").inc(calls)
    Gauge("streamer_calls_active", "Now.", registry=registry).set(active)
    Gauge("streamer_outbox_oldest_age_seconds", "Age.", registry=registry).set(oldest)
    Gauge("streamer_broker_connected", "Broker.", registry=registry).set(connected)
    latency = Histogram("streamer_latency_seconds", "Time.", registry=registry, buckets=[0.1, 1])
    for _ in range(calls):
        latency.observe(0.5)
    return registry


def node_of(*present: Figures) -> tuple[Node, CollectorRegistry]:
    registry, node = CollectorRegistry(), Node(lambda: present)
    registry.register(node)
    return node, registry


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_counters_gauges_and_histograms_are_summed(calls: list[int]) -> None:
    _, node = node_of(*(figures(process(n, active=n)) for n in calls))
    value = node.get_sample_value
    assert value("streamer_calls_total", {"dialect": "native"}) == sum(calls)
    assert value("streamer_calls_active") == sum(calls)
    assert value("streamer_latency_seconds_count") == sum(calls)
    assert value("streamer_latency_seconds_bucket", {"le": "0.1"}) == 0
    assert value("streamer_latency_seconds_bucket", {"le": "1.0"}) == sum(calls)
    assert value("streamer_latency_seconds_sum") == sum(calls) * 0.5


def test_what_cannot_be_summed_is_the_worst_of_all() -> None:
    _, node = node_of(figures(process(oldest=3, connected=1)), figures(process(oldest=7, connected=0)))
    assert node.get_sample_value("streamer_outbox_oldest_age_seconds") == 7
    assert node.get_sample_value("streamer_broker_connected") == 0


def test_counters_never_go_back_when_a_process_goes_but_gauges_do() -> None:
    node, registry = node_of(figures(process(1, active=1)))
    node.keep(figures(process(4, active=4)))
    node.keep(figures(process(2, active=2)))
    assert registry.get_sample_value("streamer_calls_total", {"dialect": "native"}) == 7
    assert registry.get_sample_value("streamer_latency_seconds_count") == 7
    assert registry.get_sample_value("streamer_calls_active") == 1


def test_of_processes_that_are_all_gone_the_counters_are_left() -> None:
    node, registry = node_of()
    node.keep(figures(process(4, active=4)))
    assert registry.get_sample_value("streamer_calls_total", {"dialect": "native"}) == 4
    assert registry.get_sample_value("streamer_calls_active") is None


def test_a_process_comes_over_the_channel_as_it_is() -> None:
    registry = process(3, active=2)
    assert unpacked(packed(registry)) == figures(registry)
    with pytest.raises(msgspec.DecodeError):
        unpacked(b"\xc1")


def test_one_process_alone_shows_what_it_would_show_itself() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.calls.labels("native", "stop").inc()
    metrics.event_loop_lag.observe(0.01)
    _, node = node_of(figures(registry))
    assert generate_latest(node) == generate_latest(registry)


def test_the_first_says_what_a_metric_is_called_and_in_which_order() -> None:
    one, other = figures(process(1)), figures(process(1))
    assert [family.name for family in merged([one, other])] == [family.name for family in one]
    assert merged([]) == ()
