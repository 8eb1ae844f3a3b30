"""What is known now: events in, changes out, and the snapshot that the page begins with.

Pure: times come in as arguments, and whatever order the bus delivers in, however often, the same events give the same
snapshot. Memory is bounded (:class:`Keep`). This file must never read a clock, a file or a socket, and never keep
anything of a call whose party has objected.

How a call ends
---------------
=========================================  =================================================================
its summary comes                          ended, with the summary's reason
the summary's reason is `withdrawn`        an objection: gone with everything
its state is cleared, no summary came      an objection, unless its server has said `offline` or `online` since
                                           the call's last event: then it died, and the call was lost
its server is `offline`                    lost; live again where the server was only cut off
nothing is heard of it for :attr:`quiet_s`  lost; live again with the next event
=========================================  =================================================================

A cleared state looks the same after an objection and after a crash (docs/privacy.md): in doubt it is an objection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from statistics import median

import msgspec

from streamer_client.dashboard.api import Alert, Call, CallDetail, Node, Today
from streamer_client.dashboard.changes import Changes
from streamer_client.dashboard.records import AlertRecord, CallKey, CallRecord, first_of
from streamer_client.dashboard.tally import Quarter, Tally, added
from streamer_client.dashboard.times import epoch_s, rfc3339
from streamer_client.events import (
    AcknowledgementEvent,
    AlertEvent,
    CallRef,
    EndedEvent,
    Event,
    PartialEvent,
    StateEvent,
    Status,
    StatusEvent,
    UtteranceEvent,
)

WITHDRAWN = "withdrawn"
_URGENCY = {"critical": 0, "warning": 1, "info": 2}
_AHEAD_S = 3600.0
"""So far may the clock of a server be ahead of ours before its counts are dropped."""


class Keep(msgspec.Struct, frozen=True):
    """How much is kept; beyond, what is over and oldest goes first."""

    calls: int = 2000
    utterances: int = 100_000
    """Of all calls."""
    per_call: int = 2000
    alerts: int = 5000
    """Open ones go last."""
    nodes: int = 1000
    age_s: float = 86_400.0
    """Since the last event of a call, and since an alert."""
    quiet_s: float = 1800.0
    """After so long without an event a live call is taken for lost."""


class Model:
    """The state of the floor.

    Parameters
    ----------
    keep : Keep
    """

    def __init__(self, keep: Keep | None = None) -> None:
        self.keep = keep or Keep()
        self.tally = Tally()
        self._calls: dict[CallKey, CallRecord] = {}
        self._alerts: dict[str, AlertRecord] = {}
        self._early: dict[str, AcknowledgementEvent] = {}
        """Acknowledgements whose alert has not come yet."""
        self._nodes: dict[str, StatusEvent] = {}
        self._objections: dict[CallKey, float] = {}
        """Calls whose party has objected, and the time of the last event that was known of each."""
        self._utterances = 0

    def receive(self, event: Event, now_s: float) -> Changes:
        """Take one event.

        Parameters
        ----------
        event : Event
        now_s : float
            When it came, seconds since 1970.

        Raises
        ------
        EventError
            Its time is none.
        """
        at_s = epoch_s(event.time)
        changes = Changes()
        if isinstance(event, StatusEvent):
            self._status(event, changes)
        elif isinstance(event, AcknowledgementEvent):
            self._acknowledgement(event, changes)
        elif isinstance(event, AlertEvent):
            self._alert(event, at_s, changes)
        else:
            self._of_call(event, at_s, now_s, changes)
        return changes

    def cleared(self, key: CallKey) -> Changes:
        """Take note that the retained state of a call was taken away."""
        changes = Changes()
        record = self._calls.get(key)
        if record is None or record.state is None or record.summarised or record.over == "cleared":
            return changes
        if self._died(record):
            self.lose(key, changes)
        else:
            self.withdraw(key, record.last_s, changes)
        return changes

    def lose(self, key: CallKey, changes: Changes) -> None:
        """End a call whose server died; for :meth:`cleared`, and for what was kept of that."""
        record = self._calls.get(key)
        if record is not None:
            record.over = "cleared"
            changes.lost.append(key)
            changes.call(key)

    def withdraw(self, key: CallKey, at_s: float, changes: Changes) -> None:
        """Forget a call whose party objects, with all its alerts; what still comes of it is left out."""
        known = self._calls.pop(key, None)
        if known is not None:
            at_s = max(at_s, known.last_s)
            self._utterances -= len(known.utterances)
            self.tally.call(known.first_s, -1)
            for row in known.utterances.values():
                self.tally.verdict(epoch_s(row.time), row.emotion, -1, uncertain=row.uncertain)
        for name in [name for name, alert in self._alerts.items() if alert.call == key]:
            alert = self._alerts.pop(name)
            self.tally.alert(alert.at_s, str(alert.event.data.severity), -1)
        for name in [name for name, early in self._early.items() if _key(early.data.call) == key]:
            del self._early[name]
        self._objections[key] = at_s
        changes.withdrawn.append((key, at_s))
        changes.gone(key)

    def expire(self, now_s: float) -> Changes:
        """Let go what is too old; end what has been quiet for too long."""
        changes = Changes()
        oldest_s = now_s - self.keep.age_s
        for key, record in list(self._calls.items()):
            live = self._is_live(record)
            if not live and record.last_s < oldest_s:
                self._drop_call(key, changes)
            elif live and record.heard_s < now_s - self.keep.quiet_s:
                record.over = "quiet"
                changes.call(key)
        for name, alert in list(self._alerts.items()):
            if alert.at_s < oldest_s:
                self._drop_alert(name, changes)
        objections = {key: at_s for key, at_s in self._objections.items() if at_s >= oldest_s}
        changes.objections_over = len(objections) < len(self._objections)
        self._objections = objections
        self._early = {name: event for name, event in self._early.items() if epoch_s(event.time) >= oldest_s}
        self.tally.forget(oldest_s, now_s + _AHEAD_S)
        return changes

    def load(self, quarters: Mapping[int, Quarter]) -> None:
        """Put the day's counts in the place of those that came of loading what was kept."""
        self.tally = Tally()
        self.tally.load(quarters)

    def call(self, key: CallKey) -> Call | None:
        """Return a call as the page sees it, or None."""
        record = self._calls.get(key)
        if record is None:
            return None
        return record.show(node_offline=self._node_offline(record), open_alerts=self._open(record))

    def alert(self, name: str) -> Alert | None:
        """Return an alert as the page sees it, or None."""
        record = self._alerts.get(name)
        return record.show() if record is not None else None

    def alert_event(self, name: str) -> AlertEvent | None:
        """Return an alert as it came, or None."""
        record = self._alerts.get(name)
        return record.event if record is not None else None

    def alerts_of(self, key: CallKey) -> Iterator[str]:
        """Return the ids of the alerts of a call that are kept, whether the call itself is or not."""
        return (name for name, alert in self._alerts.items() if alert.call == key)

    def node(self, name: str) -> Node | None:
        """Return a server as the page sees it, or None."""
        event = self._nodes.get(name)
        return Node(name, str(event.data.status), event.data.version, event.time) if event is not None else None

    def calls(self) -> tuple[Call, ...]:
        """Return all calls: live ones first, the longest first; then those that ended, the latest first."""
        shown = [call for call in map(self.call, self._calls) if call is not None]
        live = sorted((one for one in shown if one.status == "live"), key=lambda one: (one.started, one.tenant, one.id))
        over = sorted(
            (one for one in shown if one.status == "ended"),
            key=lambda one: (one.ended, one.tenant, one.id),
            reverse=True,
        )
        return (*live, *over)

    def alerts(self) -> tuple[Alert, ...]:
        """Return all alerts: open ones first, the most severe, then the oldest; then the others, the latest first."""
        shown = [record.show() for record in self._alerts.values()]
        waiting = sorted(
            (one for one in shown if one.acknowledged is None),
            key=lambda one: (_URGENCY.get(one.severity, 0), one.time, one.id),
        )
        done = sorted((one for one in shown if one.acknowledged is not None), key=_taken, reverse=True)
        return (*waiting, *done)

    def nodes(self) -> tuple[Node, ...]:
        """Return all servers, by name."""
        return tuple(node for name in sorted(self._nodes) if (node := self.node(name)) is not None)

    def detail(self, key: CallKey) -> CallDetail | None:
        """Return everything known of a call, or None."""
        call = self.call(key)
        if call is None:
            return None
        record = self._calls[key]
        alerts = sorted((self._alerts[name].show() for name in record.alerts if name in self._alerts), key=_raised)
        return CallDetail(call, record.rows(), tuple(alerts), record.summary())

    def today(self, now_s: float, midnight_s: float) -> Today:
        """Return the day's overview, from midnight to now (seconds since 1970)."""
        hours = self.tally.hours(midnight_s, now_s)
        waits_s = [
            max(0.0, epoch_s(record.acknowledgement.time) - record.at_s)
            for record in self._alerts.values()
            if record.acknowledgement is not None and midnight_s <= record.at_s <= now_s
        ]
        return Today(
            since=rfc3339(midnight_s),
            hours=hours,
            calls=sum(hour.calls for hour in hours),
            live=sum(map(self._is_live, self._calls.values())),
            utterances=added(hour.utterances for hour in hours),
            uncertain=sum(hour.uncertain for hour in hours),
            alerts=added(hour.alerts for hour in hours),
            open_alerts=sum(record.acknowledgement is None for record in self._alerts.values()),
            median_acknowledgement_s=round(median(waits_s), 1) if waits_s else None,
        )

    def _of_call(
        self,
        event: StateEvent | UtteranceEvent | PartialEvent | EndedEvent,
        at_s: float,
        now_s: float,
        changes: Changes,
    ) -> None:
        key = _key(event.data.call)
        if isinstance(event, EndedEvent) and event.data.reason == WITHDRAWN:
            if key not in self._objections:
                self.withdraw(key, at_s, changes)
            return
        if self._objected(key, at_s, begins=isinstance(event, StateEvent)):
            return
        record = self._calls.get(key)
        if record is None:
            record = CallRecord(event.data.call, event.source, at_s, event.time)
            if key in self._objections:
                record.not_before_s = at_s
            record.alerts = {name for name, alert in self._alerts.items() if alert.call == key}
            self._calls[key] = record
            self.tally.call(at_s)
            changes.today = True
        self._heard(record, at_s, now_s, event.time, changes)
        if self._take(record, event, at_s, changes):
            changes.call(key)
            changes.today = True
            changes.keep = not isinstance(event, PartialEvent)
        self._bound(key, changes)

    def _objected(self, key: CallKey, at_s: float, *, begins: bool) -> bool:
        """Whether an event is of a call whose party has objected; a later one of this name begins with its state."""
        record = self._calls.get(key)
        if record is not None:
            return at_s < record.not_before_s
        return key in self._objections and not (begins and at_s > self._objections[key])

    def _take(
        self,
        record: CallRecord,
        event: StateEvent | UtteranceEvent | PartialEvent | EndedEvent,
        at_s: float,
        changes: Changes,
    ) -> bool:
        """Put an event into its record; return whether it says anything new."""
        if isinstance(event, StateEvent):
            return record.add_state(event)
        if isinstance(event, PartialEvent):
            return record.add_partial(event)
        if isinstance(event, EndedEvent):
            return record.add_ended(event)
        went = record.add_utterance(event, self.keep.per_call)
        if went is None:
            return False
        self._utterances += 1 - len(went)
        changes.rows.extend(row.id for row in went)
        self.tally.verdict(at_s, event.data.emotion.top, uncertain=event.data.emotion.uncertain)
        return True

    def _heard(self, record: CallRecord, at_s: float, now_s: float, time: str, changes: Changes) -> None:
        record.heard_s = max(record.heard_s, now_s)
        record.last_s = max(record.last_s, at_s)
        if record.over == "quiet":
            record.over = ""
            changes.call(record.key)
        if at_s < record.first_s:
            self.tally.call(record.first_s, -1)
            self.tally.call(at_s)
            record.first_s, record.first_time = at_s, time

    def _alert(self, event: AlertEvent, at_s: float, changes: Changes) -> None:
        key = _key(event.data.call)
        record = self._calls.get(key)
        if event.id in self._alerts or self._objected(key, at_s, begins=False):
            return
        alert = self._alerts[event.id] = AlertRecord(event, at_s)
        alert.acknowledgement = self._early.pop(event.id, None)
        self.tally.alert(at_s, str(event.data.severity))
        changes.keep = changes.today = True
        changes.alert(event.id)
        if record is not None:
            record.alerts.add(event.id)
            changes.call(key)
        self._bound(key, changes)

    def _acknowledgement(self, event: AcknowledgementEvent, changes: Changes) -> None:
        name = event.data.alert
        alert = self._alerts.get(name)
        if alert is None:
            if self._objected(_key(event.data.call), epoch_s(event.time), begins=False):
                return
            known = self._early.get(name)
            self._early[name] = first_of(known, event) or event
            changes.keep = self._early[name] is not known
            if len(self._early) > self.keep.alerts:
                del self._early[next(iter(self._early))]
            return
        first = first_of(alert.acknowledgement, event)
        if first is alert.acknowledgement:
            return
        alert.acknowledgement = first
        changes.keep = changes.today = True
        changes.alert(name)
        if alert.call in self._calls:
            changes.call(alert.call)

    def _status(self, event: StatusEvent, changes: Changes) -> None:
        name = event.data.node
        known = self._nodes.get(name)
        if known is not None and known.id == event.id:
            return
        self._nodes[name] = event
        if len(self._nodes) > self.keep.nodes:
            del self._nodes[next(iter(self._nodes))]
        changes.keep = changes.today = True
        changes.node(name)
        before = known is not None and known.data.status is Status.OFFLINE
        if before is not (event.data.status is Status.OFFLINE):
            for key, record in self._calls.items():
                if record.source == event.source and not record.summarised:
                    changes.call(key)

    def _died(self, record: CallRecord) -> bool:
        status = self._status_of(record)
        if status is None:
            return False
        return status.data.status is Status.OFFLINE or epoch_s(status.time) > record.last_s

    def _bound(self, now: CallKey, changes: Changes) -> None:
        """Let the oldest go where there is too much, but not the call that something has just come of."""
        while (crowded := len(self._calls) > self.keep.calls) or self._utterances > self.keep.utterances:
            others = [one for one in self._calls.values() if one.key != now and (crowded or one.utterances)]
            if not others:
                break
            over = min(others, key=lambda record: (self._is_live(record), record.last_s, record.key))
            self._drop_call(over.key, changes)
        while len(self._alerts) > self.keep.alerts:
            first: Callable[[AlertRecord], tuple[bool, float, str]] = lambda record: (  # noqa: E731 - mypy needs its type
                record.acknowledgement is None,
                record.at_s,
                record.event.id,
            )
            self._drop_alert(min(self._alerts.values(), key=first).event.id, changes)

    def _drop_call(self, key: CallKey, changes: Changes) -> None:
        """Let a call go; its counts stay, and alerts that nobody has taken care of stay as well."""
        record = self._calls.pop(key)
        self._utterances -= len(record.utterances)
        changes.evicted.append(key)
        changes.gone(key)
        for name in sorted(record.alerts & self._alerts.keys()):
            if self._alerts[name].acknowledgement is None:
                changes.alert(name)
            else:
                self._drop_alert(name, changes)

    def _drop_alert(self, name: str, changes: Changes) -> None:
        alert = self._alerts.pop(name)
        changes.alerts_dropped.append(name)
        changes.alert(name)
        record = self._calls.get(alert.call)
        if record is not None:
            record.alerts.discard(name)
            changes.call(alert.call)

    def _open(self, record: CallRecord) -> int:
        found = (self._alerts.get(name) for name in record.alerts)
        return sum(alert is not None and alert.acknowledgement is None for alert in found)

    def _is_live(self, record: CallRecord) -> bool:
        return record.is_live(node_offline=self._node_offline(record))

    def _node_offline(self, record: CallRecord) -> bool:
        status = self._status_of(record)
        return status is not None and status.data.status is Status.OFFLINE

    def _status_of(self, record: CallRecord) -> StatusEvent | None:
        status = self._nodes.get(record.source.rpartition("/")[2])
        return status if status is not None and status.source == record.source else None


def _key(call: CallRef) -> CallKey:
    return call.tenant, call.id


def _taken(alert: Alert) -> tuple[str, str]:
    return (alert.acknowledged.time if alert.acknowledged is not None else ""), alert.id


def _raised(alert: Alert) -> tuple[str, str]:
    return alert.time, alert.id
