"""The picture of a call: both parties along the media clock, how loud they were, what was heard, and alerts.

SVG inside the page, in rows of a length that leaves room for single utterances. An emotion is shown by colour, by a
shape with a letter above, and in words in the table below; what is uncertain has no colour. This file must never show
a verdict that the events do not carry.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from streamer_client.events import AlertEvent, SpeakerSummary, UtteranceEvent
from streamer_client.pretty import position

from streamer.archive.html import length, text
from streamer.archive.levels import FLOOR_DBFS, STEP_MS
from streamer.archive.looks import glyph, kind
from streamer.archive.results import CallResult
from streamer.archive.tables import alert_ms

_ROWS_S: Final = (30, 60, 120, 300, 600, 1800, 3600, 7200)
_MOST_ROWS: Final = 12
_WIDTH, _LEFT, _LANE, _TOP, _BOTTOM = 1000, 92, 66, 20, 20
_BAR_TOP, _BAR, _WAVE, _GLYPH = 20, 14, 28, 17
_QUIETEST_DBFS: Final = -60
_LEAST_WIDTH: Final = 3.0
_LABEL: Final = 210
"""Room for the name of an alert."""
_CURVE_STEPS: Final = 450


def timeline(result: CallResult) -> str:
    """Return the picture as markup, a row below the other."""
    data = result.analysed.ended.data
    duration_s = max(data.duration_ms / 1000, 1.0)
    row_s = next((one for one in _ROWS_S if duration_s <= one * _MOST_ROWS), _ROWS_S[-1])
    if duration_s <= 2 * row_s:
        row_s = math.ceil(duration_s / 5) * 5
    rows = range(math.ceil(duration_s / row_s))
    return "".join(_Row(result, number * row_s, row_s).markup(number) for number in rows)


def mark(emotion: str, *, uncertain: bool) -> str:
    """Return the glyph of a verdict as markup; the word stands beside it."""
    return f'<svg class="mark" viewBox="-1 -1 26 26" aria-hidden="true">{glyph(emotion, uncertain=uncertain)}</svg>'


class _Row:
    def __init__(self, result: CallResult, from_s: int, row_s: int) -> None:
        self._result = result
        self._from_ms, self._until_ms = from_s * 1000, (from_s + row_s) * 1000
        self._speakers = result.analysed.ended.data.speakers
        self._end_ms = min(self._until_ms, max(result.analysed.ended.data.duration_ms, self._from_ms + 1))
        self._per_ms = (_WIDTH - _LEFT) / (self._until_ms - self._from_ms)

    def markup(self, number: int) -> str:
        height = _TOP + _LANE * len(self._speakers) + _BOTTOM
        what = f"From {length(self._from_ms)} to {length(self._end_ms)}: {self._in_words()}"
        tops = [(one, _TOP + place * _LANE) for place, one in enumerate(self._speakers)]
        grounds = "".join(part for one, top in tops for part in self._ground(one, top))
        heard = "".join(part for one, top in tops for part in self._heard(one, top))
        return (
            f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t{number}"><title id="t{number}">'
            f"{text(what)}</title>{grounds}{''.join(self._ticks(height))}{heard}{''.join(self._bells())}</svg>"
        )

    def _in_words(self) -> str:
        inside = [one for one in self._result.analysed.utterances if self._shows(one)]
        alerts = len(list(self._alerts()))
        return (
            f"{len(inside)} utterance{'s' * (len(inside) != 1)}, {alerts} alert{'s' * (alerts != 1)}; "
            "the tables below say the same"
        )

    def _x(self, ms: float) -> float:
        return _LEFT + (min(max(ms, self._from_ms), self._until_ms) - self._from_ms) * self._per_ms

    def _shows(self, event: UtteranceEvent) -> bool:
        return event.data.utterance.end_ms > self._from_ms and event.data.utterance.start_ms < self._until_ms

    def _ground(self, speaker: SpeakerSummary, top: int) -> Iterator[str]:
        right = self._x(self._end_ms)
        yield f'<text class="who" x="0" y="{top + 27}">{text(speaker.role)}</text>'
        if not speaker.analysed:
            yield f'<text class="soft" x="0" y="{top + 43}">not analysed</text>'
        yield f'<rect class="lane" x="{_LEFT}" y="{top}" width="{right - _LEFT:.1f}" height="{_LANE - 4}"/>'

    def _heard(self, speaker: SpeakerSummary, top: int) -> Iterator[str]:
        yield self._curve(speaker.channel, top + _LANE - 4)
        for event in self._result.analysed.utterances:
            if event.data.speaker.channel == speaker.channel and self._shows(event):
                yield from self._utterance(event, top)

    def _curve(self, channel: int, bottom: int) -> str:
        """Return the level as an area; the loudest step of each piece, so that a short word shows."""
        levels = self._result.analysed.levels
        if channel >= len(levels):
            return ""
        first, behind = self._from_ms // STEP_MS, -(-self._end_ms // STEP_MS)
        steps = levels[channel][first:behind]
        per_point = max(1, -(-(self._until_ms - self._from_ms) // STEP_MS // _CURVE_STEPS))
        points = [max(steps[at : at + per_point]) + FLOOR_DBFS for at in range(0, len(steps), per_point)]
        if not points:
            return ""
        heights = [max(0.0, 1 - level / _QUIETEST_DBFS) * _WAVE for level in points]
        line = "".join(
            f"L{self._x(self._from_ms + (at + 0.5) * per_point * STEP_MS):.1f} {bottom - height:.1f}"
            for at, height in enumerate(heights)
        )
        last = self._x(self._from_ms + len(steps) * STEP_MS)
        return f'<path class="wave" d="M{_LEFT} {bottom}{line}L{last:.1f} {bottom}Z"/>'

    def _utterance(self, event: UtteranceEvent, top: int) -> Iterator[str]:
        spoken, emotion = event.data.utterance, event.data.emotion
        left, right = self._x(spoken.start_ms), self._x(spoken.end_ms)
        words = f"uncertain, {emotion.top} likeliest" if emotion.uncertain else emotion.top
        yield (
            f'<rect class="u f-{kind(emotion.top, uncertain=emotion.uncertain)}" x="{left:.1f}" y="{top + _BAR_TOP}" '
            f'width="{max(right - left, _LEAST_WIDTH):.1f}" height="{_BAR}" rx="2"><title>{spoken.n}: {text(words)} '
            f"({emotion.confidence:.0%}), {position(spoken.start_ms)} to {position(spoken.end_ms)}</title></rect>"
        )
        at = (left + right) / 2 - _GLYPH / 2
        yield (
            f'<g transform="translate({at:.1f} {top + (_BAR_TOP - _GLYPH) / 2:.1f}) scale({_GLYPH / 24:.3f})">'
            f"{glyph(emotion.top, uncertain=emotion.uncertain)}</g>"
        )

    def _ticks(self, height: int) -> Iterator[str]:
        row_s = (self._until_ms - self._from_ms) // 1000
        every_s = next((one for one in (5, 10, 30, 60, 300, 600, 1800) if row_s / one <= 12), 3600)
        for at_s in range(self._from_ms // 1000, self._until_ms // 1000 + 1, every_s):
            if at_s * 1000 > self._end_ms:
                return
            x = self._x(at_s * 1000)
            yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{height - _BOTTOM + 3}"/>'
            anchor = "end" if x > _WIDTH - 15 else "middle"
            yield (
                f'<text class="soft" x="{x:.1f}" y="{height - 3}" text-anchor="{anchor}">{length(at_s * 1000)}</text>'
            )

    def _alerts(self) -> Iterator[tuple[int, AlertEvent]]:
        ends = {event.id: event.data.utterance.end_ms for event in self._result.analysed.utterances}
        for alert in self._result.alerts:
            at_ms = alert_ms(alert.data.utterances, ends)
            if at_ms is not None and self._from_ms < at_ms <= self._until_ms:
                yield at_ms, alert

    def _bells(self) -> Iterator[str]:
        free_from = 0.0
        for at_ms, alert in self._alerts():
            x, severity = self._x(at_ms), str(alert.data.severity)
            yield (
                f'<path class="bell {severity}" d="M{x:.1f} {_TOP - 15}l7 13h-14z"><title>{text(alert.data.rule)}: '
                f"{text(alert.data.message)}</title></path>"
            )
            side, label_x, begins = ("end", x - 9, x - _LABEL) if x > _WIDTH - _LABEL else ("start", x + 9, x)
            if begins >= free_from:  # one that stands too close is named in the table only
                free_from = begins + _LABEL
                yield (
                    f'<text x="{label_x:.1f}" y="{_TOP - 4}" text-anchor="{side}">{text(severity)}: '
                    f"{text(alert.data.rule)}</text>"
                )
