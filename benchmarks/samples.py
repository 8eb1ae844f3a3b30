"""What a soak sampled, and what that says: the bounds, the quarters, the report.

Pure but for `read`. This file must never judge by what was not sampled: what a node does not say is shown as unknown,
never as good.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from benchmarks.programs import Figures, quantile

LAG: Final = "streamer_event_loop_lag_seconds"
LAG_BUCKET: Final = f'{LAG}_bucket{{le="'
MOST_LAG_S: Final = 0.020
MOST_EVENT_S: Final = 0.5
MOST_CPU: Final = 0.95
"""Of the node's core."""
MOST_LATE_S: Final = 0.1
"""Callers that are later than that are too slow themselves: the step says nothing about the node."""
MOST_GROWTH: Final = 1.05
"""The last quarter's memory over the second's."""
UNKNOWN: Final = -1.0
MIB: Final = 1 << 20
NOT_GOOD: Final = "**no**"
PER_CALL: Final = {"files": 1, "tasks": 4}
"""What is counted, and how many of it a call may hold."""

Row = tuple[str, str, str, str]
"""What, how it is meant, what was found, and whether that is good."""


@dataclass(frozen=True)
class Sample:
    """One look at the node; `UNKNOWN` where something was not to be had."""

    phase: str
    """``idle before``, ``soak`` or ``idle after``."""
    at_s: float
    """Since the first look."""
    rss_bytes: int
    files: int
    tasks: float
    calls: float
    outbox_rows: float
    cpu: float
    """Share of its core since the look before."""
    event_p99_s: float
    """Of the events since the look before."""
    late_p99_s: float
    """The callers' own."""
    played: int
    """Calls that ended since the start, in whichever way."""
    troubles: int
    """Of these, refused or ended by the server."""
    lag: str
    """The lag's histogram since the node's start: ``bound=count`` and blanks."""

    def lag_figures(self) -> Figures:
        """Return the histogram as /metrics shows it."""
        pairs = (pair.split("=") for pair in self.lag.split())
        return {f'{LAG_BUCKET}{bound}"}}': float(count) for bound, count in pairs}


@dataclass(frozen=True)
class Step:
    """What was measured at one size of the crowd."""

    legs: int
    lag_p99_s: float
    event_p99_s: float
    cpu: float
    late_p99_s: float
    troubles: int

    @property
    def breaks(self) -> str:
        """What is beyond its bound; empty where nothing is."""
        bounds = (
            ("loop lag", self.lag_p99_s, MOST_LAG_S),
            ("event latency", self.event_p99_s, MOST_EVENT_S),
            ("core", self.cpu, MOST_CPU),
            ("refused calls", self.troubles, 0),
            ("callers late", self.late_p99_s, MOST_LATE_S),
        )
        return ", ".join(name for name, value, bound in bounds if value > bound)


def p99(values: Sequence[float]) -> float:
    """Return the value that 99 of 100 do not exceed; `UNKNOWN` of none."""
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))] if values else UNKNOWN


def progress(sample: Sample) -> str:
    """Return what is said each minute."""
    return (
        f"{sample.at_s / 60:.0f} min: {sample.rss_bytes / MIB:.1f} MiB, {sample.files} files, {sample.tasks:.0f} "
        f"tasks, {sample.calls:.0f} calls, core {sample.cpu:.0%}, event p99 {_ms(sample.event_p99_s)} ms, "
        f"{sample.played} calls played, {sample.troubles} refused or cut, outbox {sample.outbox_rows:.0f}"
    )


def step_row(step: Step) -> str:
    """Return a step as a row of the table."""
    return (
        f"| {step.legs} | {_ms(step.lag_p99_s)} | {_ms(step.event_p99_s)} | {step.cpu:.0%} | "
        f"{_ms(step.late_p99_s)} | {step.troubles} | {step.breaks or 'holds'} |"
    )


def _ms(seconds: float) -> str:
    return "-" if seconds == UNKNOWN else f"{1000 * seconds:.1f}"


def read(file: Path) -> list[Sample]:
    """Return the samples of a CSV; a last line that was cut off in the middle is left out."""
    kinds = {field.name: {"str": str, "int": int, "float": float}[str(field.type)] for field in fields(Sample)}
    with file.open(encoding="utf-8", newline="") as lines:
        return [
            Sample(**{name: kinds[name](text) for name, text in row.items()})
            for row in csv.DictReader(lines)
            if None not in row.values()
        ]


@dataclass(frozen=True)
class Verdict:
    """What the samples of a soak say."""

    rows: tuple[Row, ...]

    @property
    def holds(self) -> bool:
        """Whether everything is as it should be."""
        return all(good != NOT_GOOD for *_, good in self.rows)


