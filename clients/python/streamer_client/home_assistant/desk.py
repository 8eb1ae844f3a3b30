"""What the sensors of a tenant show: calls that are live, alerts that nobody has taken care of, the last alert.

Pure: events in, the state that is published out. This file must never keep more than ids and the last alert.
"""

from __future__ import annotations

import msgspec

from streamer_client.events import AcknowledgementEvent, AlertEvent, EndedEvent, Event, StateEvent, StatusEvent

MAX_OPEN = 1000
"""Alerts that are counted at most; beyond, the oldest count no more."""


class Details(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last alert, as attributes of its sensor; nothing where there was none."""

    rule: str = ""
    severity: str = ""
    call: str = ""
    role: str = ""
    message: str = ""


class State(msgspec.Struct, frozen=True):
    """What stands retained on the tenant's topic."""

    live_calls: int = 0
    open_alerts: int = 0
    last_alert: str | None = None
    """When, RFC 3339; null where there was none."""
    details: Details = Details()
    open: tuple[str, ...] = ()
    """Ids of the open alerts, oldest first: what a restart goes on from."""


class Desk:
    """What is going on at one tenant."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        """Servers that were heard of, each once."""
        self._live: set[str] = set()
        self._open: dict[str, None] = {}
        self._acknowledged: set[str] | None = set()
        """Alerts from before this start that were acknowledged since, until they are recalled."""
        self._last_alert: str | None = None
        self._details = Details()

    def add(self, event: Event) -> None:
        """Take one event."""
        match event:
            case StatusEvent() if event.data.node not in self.nodes:
                self.nodes.append(event.data.node)
            case StateEvent():
                self._live.add(event.data.call.id)
            case EndedEvent():
                self._live.discard(event.data.call.id)
            case AlertEvent():
                self._open[event.id] = None
                while len(self._open) > MAX_OPEN:
                    del self._open[next(iter(self._open))]
                if self._last_alert is None or event.time >= self._last_alert:
                    data = event.data
                    self._last_alert = event.time
                    self._details = Details(data.rule, data.severity.value, data.call.id, data.role, data.message)
            case AcknowledgementEvent():
                if event.data.alert in self._open:
                    del self._open[event.data.alert]
                elif self._acknowledged is not None:
                    self._acknowledged.add(event.data.alert)

    def cleared(self, topic: str) -> None:
        """Take the topic of a ``state`` that was taken away: that call is over, however it ended."""
        levels = topic.split("/")
        if levels[-1] == "state":
            self._live.discard(levels[-2])

    def recall(self, before: State) -> None:
        """Go on from what was published before this start; what was heard since counts on top."""
        acknowledged = self._acknowledged or set()
        self._open = dict.fromkeys([alert for alert in before.open if alert not in acknowledged] + list(self._open))
        self._acknowledged = None
        if self._last_alert is None or (before.last_alert or "") > self._last_alert:
            self._last_alert, self._details = before.last_alert, before.details

    def state(self) -> State:
        """Return what to publish now."""
        return State(len(self._live), len(self._open), self._last_alert, self._details, tuple(self._open))
