"""The first page of a report: all calls, a line each, and the figures of them all.

This file must never rank people or calls: the order is that of the recordings' names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from streamer_client.events import EMOTIONS

from streamer.archive.html import facts, length, name, page, table, text
from streamer.archive.looks import LOOKS
from streamer.archive.results import CallResult
from streamer.archive.timeline import mark
from streamer.archive.ways import Ways


class Line(msgspec.Struct, frozen=True):
    """What the first page says of a call."""

    call_id: str
    page: str
    """File of its page."""
    started_s: float | None
    duration_ms: int
    utterances: int
    certain: dict[str, int]
    """Certain verdicts by emotion."""
    alerts: dict[str, int]
    """By severity."""


def line_of(result: CallResult, page_file: str) -> Line:
    """Return the line of a call."""
    said = result.analysed.utterances
    return Line(
        call_id=result.call_id,
        page=page_file,
        started_s=result.analysed.started_s,
        duration_ms=result.analysed.ended.data.duration_ms,
        utterances=len(said),
        certain=dict(Counter(one.data.emotion.top for one in said if not one.data.emotion.uncertain)),
        alerts=dict(Counter(str(one.data.severity) for one in result.alerts)),
    )


def index_page(lines: Iterable[Line], ways: Ways, *, failed: int) -> str:
    """Return the first page.

    Parameters
    ----------
    lines
        One a call, in the order of the page.
    ways
        How they were judged.
    failed
        Recordings that could not be analysed.
    """
    lines = list(lines)
    certain, alerts = Counter[str](), Counter[str]()
    for line in lines:
        certain.update(line.certain)
        alerts.update(line.alerts)
    columns = (("call", False), ("began (UTC)", False), ("length", True), ("utterances", True))
    rows = (_row(line) for line in lines)
    heard = "".join(f"<li>{mark(one, uncertain=False)}{one} {certain[one]}</li>" for one in LOOKS if one in certain)
    unread = (
        f"<p>{failed} recording{'s' * (failed != 1)} could not be analysed; the command said which and why, and tries "
        "again when it is run with --resume.</p>"
        if failed
        else ""
    )
    links = ", ".join(f'<a href="{one}">{one}</a>' for one in ("calls.csv", "utterances.csv", "alerts.csv"))
    return page(
        "Recorded calls",
        [
            "<main><h1>Recorded calls</h1>",
            facts(
                [
                    (str(len(lines)), "calls"),
                    (length(sum(line.duration_ms for line in lines)), "of audio"),
                    (str(sum(line.utterances for line in lines)), "utterances judged"),
                    (str(alerts.total()), f"alerts: {_severities(alerts)}" if alerts else "alerts"),
                ]
            ),
            f'<ul class="legend" aria-label="Certain verdicts in all calls">{heard}</ul>' if heard else "",
            unread,
            table("Calls", (*columns, ("certain verdicts", False), ("alerts", False)), rows),
            f"<h2>Tables</h2><p>For a spreadsheet or a program: {links};",
            'and every event as it would have been on the bus, <a href="events.jsonl">events.jsonl</a>.</p>',
            '<div class="not"><p><strong>A machine\'s estimate of how voices sounded; never a decision about anybody.',
            "</strong> Listen to a call before anything is made of its line here.</p></div>",
            f"<p>Model {text(ways.model)} {text(ways.model_version)}, sha256 <code>{text(ways.model_sha256)}</code>,",
            f"by emotion-streamer {text(ways.program)}.</p></main>",
        ],
    )


def _row(line: Line) -> list[tuple[str, str]]:
    began = "" if line.started_s is None else f"{datetime.fromtimestamp(line.started_s, UTC):%Y-%m-%d %H:%M:%S}"
    return [
        (f'<a href="calls/{text(line.page)}">{name(line.call_id)}</a>', ""),
        (began, ""),
        (length(line.duration_ms), "n"),
        (str(line.utterances), "n"),
        (", ".join(f"{one} {line.certain[one]}" for one in EMOTIONS if one in line.certain), ""),
        (_severities(line.alerts), ""),
    ]


def _severities(alerts: dict[str, int]) -> str:
    order = ("critical", "warning", "info")
    return ", ".join(f"{alerts[one]} {one}" for one in order if alerts.get(one))
