"""The live table of `watch`: the last utterances and the last alerts. Pure state and its picture.

This file must never subscribe or print: :mod:`streamer_client.watch` feeds it and shows what it draws.
"""

from __future__ import annotations

from collections import deque

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streamer_client.events import AlertEvent, EndedEvent, Event, StateEvent, UtteranceEvent
from streamer_client.pretty import clock, span, style_event, verdict

ALERTS_SHOWN = 5


class Board:
    """What the table shows now.

    Parameters
    ----------
    rows : int
        How many utterances to show, the newest at the bottom.
    """

    def __init__(self, rows: int = 20) -> None:
        self.status = "connecting"
        self._utterances: deque[UtteranceEvent] = deque(maxlen=rows)
        self._alerts: deque[AlertEvent] = deque(maxlen=ALERTS_SHOWN)
        self._seen = 0
        self._live: set[str] = set()

    def add(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, UtteranceEvent):
            self._seen += 1
            self._utterances.append(event)
        elif isinstance(event, AlertEvent):
            self._alerts.append(event)
        elif isinstance(event, StateEvent):
            self._live.add(event.data.call.id)
        elif isinstance(event, EndedEvent):
            self._live.discard(event.data.call.id)

    def __rich__(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim", title=self._title(), title_justify="left")
        table.add_column("time")
        table.add_column("call", no_wrap=True, max_width=24)
        table.add_column("role")
        table.add_column("in the call", justify="right")
        table.add_column("emotion")
        for event in self._utterances:
            table.add_row(
                Text(clock(event.time), "dim"),
                event.data.call.id,
                event.data.speaker.role,
                Text(span(event), "dim"),
                verdict(event),
            )
        if not self._utterances:
            table.add_row("", Text("no utterance yet", "dim"))
        return Group(
            table, *([Text()] if self._alerts else []), *(_whole(style_event(alert)) for alert in self._alerts)
        )

    def _title(self) -> Text:
        live = f"  {len(self._live)} live" if self._live else ""
        return Text(f"{self.status}{live}  {self._seen} utterances", "dim")


def _whole(line: Text) -> Text:
    """Return a line that is broken rather than cut: what an alert asks for stands at its end."""
    line.no_wrap, line.overflow = False, "fold"
    return line
