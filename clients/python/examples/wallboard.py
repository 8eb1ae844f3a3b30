"""Show on a screen at the wall which calls are live, how each customer sounds, and what needs somebody now.

pip install emotion-streamer-client
python wallboard.py mqtt://127.0.0.1:1883
"""

import asyncio
import sys
from contextlib import suppress

from rich.live import Live
from rich.table import Table
from streamer_client import AcknowledgementEvent, AlertEvent, EndedEvent, StateEvent, UtteranceEvent, subscribe

KINDS = ["state", "utterance", "ended", "alert", "acknowledgement"]


class Wall:
    """What is on the screen."""

    def __init__(self) -> None:
        self.calls: dict[str, str] = {}
        self.alerts: dict[str, AlertEvent] = {}

    def add(self, event: object) -> None:
        """Take one event."""
        match event:
            case StateEvent():
                self.calls.setdefault(event.data.call.id, "")
            case UtteranceEvent() if not event.data.emotion.uncertain:
                self.calls[event.data.call.id] = event.data.emotion.top
            case EndedEvent():
                self.calls.pop(event.data.call.id, None)
            case AlertEvent():
                self.alerts[event.id] = event
            case AcknowledgementEvent():
                self.alerts.pop(event.data.alert, None)

    def picture(self) -> Table:
        """Return the screen."""
        table = Table(title=f"{len(self.calls)} live, {len(self.alerts)} open alerts", title_style="bold")
        table.add_column("call")
        table.add_column("sounds")
        table.add_column("alert")
        for call in [*self.calls, *(a.data.call.id for a in self.alerts.values() if a.data.call.id not in self.calls)]:
            messages = [a.data.message for a in self.alerts.values() if a.data.call.id == call]
            table.add_row(
                call, self.calls.get(call, "ended"), "; ".join(messages), style="bold red" if messages else ""
            )
        return table


async def main(mqtt_url: str) -> None:
    """Show until Ctrl-C."""
    wall = Wall()
    with Live(wall.picture()) as screen:
        async for event in subscribe(mqtt_url, kinds=KINDS):
            wall.add(event)
            screen.update(wall.picture(), refresh=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
