"""What is read of programs from outside."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from benchmarks.programs import (
    LOOPBACK,
    Broker,
    ProgramError,
    command_line,
    free_port,
    open_files,
    quantile,
    read_figures,
    total,
)
from benchmarks.programs import resident_bytes as resident
from tests.conftest import program

BOUNDS = (0.5, 1.0, 2.0, 4.0)


def page(values: list[float]) -> str:
    registry = CollectorRegistry()
    histogram = Histogram("lag_seconds", "Lag.", registry=registry, buckets=BOUNDS)
    for value in values:
        histogram.observe(value)
    return generate_latest(registry).decode()


@given(st.lists(st.floats(0, 4), min_size=1, max_size=50), st.lists(st.floats(0, 4), max_size=50), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_bucket_of_the_value_that_it_estimates(
    values: list[float], earlier: list[float], share: float
) -> None:
    before, after = read_figures(page(earlier)), read_figures(page([*earlier, *values]))
    found = quantile(before, after, "lag_seconds", share)
    rank = next(n for n in range(1, len(values) + 1) if n >= share * len(values) - 1e-9)
    exact = sorted(values)[rank - 1]
    high = next(bound for bound in BOUNDS if exact <= bound)
    low = max((bound for bound in BOUNDS if bound < high), default=0.0)
    assert found is not None
    assert low <= found <= high


def test_a_histogram_that_saw_nothing_between_two_looks_has_no_quantile() -> None:
    figures = read_figures(page([1.0]))
    assert quantile(figures, figures, "lag_seconds", 0.99) is None
    assert quantile({}, {}, "lag_seconds", 0.99) is None


def test_what_lies_above_all_bounds_counts_as_the_highest() -> None:
    assert quantile({}, read_figures(page([9.0])), "lag_seconds", 0.5) == 4.0


def test_the_total_of_a_metric_is_over_all_its_labels() -> None:
    registry = CollectorRegistry()
    calls = Counter("calls", "Calls.", ["dialect"], registry=registry)
    calls.labels("native").inc(2)
    calls.labels("twilio").inc(3)
    figures = read_figures(generate_latest(registry).decode())
    assert total(figures, "calls_total") == 5
    assert total(figures, "call") == 0


def test_a_command_line_does_not_say_where_files_were_put() -> None:
    given = ["--calls", "4", "--folder", "/secret/place", "--result=/secret/file.md", "--seed", "2"]
    assert command_line("benchmarks.chaos", given) == "python -m benchmarks.chaos --calls 4 --seed 2"


def test_this_process_holds_memory_and_files() -> None:
    assert resident(os.getpid()) > 1 << 20
    with open(os.devnull, "rb"):  # noqa: PTH123 - any open file
        assert open_files(os.getpid()) >= 1


async def test_a_program_that_ends_by_itself_is_said_with_its_last_words(tmp_path) -> None:
    program("mosquitto")
    broker = Broker(tmp_path / "broker", port=free_port(), address="no-such-host.invalid")
    with pytest.raises(ProgramError, match="ended by itself"):
        await broker.start()
    broker.close()


async def test_a_broker_comes_back_on_its_port_after_kill_9(tmp_path) -> None:
    program("mosquitto")
    broker = Broker(tmp_path / "broker", host=LOOPBACK, port=free_port(), safe=True)
    try:
        for _ in range(2):
            await broker.start()
            assert broker.is_running
            await broker.kill()
            assert not broker.is_running
    finally:
        broker.close()
