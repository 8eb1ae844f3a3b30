"""The page: every target has its line, and what is not met or not measured is said."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from benchmarks.calls_per_core.found import Cost, Found, Load, Ramp
from benchmarks.calls_per_core.page import page
from streamer.bench.load import STAGES, Measured, Stage
from tests.bench.test_ramp import measured


def costing(cpu_s: float, legs: int = 4) -> Measured:
    return measured(cpu_s=cpu_s, legs=legs)


def cost(server: str, cpu_s: float) -> Cost:
    return Cost(server, (costing(cpu_s),))


LOAD = Load("twilio", 20, 4, (cost("websockets-sink", 2.0), cost("picows-sink", 1.0), cost("streamer", 3.0)))
RAMPS = tuple(
    Ramp(server, (legs,), is_bound=bound, why="its core is full", tried=())
    for server, legs, bound in (("streamer", 400, True), ("naive", 10, True), ("picows-sink", 999, False))
)
AT_WORK = replace(measured(), stages=dict.fromkeys(STAGES, Stage(1.0, 1.0, 2.0)))
FOUND = Found(
    machine="2 cores of something",
    method=("in some way",),
    loads=(LOAD,),
    ramps=RAMPS,
    growth=(costing(1.0, 100), costing(4.0, 400)),
    eighty=(AT_WORK,),
    workers=(costing(1.0), costing(1.0)),
    profiles={"streamer": {"vad and segmenter": 0.25, "transport": 0.75}},
    left_out=("silero: needs a package",),
)


def targets(found: Found) -> dict[str, list[str]]:
    section = page(found).partition("## Targets")[2].partition("\n## ")[0]
    rows = [
        line.strip("| ").split(" | ")
        for line in section.splitlines()
        if line.startswith("| ") and "| target |" not in line
    ]
    return {row[0]: row[1:] for row in rows}


def test_every_target_is_judged_by_what_was_found() -> None:
    found = targets(FOUND)
    assert found["CPU of streamer over websockets-sink, 20 ms frames"] == ["<= 1.35", "1.50", "**no**"]
    assert found["legs per core of streamer over naive"] == [">= 30", "40.00", "yes"]
    assert found["two workers against one, by CPU per leg"] == [">= 1.8", "2.00", "yes"]
    assert found["memory per additional leg"][2] == "yes"
    assert found["event latency behind the hangover, p99, at 80 % of the largest load"][1] == "20.00 ms"


def test_what_the_sink_costs_stands_beside_the_cost_of_a_leg() -> None:
    shown = page(msgspec.structs.replace(FOUND, floor=(costing(0.5, 100), costing(0.4, 400))))
    ten, thousand = (row for row in shown.splitlines() if row.startswith(("| 100 |", "| 400 |")) and "%" in row)
    assert ten.split(" | ")[1:4] == ["1.000", "0.500", "0.500"]
    assert thousand.split(" | ")[1:4] == ["1.000", "0.100", "0.900"]
    assert (
        "With 100 legs a leg costs 1.0 times what it does with 400; in the sink, which does nothing with it, 5.0"
        in shown
    )
    assert "| 100 | 1.000 | - | - |" in page(FOUND)


def test_what_is_not_transport_and_what_a_leg_costs_at_the_largest_loads_stand_beside_the_targets() -> None:
    ramps = tuple(
        msgspec.structs.replace(ramp, tried=(costing(cpu_s, ramp.legs[0]), costing(9.0, 1)))
        for ramp, cpu_s in zip(RAMPS, (4.0, 0.5, 1.0), strict=True)
    )
    shown = page(msgspec.structs.replace(FOUND, ramps=ramps))
    assert "**picows**: by the profile at the end, 18.75 ms of a leg" in shown  # a quarter of 75
    assert "That alone is 0.75 times what the bare picows sink costs." in shown
    assert "**naive**: at their largest loads a leg costs it 5.00 ms of CPU, ours 1.00: 5.0 times." in shown
    assert "What else" not in page(Found("m", ()))


def test_what_was_not_measured_is_not_called_met() -> None:
    assert {tuple(row[1:]) for row in targets(Found("m", ())).values()} == {("not measured", "-")}


def test_all_that_was_found_is_on_the_page() -> None:
    shown = page(FOUND)
    for words in (
        "2 cores of something.",
        "- in some way",
        "| streamer | 75.000 | 1.50 | 3.00 |",
        "| picows-sink | at least 999 |",
        "its core is full",
        "stage `publish`",
        "| vad and segmenter | 25.0% |",
        "- silero: needs a package",
        "| 2 | 4 |",
    ):
        assert words in shown, words


def test_an_empty_campaign_makes_a_page_without_tables_of_nothing() -> None:
    shown = page(Found("m", ()))
    assert "## Legs per core" not in shown
    assert "## Not measured" not in shown
