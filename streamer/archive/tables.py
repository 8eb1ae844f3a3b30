"""The report as tables: one line for each utterance, call and alert, for spreadsheets and data frames.

UTF-8, separated by commas, lines ended as RFC 4180 says. This file must never write a cell that a spreadsheet would run
as a formula: text that begins like one gets an apostrophe in front, as OWASP advises for CSV injection.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Final, Protocol

from streamer_client.events import EMOTIONS

from streamer.archive.results import CallResult
from streamer.bus.cloudevents import rfc3339

Cell = str | int | float | None

UTTERANCES: Final = (
    *("call_id", "role", "channel", "n", "start_ms", "end_ms", "speech_ms", "cut", "top", "confidence", "uncertain"),
    *EMOTIONS,
    *("snr_db", "clipped", "lost_ms", "model", "model_version", "event_id", "time"),
)
CALLS: Final = (
    *("call_id", "started_at", "duration_ms", "role", "channel", "analysed", "utterances", "talk_ms", "silence_ms"),
    *("overlap_ms", "loudness_dbfs", "syllables_per_s", "lost_ms"),
    *(f"certain_{emotion}" for emotion in EMOTIONS),
    *("alerts", "not_judged", "notice", "labels"),
)
ALERTS: Final = ("call_id", "severity", "rule", "role", "at_ms", "message", "utterances", "event_id")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Writable(Protocol):
    def write(self, text: str, /) -> object: ...


class Table:
    """One table that is being written.

    Parameters
    ----------
    file
        Opened with ``newline=""``.
    columns
        Of the first line.
    """

    def __init__(self, file: _Writable, columns: Iterable[str]) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow(columns)

    def add(self, rows: Iterable[Iterable[Cell]]) -> None:
        """Write lines."""
        self._writer.writerows([[_harmless(cell) for cell in row] for row in rows])


def utterance_rows(result: CallResult) -> list[list[Cell]]:
    """Return the lines of a call's utterances."""
    rows: list[list[Cell]] = []
    for event in result.analysed.utterances:
        data, spoken, emotion = event.data, event.data.utterance, event.data.emotion
        rows.append(
            [
                *(data.call.id, data.speaker.role, data.speaker.channel, spoken.n, spoken.start_ms, spoken.end_ms),
                *(spoken.speech_ms, str(spoken.cut), emotion.top, emotion.confidence, _yes(emotion.uncertain)),
                *(emotion.scores.get(name) for name in EMOTIONS),
                *(data.quality.snr_db, data.quality.clipped, data.quality.lost_ms),
                *(data.model.name, data.model.version, event.id, event.time),
            ]
        )
    return rows


def call_rows(result: CallResult) -> list[list[Cell]]:
    """Return a line for each party of a call."""
    analysed, data = result.analysed, result.analysed.ended.data
    started = "" if analysed.started_s is None else rfc3339(analysed.started_s)
    labels = "; ".join(f"{name}={text}" for name, text in sorted(data.call.labels.items()))
    return [
        [
            *(data.call.id, started, data.duration_ms, one.role, one.channel, _yes(one.analysed), one.utterances),
            *(one.talk_ms, one.silence_ms, data.overlap_ms, one.loudness_dbfs, one.syllables_per_s, one.lost_ms),
            *(one.emotions.get(name, 0) if one.analysed else None for name in EMOTIONS),
            sum(alert.data.role == one.role for alert in result.alerts),
            *(analysed.not_judged, _yes(analysed.notice), labels),
        ]
        for one in data.speakers
    ]


def alert_rows(result: CallResult) -> list[list[Cell]]:
    """Return the lines of a call's alerts."""
    ends = {event.id: event.data.utterance.end_ms for event in result.analysed.utterances}
    return [
        [
            *(alert.data.call.id, str(alert.data.severity), alert.data.rule, alert.data.role),
            alert_ms(alert.data.utterances, ends),
            *(alert.data.message, " ".join(alert.data.utterances), alert.id),
        ]
        for alert in result.alerts
    ]


def alert_ms(utterances: Iterable[str], ends: dict[str, int]) -> int | None:
    """Return where an alert stands on the media clock: at the end of the last utterance behind it."""
    return max((ends[one] for one in utterances if one in ends), default=None)


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
