"""Events as a person likes to read them: one line each, nothing that needs colour to be understood.

Pure: an event in, a line out; the times are the event's own. This file must never print, and never show a field that
the events themselves do not carry.
"""

from __future__ import annotations

from rich.text import Text

from streamer_client.events import (
    AcknowledgementEvent,
    AlertEvent,
    EndedEvent,
    Event,
    PartialEvent,
    Severity,
    SpeakerSummary,
    StateEvent,
    StatusEvent,
    UtteranceEvent,
)

COLOURS = {
    "neutral": "white",
    "happy": "green",
    "sad": "blue",
    "angry": "red",
    "fear": "magenta",
    "disgust": "yellow",
}
ALERT_STYLES = {
    Severity.INFO: "bold cyan",
    Severity.WARNING: "bold black on yellow",
    Severity.CRITICAL: "bold white on red",
}
BAR_CELLS = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_CALL_WIDTH = 18
_ROLE_WIDTH = 8
_SPAN_WIDTH = 15


def format_event(event: Event) -> str:
    """Return one event as one line of plain text."""
    return style_event(event).plain


def style_event(event: Event) -> Text:
    """Return one event as one line with colours, for a terminal."""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(clock(event.time), "dim")
    line.append("  ")
    match event:
        case UtteranceEvent() | PartialEvent():
            _who(line, event.data.call.id, event.data.speaker.role)
            line.append(f"{span(event):<{_SPAN_WIDTH}}  ", "dim")
            line.append_text(verdict(event))
        case AlertEvent():
            line.append(f"▲ {event.data.severity.upper()} ", ALERT_STYLES[event.data.severity])
            line.append(f" {event.data.rule}", "bold")
            line.append(f"  {event.data.call.id} {event.data.role}: {event.data.message}")
            line.append(f" ({_count(len(event.data.utterances), 'utterance')})", "dim")
        case AcknowledgementEvent():
            _who(line, event.data.call.id, "✓ taken")
            line.append(f"by {event.data.by}" + (f": {event.data.note}" if event.data.note else ""))
        case EndedEvent():
            _who(line, event.data.call.id, "■ ended")
            line.append(ended(event))
        case StateEvent():
            _who(line, event.data.call.id, "● live")
            line.append(f"{', '.join(event.data.roles)}; analysed: {', '.join(event.data.analysed) or 'nobody'}")
        case StatusEvent():
            _who(line, event.data.node, "◆ node")
            line.append(event.data.status.value)
    return line


def verdict(event: UtteranceEvent | PartialEvent) -> Text:
    """Return bar, emotion and confidence; an uncertain one dim and behind a question mark."""
    emotion = event.data.emotion
    style = "dim" if emotion.uncertain else COLOURS.get(emotion.top, "white")
    words = f"? {emotion.top}" if emotion.uncertain else f"  {emotion.top}"
    text = Text()
    text.append(bar(emotion.confidence), style)
    text.append(f" {words:<10}", style if emotion.uncertain else f"bold {style}")
    text.append(f"{emotion.confidence:>4.0%}", style)
    if isinstance(event, PartialEvent):
        text.append(" ...", "dim")
    return text


def bar(share: float, cells: int = BAR_CELLS) -> str:
    """Return a bar of `cells` characters, `share` (0 to 1) of it filled, to an eighth of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * cells * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(cells)


def span(event: UtteranceEvent | PartialEvent) -> str:
    """Return where an utterance lies in its call: ``1:01.2-1:04.2``."""
    return f"{position(event.data.utterance.start_ms)}-{position(event.data.utterance.end_ms)}"


def position(ms: int) -> str:
    """Return a place on the media clock as minutes, seconds and tenths."""
    tenths = ms // 100
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"


def clock(time: str) -> str:
    """Return hours, minutes and seconds of an RFC 3339 time, as they stand there: UTC."""
    return time[11:19]


def ended(event: EndedEvent) -> str:
    """Return what a call was, in one sentence without emotions of anyone who was not analysed."""
    data = event.data
    parts = [f"{position(data.duration_ms)[:-2]}, {_count(data.utterances, 'utterance')}, {data.reason}"]
    return "; ".join(parts + [_speaker(speaker) for speaker in data.speakers])


def _speaker(speaker: SpeakerSummary) -> str:
    words = f"{speaker.role} spoke {position(speaker.talk_ms)[:-2]}"
    found = sorted(speaker.emotions.items(), key=lambda item: (-item[1], item[0]))
    if found:
        words += f" ({', '.join(f'{emotion} {count}' for emotion, count in found)})"
    return words


def _who(line: Text, name: str, role: str) -> None:
    short = name if len(name) <= _CALL_WIDTH else f"{name[: _CALL_WIDTH - 1]}…"
    line.append(f"{short:<{_CALL_WIDTH}}  {role:<{_ROLE_WIDTH}}  ")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"
