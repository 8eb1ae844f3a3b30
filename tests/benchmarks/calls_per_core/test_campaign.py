"""The campaign: one server that fails stops nothing, and is named with its reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.calls_per_core import campaign
from benchmarks.calls_per_core.campaign import Campaign
from streamer.bench.load import Measured
from streamer.bench.outcome import LATE_MS, Spread
from streamer.bench.place import Place
from streamer.bench.plan import Plan
from streamer.bench.served import BenchError, Variant
from tests.bench.test_ramp import measured

PLAN = Plan(port=0, mqtt_port=0, calls=10, seconds=1.0)
GOOD, BAD = Variant("good", ("good",)), Variant("bad", ("bad",))
BOUND = 50
HERE = Place(frozenset({0}), frozenset({0}), is_preferred=False)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Plan]]:
    """A server that carries `BOUND` calls, and one that does not run."""
    found: list[tuple[str, Plan]] = []

    def trial(variant: Variant, plan: Plan, _where: object, _mqtt_port: int, _watch: object) -> Measured:
        found.append((variant.name, plan))
        if variant is BAD:
            raise BenchError("bad needs a package")
        lost = 0 if plan.calls <= BOUND else 1
        return replace(measured(lost=lost, legs=plan.legs, cpu_s=10 * plan.calls / BOUND * 0.9), plan=plan)

    monkeypatch.setattr(campaign, "trial", trial)
    return found


def test_servers_take_turns_and_one_that_fails_is_named_once_and_not_tried_again(tried) -> None:
    said: list[str] = []
    run = Campaign(HERE, 1, said.append)
    load = run.load([GOOD, BAD], PLAN, 3)
    assert [name for name, _ in tried] == ["good", "bad", "good", "good"]
    assert [cost.server for cost in load.costs] == ["good"]
    assert len(load.costs[0].runs) == 3
    assert run.left_out == ["bad: bad needs a package"]
    assert any("carried" in line for line in said)


def test_each_trial_has_calls_of_its_own(tried) -> None:
    Campaign(HERE, 1, lambda _: None).load([GOOD], PLAN, 3)
    assert len({plan.run for _, plan in tried}) == 3


def test_a_load_under_which_the_generator_was_late_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    late = measured(late=Spread(1, 1.0, 2 * LATE_MS, 20.0, 20.0))
    answers = iter([late, measured(), late, late])
    monkeypatch.setattr(campaign, "trial", lambda *_: next(answers))
    load = Campaign(HERE, 1, lambda _: None).load([GOOD], PLAN, 2)
    assert [len(cost.runs) for cost in load.costs] == [1]


def test_each_search_finds_the_bound_and_later_ones_take_few_tries(tried) -> None:
    found = Campaign(HERE, 1, lambda _: None).ramp(GOOD, PLAN, first_calls=5, runs=3)
    assert found is not None
    assert all(0.9 * 2 * BOUND <= legs <= 2 * BOUND for legs in found.legs)
    assert len(found.legs) == 3
    assert found.is_bound
    assert "1 of 5 utterances lost" in found.why
    assert len(tried) <= 15


def test_a_server_that_does_not_run_has_no_largest_load(tried) -> None:
    run = Campaign(HERE, 1, lambda _: None)
    assert run.ramp(BAD, PLAN, first_calls=5, runs=3) is None
    assert len(tried) == 1
    assert run.left_out == ["bad: bad needs a package"]
