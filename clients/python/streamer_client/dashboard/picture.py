"""How the page sees the floor: lists in their order, one call with all its detail, and the day.

Pure. This file must never change what it shows.
"""

from __future__ import annotations

from statistics import median

from streamer_client.dashboard.api import Alert, Call, CallDetail, Node, Today
from streamer_client.dashboard.floor import Floor
from streamer_client.dashboard.records import CallKey
from streamer_client.dashboard.tally import added
from streamer_client.dashboard.times import epoch_s, rfc3339
from streamer_client.events import AlertEvent

_URGENCY = {"critical": 0, "warning": 1, "info": 2}


class Picture:
    """A view of a floor; always of what it is now.

    Parameters
    ----------
    floor : Floor
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def call(self, key: CallKey) -> Call | None:
        """Return a call as the page sees it, or None."""
        record = self._floor.calls.get(key)
        if record is None:
            return None
        return record.show(node_offline=self._floor.node_offline(record), open_alerts=self._floor.open_alerts(record))

    def alert(self, name: str) -> Alert | None:
        """Return an alert as the page sees it, or None."""
        record = self._floor.alerts.get(name)
        return record.show() if record is not None else None

    def alert_event(self, name: str) -> AlertEvent | None:
        """Return an alert as it came, or None."""
        record = self._floor.alerts.get(name)
        return record.event if record is not None else None

    def node(self, name: str) -> Node | None:
        """Return a server as the page sees it, or None."""
        event = self._floor.nodes.get(name)
        return Node(name, str(event.data.status), event.data.version, event.time) if event is not None else None

    def calls(self) -> tuple[Call, ...]:
        """Return all calls: live ones first, the longest first; then those that ended, the latest first."""
        shown = [call for call in map(self.call, self._floor.calls) if call is not None]
        live = sorted((one for one in shown if one.status == "live"), key=lambda one: (one.started, one.tenant, one.id))
        over = sorted(
            (one for one in shown if one.status == "ended"),
            key=lambda one: (one.ended, one.tenant, one.id),
            reverse=True,
        )
        return (*live, *over)

    def alerts(self) -> tuple[Alert, ...]:
        """Return all alerts: open ones first, the most severe, then the oldest; then the others, the latest first."""
        shown = [record.show() for record in self._floor.alerts.values()]
        waiting = sorted(
            (one for one in shown if one.acknowledged is None),
            key=lambda one: (_URGENCY.get(one.severity, 0), one.time, one.id),
        )
        done = sorted((one for one in shown if one.acknowledged is not None), key=_taken, reverse=True)
        return (*waiting, *done)

    def nodes(self) -> tuple[Node, ...]:
        """Return all servers, by name."""
        return tuple(node for name in sorted(self._floor.nodes) if (node := self.node(name)) is not None)

    def detail(self, key: CallKey) -> CallDetail | None:
        """Return everything known of a call, or None."""
        call = self.call(key)
        if call is None:
            return None
        record = self._floor.calls[key]
        alerts = sorted(
            (self._floor.alerts[name].show() for name in record.alerts if name in self._floor.alerts), key=_raised
        )
        return CallDetail(call, record.rows(), tuple(alerts), record.summary())

    def today(self, now_s: float, midnight_s: float) -> Today:
        """Return the day's overview, from midnight to now (seconds since 1970)."""
        hours = self._floor.tally.hours(midnight_s, now_s)
        waits_s = [
            max(0.0, epoch_s(record.acknowledgement.time) - record.at_s)
            for record in self._floor.alerts.values()
            if record.acknowledgement is not None and midnight_s <= record.at_s <= now_s
        ]
        return Today(
            since=rfc3339(midnight_s),
            hours=hours,
            calls=sum(hour.calls for hour in hours),
            live=sum(map(self._floor.is_live, self._floor.calls.values())),
            utterances=added(hour.utterances for hour in hours),
            uncertain=sum(hour.uncertain for hour in hours),
            alerts=added(hour.alerts for hour in hours),
            open_alerts=sum(record.acknowledgement is None for record in self._floor.alerts.values()),
            median_acknowledgement_s=round(median(waits_s), 1) if waits_s else None,
        )


def _taken(alert: Alert) -> tuple[str, str]:
    return (alert.acknowledged.time if alert.acknowledged is not None else ""), alert.id


def _raised(alert: Alert) -> tuple[str, str]:
    return alert.time, alert.id
