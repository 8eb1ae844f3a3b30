"""Figures from outside: of a page of metrics, and of a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from streamer.bench.figures import (
    Figures,
    cpu_s,
    family,
    family_cpu_s,
    mean,
    proportional_bytes,
    quantile,
    read_figures,
    resident_bytes,
    total,
    waited_s,
)

BOUNDS = (0.5, 1.0, 2.0, 4.0)


def page(values: list[float], labels: dict[str, str] | None = None) -> Figures:
    registry = CollectorRegistry()
    histogram = Histogram("lag_seconds", "Lag.", list(labels or {}), registry=registry, buckets=BOUNDS)
    for value in values:
        (histogram.labels(**labels) if labels else histogram).observe(value)
    return read_figures(generate_latest(registry).decode())


@given(st.lists(st.floats(0, 4), min_size=1, max_size=50), st.lists(st.floats(0, 4), max_size=50), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_bucket_of_the_value_that_it_estimates(
    values: list[float], earlier: list[float], share: float
) -> None:
    found = quantile(page(earlier), page([*earlier, *values]), "lag_seconds", share)
    rank = next(n for n in range(1, len(values) + 1) if n >= share * len(values) - 1e-9)
    exact = sorted(values)[rank - 1]
    high = next(bound for bound in BOUNDS if exact <= bound)
    low = max((bound for bound in BOUNDS if bound < high), default=0.0)
    assert found is not None
    assert low <= found <= high


def test_a_histogram_that_saw_nothing_between_two_looks_says_nothing() -> None:
    figures = page([1.0])
    assert quantile(figures, figures, "lag_seconds", 0.99) is None
    assert quantile({}, {}, "lag_seconds", 0.99) is None
    assert mean(figures, figures, "lag_seconds") is None


def test_what_lies_above_all_bounds_counts_as_the_highest() -> None:
    assert quantile({}, page([9.0]), "lag_seconds", 0.5) == 4.0


def test_a_histogram_with_a_label_is_read_for_one_value_of_it() -> None:
    figures = page([0.4, 0.4, 3.0], {"stage": "model"})
    assert quantile({}, figures, "lag_seconds", 0.5, 'stage="model"') is not None
    assert quantile({}, figures, "lag_seconds", 0.5, 'stage="outbox"') is None
    assert quantile({}, figures, "lag_seconds", 0.5) is None
    assert mean({}, figures, "lag_seconds", 'stage="model"') == pytest.approx(3.8 / 3)


@given(st.lists(st.floats(0, 4), min_size=1, max_size=20), st.lists(st.floats(0, 4), max_size=20))
def test_the_mean_is_of_what_came_between_two_looks(values: list[float], earlier: list[float]) -> None:
    found = mean(page(earlier), page([*earlier, *values]), "lag_seconds")
    assert found == pytest.approx(sum(values) / len(values), abs=1e-9)


def test_the_total_of_a_metric_is_over_all_its_labels() -> None:
    registry = CollectorRegistry()
    calls = Counter("calls", "Calls.", ["dialect"], registry=registry)
    calls.labels("native").inc(2)
    calls.labels("twilio").inc(3)
    figures = read_figures(generate_latest(registry).decode())
    assert total(figures, "calls_total") == 5
    assert total(figures, "call") == 0


def test_a_process_uses_processor_time_and_memory() -> None:
    before_s = cpu_s(os.getpid())
    until_s = time.process_time() + 0.1
    while time.process_time() < until_s:
        pass
    assert cpu_s(os.getpid()) >= before_s + 0.05
    assert family_cpu_s([os.getpid()]) >= before_s + 0.05
    assert resident_bytes(os.getpid()) > 1 << 20
    assert 0 <= waited_s(os.getpid()) <= waited_s(os.getpid())
    assert proportional_bytes(os.getpid()) > 1 << 20


def test_a_family_is_a_process_and_all_that_it_started() -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()']); print(1, flush=True); input()"
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert parent.stdout is not None
        parent.stdout.readline()
        found = family(parent.pid)
        assert found[0] == parent.pid
        assert len(found) == 2
    finally:
        parent.communicate(b"\n\n")
