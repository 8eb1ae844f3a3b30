"""What is held of the floor, what of it concerns more than one record, and how it is let go.

Pure: times come in as arguments. Memory is bounded (:class:`Keep`). This file must never keep anything of a call whose
party has objected but its key, and never read a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from streamer_client.dashboard.changes import Changes
from streamer_client.dashboard.records import AlertRecord, CallKey, CallRecord
from streamer_client.dashboard.tally import Quarter, Tally
from streamer_client.dashboard.times import epoch_s
from streamer_client.events import AcknowledgementEvent, CallRef, Status, StatusEvent

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


class Floor:
    """Calls, alerts and servers as they are held; changed by :class:`~streamer_client.dashboard.model.Model`.

    Parameters
    ----------
    keep : Keep
    """

    def __init__(self, keep: Keep | None = None) -> None:
        self.keep = keep or Keep()
        self.tally = Tally()
        self.calls: dict[CallKey, CallRecord] = {}
        self.alerts: dict[str, AlertRecord] = {}
        self.early: dict[tuple[CallKey, str], AcknowledgementEvent] = {}
        """Acknowledgements whose alert has not come yet, by the call and the alert that they name."""
        self.nodes: dict[str, StatusEvent] = {}
        self.objections: dict[CallKey, float] = {}
        """Calls whose party has objected, and the time of the last event that was known of each."""
        self.hidden: dict[CallKey, tuple[str, float]] = {}
        """Calls that were let go although they may still go on, so that an objection still finds them: the source of
        each, and the time of its last event."""
        self.utterances = 0
        """Of all calls."""

    def load(self, quarters: Mapping[int, Quarter]) -> None:
        """Put the day's counts in the place of those that came of loading what was kept."""
        self.tally = Tally()
        self.tally.load(quarters)

    def objected(self, key: CallKey, at_s: float, *, begins: bool) -> bool:
        """Whether an event is of a call whose party has objected; a later one of this name begins with its state."""
        record = self.calls.get(key)
        if record is not None:
            return at_s < record.not_before_s
        return key in self.objections and not (begins and at_s > self.objections[key])

    def died(self, source: str, last_s: float) -> bool:
        """Whether the server of a call has gone, or begun anew, since anything was heard of the call."""
        status = self._status_of(source)
        if status is None:
            return False
        return status.data.status is Status.OFFLINE or epoch_s(status.time) > last_s

    def is_live(self, record: CallRecord) -> bool:
        """Whether a call goes on, as far as anybody knows."""
        return record.is_live(node_offline=self.node_offline(record))

    def node_offline(self, record: CallRecord) -> bool:
        """Whether the server of a call says, or is said, to be gone."""
        status = self._status_of(record.source)
        return status is not None and status.data.status is Status.OFFLINE

    def open_alerts(self, record: CallRecord) -> int:
        """Return how many alerts of a call nobody has taken care of."""
        found = (self.alerts.get(name) for name in record.alerts)
        return sum(alert is not None and alert.acknowledgement is None for alert in found)

    def alerts_of(self, key: CallKey) -> Iterator[str]:
        """Return the ids of the alerts of a call that are kept, whether the call itself is or not."""
        return (name for name, alert in self.alerts.items() if alert.call == key)

    def withdraw(self, key: CallKey, at_s: float, changes: Changes) -> None:
        """Forget a call whose party objects, with all its alerts; what still comes of it is left out."""
        known = self.calls.pop(key, None)
        if known is not None:
            at_s = max(at_s, known.last_s)
            self.utterances -= len(known.utterances)
            self.tally.call(known.first_s, -1)
            for row in known.utterances.values():
                self.tally.verdict(epoch_s(row.time), row.emotion, -1, uncertain=row.uncertain)
        names = set(self.alerts_of(key))
        for name in names:
            alert = self.alerts.pop(name)
            self.tally.alert(alert.at_s, str(alert.event.data.severity), -1)
        # Also what somebody said of its alerts under the name of another call.
        for early in [early for early in self.early if early[0] == key or early[1] in names]:
            self.drop_early(early, changes)
        self.hidden.pop(key, None)
        self.objections[key] = at_s
        changes.withdrawn.append((key, at_s))
        changes.gone(key)

    def expire(self, now_s: float) -> Changes:
        """Let go what is too old; end what has been quiet for too long."""
        changes = Changes()
        oldest_s = now_s - self.keep.age_s
        for key, record in list(self.calls.items()):
            live = self.is_live(record)
            if not live and record.last_s < oldest_s:
                self._drop_call(key, changes)
            elif live and record.heard_s < now_s - self.keep.quiet_s:
                record.over = "quiet"
                changes.call(key)
        for name, alert in list(self.alerts.items()):
            if alert.at_s < oldest_s:
                self._drop_alert(name, changes)
        objections = {key: at_s for key, at_s in self.objections.items() if at_s >= oldest_s}
        hidden = {key: one for key, one in self.hidden.items() if one[1] >= oldest_s}
        changes.objections_over = len(objections) < len(self.objections) or len(hidden) < len(self.hidden)
        self.objections, self.hidden = objections, hidden
        for early in [early for early, event in self.early.items() if epoch_s(event.time) < oldest_s]:
            self.drop_early(early, changes)
        self.tally.forget(oldest_s, now_s + _AHEAD_S)
        return changes

    def bound(self, now: CallKey, changes: Changes) -> None:
        """Let the oldest go where there is too much, but not the call that something has just come of."""
        while (crowded := len(self.calls) > self.keep.calls) or self.utterances > self.keep.utterances:
            others = [one for one in self.calls.values() if one.key != now and (crowded or one.utterances)]
            if not others:
                break
            over = min(others, key=lambda record: (self.is_live(record), record.last_s, record.key))
            self._drop_call(over.key, changes)
        while len(self.alerts) > self.keep.alerts:
            first: Callable[[AlertRecord], tuple[bool, float, str]] = lambda record: (  # noqa: E731 - mypy needs its type
                record.acknowledgement is None,
                record.at_s,
                record.event.id,
            )
            self._drop_alert(min(self.alerts.values(), key=first).event.id, changes)

    def drop_early(self, early: tuple[CallKey, str], changes: Changes) -> None:
        """Let acknowledgements go whose alert has not come."""
        del self.early[early]
        changes.early_dropped.append(early)

    def _drop_call(self, key: CallKey, changes: Changes) -> None:
        """Let a call go; its counts stay, and alerts that nobody has taken care of stay as well."""
        record = self.calls.pop(key)
        self.utterances -= len(record.utterances)
        changes.evicted.append(key)
        if not (record.summarised or record.over == "cleared"):
            self.hidden[key] = record.source, record.last_s
            changes.hidden.append((key, record.source, record.last_s))
        changes.gone(key)
        for name in sorted(record.alerts & self.alerts.keys()):
            if self.alerts[name].acknowledgement is None:
                changes.alert(name)
            else:
                self._drop_alert(name, changes)

    def _drop_alert(self, name: str, changes: Changes) -> None:
        alert = self.alerts.pop(name)
        changes.alerts_dropped.append(name)
        changes.alert_gone(name)
        record = self.calls.get(alert.call)
        if record is not None:
            record.alerts.discard(name)
            changes.call(alert.call)

    def _status_of(self, source: str) -> StatusEvent | None:
        status = self.nodes.get(source.rpartition("/")[2])
        return status if status is not None and status.source == source else None


def key_of(call: CallRef) -> CallKey:
    """Return under what a call is held."""
    return call.tenant, call.id
