"""What a soak sampled, and what that says."""

from __future__ import annotations

import csv
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.samples import MIB, UNKNOWN, Sample, Step, judge, p99, read, report

GOOD_LAG = (0.001, 100), (0.025, 100)


def sample(phase: str = "soak", at_s: float = 0.0, **changed: float) -> Sample:
    looks = int(at_s)
    lag = f"0.001={looks} 0.025={looks} +Inf={looks}"
    usual = Sample(phase, at_s, 200 * MIB, 50, 100, 20, 0, 0.5, 0.04, 0.01, 10, 0, lag)
    return replace(usual, **changed)


def soak(count: int = 40, **last_quarter: float) -> list[Sample]:
    """Return a soak in which something is otherwise in the last quarter."""
    during = [sample(at_s=10.0 * n) for n in range(1, count + 1)]
    quarter = count // 4
    changed = [replace(one, **last_quarter) for one in during[-quarter:]]
    idle = {"files": 20, "tasks": 9, "calls": 0}
    return [
        sample("idle before", **idle),
        *during[:-quarter],
        *changed,
        sample("idle after", 10.0 * count + 30, **idle),
    ]


def test_a_soak_in_which_nothing_grows_holds() -> None:
    verdict = judge(soak())
    assert verdict.holds
    assert [what for what, *_ in verdict.rows] == [
        "memory",
        "loop lag",
        "files",
        "files, nobody there",
        "tasks",
        "tasks, nobody there",
    ]


@pytest.mark.parametrize(
    "change",
    [{"rss_bytes": 211 * MIB}, {"files": 52}, {"tasks": 105}, {"lag": "0.001=0 0.025=0 +Inf=390"}],
    ids=lambda change: next(iter(change)),
)
def test_what_grows_or_comes_late_is_said(change: dict[str, float]) -> None:
    assert not judge(soak(**change)).holds


def test_more_calls_may_hold_more() -> None:
    assert judge(soak(files=52, tasks=108, calls=22)).holds


@pytest.mark.parametrize("what", ["files", "tasks"])
def test_what_is_left_when_all_have_gone_is_said(what: str) -> None:
    samples = soak()
    samples[-1] = replace(samples[-1], **{what: getattr(samples[0], what) + 1})
    assert not judge(samples).holds


def test_what_a_node_does_not_say_is_unknown_and_not_good() -> None:
    samples = [replace(one, tasks=UNKNOWN) for one in soak()]
    assert {good for what, *_, good in judge(samples).rows if what.startswith("tasks")} == {"-"}


def test_too_few_samples_are_no_soak() -> None:
    with pytest.raises(ValueError, match="expected 4 at least"):
        judge([sample(), sample()])


@given(st.lists(st.floats(0, 10), min_size=1, max_size=300))
def test_p99_is_a_value_that_at_most_one_in_a_hundred_exceeds(values: list[float]) -> None:
    found = p99(values)
    assert found in values
    assert sum(value > found for value in values) <= len(values) / 100


def test_a_file_that_was_cut_off_in_the_middle_of_a_line_is_read_up_to_there(tmp_path: Path) -> None:
    samples, file = soak(), tmp_path / "samples.csv"
    with file.open("w", encoding="utf-8", newline="") as lines:
        rows = csv.DictWriter(lines, [field.name for field in fields(Sample)])
        rows.writeheader()
        rows.writerows(map(asdict, samples))
    assert read(file) == samples
    whole = file.read_text(encoding="utf-8").rstrip()
    file.write_text(whole[: whole.rindex(",")], encoding="utf-8")
    assert read(file) == samples[:-1]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (Step(40, 0.005, 0.1, 0.5, 0.01, 0), ""),
        (Step(40, 0.021, 0.1, 0.5, 0.01, 0), "loop lag"),
        (Step(40, 0.005, 0.6, 0.96, 0.01, 0), "event latency, core"),
        (Step(40, 0.005, 0.1, 0.5, 0.2, 1), "refused calls, callers late"),
    ],
)
def test_a_step_breaks_on_what_is_beyond_its_bound(step: Step, why: str) -> None:
    assert step.breaks == why


def test_the_report_shows_ramp_verdict_and_course() -> None:
    text = report(soak(), [Step(40, 0.005, 0.1, 0.5, 0.01, 0)], ["How it was."])
    assert "How it was." in text
    assert "| 40 | 5.0 | 100.0 | 50% | 10.0 | 0 | holds |" in text
    assert "| memory |" in text
    assert "| 5 | 200.0 | 50 | 100 | 20 | 40.0 | 50% |" in text
