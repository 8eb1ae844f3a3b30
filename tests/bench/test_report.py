"""What the command says: nothing rounded up, nothing about how it was measured left out."""

from __future__ import annotations

import json

from streamer.bench.outcome import LATE_MS, Spread
from streamer.bench.place import Place
from streamer.bench.plan import Plan
from streamer.bench.ramp import Bounds, Largest
from streamer.bench.report import as_json, machine, method, result, row
from tests.bench.test_ramp import measured

APART = Place(frozenset({1}), frozenset({0}), is_preferred=True)
SHARED = Place(frozenset({0}), frozenset({0}), is_preferred=False)
PLAN = Plan(port=1, mqtt_port=2, calls=2, seconds=10.0)


def test_the_method_names_machine_cores_broker_and_load() -> None:
    said = " ".join(method(PLAN, APART, "Mosquitto"))
    for words in (
        machine(),
        "core 1",
        "Mosquitto on core 0",
        "before other programs",
        "twilio, 20 ms",
        "customer",
        "10 s",
    ):
        assert words in said


def test_what_makes_a_result_worse_is_said() -> None:
    said = " ".join(method(PLAN, SHARED, "Mosquitto"))
    assert "SHARE a core" in said
    assert "among other programs" in said


def test_a_try_is_a_line_with_its_verdict() -> None:
    assert row(measured(), Bounds()).endswith("carried")
    assert "lost" in row(measured(lost=1), Bounds())
    assert "void" in row(measured(late=Spread(1, 1.0, 2 * LATE_MS, 1.0, 1.0)), Bounds())
    assert row(measured(lag_ms=None), Bounds()).split()[7] == "-"


def test_the_result_says_calls_legs_bounds_and_what_to_plan_with() -> None:
    said = " ".join(result(Largest(101, is_bound=True), PLAN, Bounds()))
    for words in ("101 calls", "202 legs", "50 ms behind the 400 ms", "under 20 ms", "80 calls", "no more than 101"):
        assert words in said
    assert not said.startswith("at least")


def test_where_the_generator_was_the_limit_the_result_is_a_least() -> None:
    assert result(Largest(101, is_bound=False), PLAN, Bounds())[0].startswith("at least 101")


def test_where_nothing_was_carried_there_is_no_figure() -> None:
    (said,) = result(Largest(0, is_bound=True), PLAN, Bounds())
    assert not any(letter.isdigit() for letter in said)


def test_as_json_everything_stands_that_was_printed() -> None:
    document = as_json([measured(), measured(lost=1)], Largest(2, is_bound=True), APART, "Mosquitto", Bounds())
    again = json.loads(json.dumps(document))
    assert [one["held"] for one in again["tries"]] == ["yes", "no"]
    assert again["tries"][1]["broken"]
    assert again["largest"] == {"calls": 2, "legs": 4, "is_bound": True}
    assert (again["server_cores"], again["load_cores"]) == ([1], [0])
    assert as_json([], None, APART, "Mosquitto", Bounds())["largest"] is None