def judge(samples: Sequence[Sample]) -> Verdict:
    """Return the verdict over a soak.

    Raises
    ------
    ValueError
        There are too few samples to have a second and a last quarter.
    """
    soak = during(samples)
    if len(soak) < 4:
        raise ValueError(f"got {len(soak)} samples of the soak, expected 4 at least; let it run longer")
    quarter = len(soak) // 4
    second, last = soak[quarter : 2 * quarter], soak[-quarter:]
    rows = [_memory(second, last), _lag(samples[0], soak[-1])]
    for what, each in PER_CALL.items():
        rows.append(_as_many(what, each, second, last))
        if samples[-1].phase == "idle after":
            rows.append(_none_left(what, samples[0], samples[-1]))
    return Verdict(tuple(rows))


def during(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples of the soak itself."""
    return [sample for sample in samples if sample.phase == "soak"]


def _memory(second: Sequence[Sample], last: Sequence[Sample]) -> Row:
    then, now = _median(second, "rss_bytes"), _median(last, "rss_bytes")
    return (
        "memory",
        f"last quarter at most {MOST_GROWTH - 1:.0%} above the second (medians)",
        f"{then / MIB:.1f} MiB, then {now / MIB:.1f} MiB ({now / then - 1:+.1%})",
        _good(now <= MOST_GROWTH * then),
    )


def _lag(first: Sample, last: Sample) -> Row:
    lag_s = quantile(first.lag_figures(), last.lag_figures(), LAG, 0.99)
    return (
        "loop lag",
        f"p99 of the whole soak under {1000 * MOST_LAG_S:.0f} ms",
        "never seen" if lag_s is None else f"{1000 * lag_s:.1f} ms",
        _good(lag_s is not None and lag_s < MOST_LAG_S),
    )


def _as_many(what: str, each: int, second: Sequence[Sample], last: Sequence[Sample]) -> Row:
    meant = "as many in the last quarter as in the second (medians), but for what calls hold that are more"
    then, now = _median(second, what), _median(last, what)
    if UNKNOWN in {then, now}:
        return what, meant, "this version does not say", "-"
    # Between two calls a place in the crowd is empty for a moment, and a stranger holds a connection, too.
    more_calls = max(0.0, _median(last, "calls") - _median(second, "calls")) + 1
    return what, meant, f"{then:g}, then {now:g}", _good(now <= then + each * more_calls)


def _none_left(what: str, before: Sample, after: Sample) -> Row:
    then, now = getattr(before, what), getattr(after, what)
    meant = "as many when all have gone as before the first came"
    if UNKNOWN in {then, now}:
        return f"{what}, nobody there", meant, "this version does not say", "-"
    return f"{what}, nobody there", meant, f"{then:g}, then {now:g}", _good(now <= then)


def _median(samples: Sequence[Sample], name: str) -> float:
    return float(statistics.median(getattr(one, name) for one in samples))


def _good(is_so: bool) -> str:
    return "yes" if is_so else NOT_GOOD


def report(samples: Sequence[Sample], steps: Sequence[Step], story: Sequence[str]) -> str:
    """Return the whole result as Markdown.

    Parameters
    ----------
    samples
        What was sampled.
    steps
        The ramp, where there was one.
    story
        How it was run and on what, in sentences.
    """
    soak = during(samples)
    last = soak[-1]
    lines = ["# Soak: does anything grow, does anything come late", "", *story, ""]
    if steps:
        lines += [
            "| legs | lag p99 (ms) | event p99 (ms) | core | callers late p99 (ms) | refused or cut | |",
            "|---|---|---|---|---|---|---|",
            *map(step_row, steps),
            "",
        ]
    found = (
        f"{last.at_s / 60:.1f} minutes with {_median(soak, 'calls'):.0f} calls at once (median), {last.played} played, "
        f"{last.troubles} refused or cut by the node. Its core was in use to "
        f"{statistics.mean(one.cpu for one in soak):.0%}. Event p99 {_ms(_median(soak, 'event_p99_s'))} ms and "
        f"the callers' own lateness p99 {_ms(_median(soak, 'late_p99_s'))} ms (medians over {len(soak)} samples)."
    )
    lines += [found, "", "| | meant | found | good |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in judge(samples).rows]
    lines += [
        "",
        "| minute | memory (MiB) | descriptors | tasks | calls | event p99 (ms) | core |",
        "|---|---|---|---|---|---|---|",
    ]
    for begin in sorted({int(one.at_s // 300) for one in soak}):
        part = [one for one in soak if int(one.at_s // 300) == begin]
        tasks = _median(part, "tasks")
        lines.append(
            f"| {5 * begin} | {_median(part, 'rss_bytes') / MIB:.1f} | {_median(part, 'files'):.0f} | "
            f"{'-' if tasks == UNKNOWN else f'{tasks:.0f}'} | {_median(part, 'calls'):.0f} | "
            f"{_ms(_median(part, 'event_p99_s'))} | {_median(part, 'cpu'):.0%} |"
        )
    return "\n".join([*lines, ""])
