"""What is known now: events in, changes out. What is held of it is the `floor`, how the page sees that the `picture`.

Pure: times come in as arguments, and whatever order the bus delivers in, however often, the same events give the same
picture. This file must never read a clock, a file or a socket, and never take in anything of a call whose party has
objected.

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

A cleared state looks the same after an objection and after a crash (docs/privacy.md): in doubt it is an objection. It
is one as well of a call that was let go for room while it went on, or of which no state was heard.
"""

from __future__ import annotations

from streamer_client.alerts.acknowledge import LONGEST_BY, LONGEST_NOTE, acknowledgement
from streamer_client.dashboard.changes import Changes
from streamer_client.dashboard.floor import Floor, Keep, key_of
from streamer_client.dashboard.picture import Picture
from streamer_client.dashboard.records import AlertRecord, CallKey, CallRecord, first_of
from streamer_client.dashboard.times import epoch_s
from streamer_client.errors import OptionError
from streamer_client.events import (
    AcknowledgementEvent,
    AlertEvent,
    EndedEvent,
    Event,
    EventError,
    PartialEvent,
    StateEvent,
    Status,
    StatusEvent,
    UtteranceEvent,
)

WITHDRAWN = "withdrawn"


class Model:
    """The state of the floor, as the bus changes it.

    Parameters
    ----------
    keep : Keep
    """

    def __init__(self, keep: Keep | None = None) -> None:
        self.floor = Floor(keep)
        self.picture = Picture(self.floor)

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
            Its time is none; or it is an acknowledgement that nobody may have written, or of another call's alert.
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
        record = self.floor.calls.get(key)
        if record is not None:
            if record.summarised or record.over == "cleared":
                return changes
            if self.floor.died(record.source, record.last_s):
                self.lose(key, changes)
            else:
                self.floor.withdraw(key, record.last_s, changes)
            return changes
        times = [self.floor.alerts[name].at_s for name in self.floor.alerts_of(key)]
        source, last_s = self.floor.hidden.get(key, ("", max(times, default=0.0)))
        if (times or key in self.floor.hidden) and not self.floor.died(source, last_s):
            self.floor.withdraw(key, max([last_s, *times]), changes)
        return changes

    def lose(self, key: CallKey, changes: Changes) -> None:
        """End a call whose server died; for :meth:`cleared`, and for what was kept of that."""
        record = self.floor.calls.get(key)
        if record is not None:
            record.over = "cleared"
            changes.lost.append(key)
            changes.call(key)

    def _of_call(
        self,
        event: StateEvent | UtteranceEvent | PartialEvent | EndedEvent,
        at_s: float,
        now_s: float,
        changes: Changes,
    ) -> None:
        key = key_of(event.data.call)
        if isinstance(event, EndedEvent) and event.data.reason == WITHDRAWN:
            if key not in self.floor.objections:
                self.floor.withdraw(key, at_s, changes)
            return
        if self.floor.objected(key, at_s, begins=isinstance(event, StateEvent)):
            return
        record = self.floor.calls.get(key)
        if record is None:
            record = CallRecord(event.data.call, event.source, at_s, event.time)
            if key in self.floor.objections:
                record.not_before_s = at_s
            record.alerts = {name for name, alert in self.floor.alerts.items() if alert.call == key}
            self.floor.calls[key] = record
            self.floor.tally.call(at_s)
            changes.today = True
        if isinstance(event, StateEvent | EndedEvent):
            self.floor.hidden.pop(key, None)
        self._heard(record, at_s, now_s, event.time, changes)
        if self._take(record, event, at_s, changes):
            changes.call(key)
            changes.today = True
            changes.keep = not isinstance(event, PartialEvent)
        self.floor.bound(key, changes)

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
        went = record.add_utterance(event, self.floor.keep.per_call)
        if went is None:
            return False
        self.floor.utterances += 1 - len(went)
        changes.rows.extend(row.id for row in went)
        self.floor.tally.verdict(at_s, event.data.emotion.top, uncertain=event.data.emotion.uncertain)
        return True

    def _heard(self, record: CallRecord, at_s: float, now_s: float, time: str, changes: Changes) -> None:
        record.heard_s = max(record.heard_s, now_s)
        record.last_s = max(record.last_s, at_s)
        if record.over == "quiet":
            record.over = ""
            changes.call(record.key)
        if at_s < record.first_s:
            self.floor.tally.call(record.first_s, -1)
            self.floor.tally.call(at_s)
            record.first_s, record.first_time = at_s, time

    def _alert(self, event: AlertEvent, at_s: float, changes: Changes) -> None:
        key = key_of(event.data.call)
        record = self.floor.calls.get(key)
        if event.id in self.floor.alerts or self.floor.objected(key, at_s, begins=False):
            return
        alert = self.floor.alerts[event.id] = AlertRecord(event, at_s)
        alert.acknowledgement = self.floor.early.pop((key, event.id), None)
        self.floor.tally.alert(at_s, str(event.data.severity))
        changes.keep = changes.today = True
        changes.alert(event.id)
        if record is not None:
            record.alerts.add(event.id)
            changes.call(key)
        self.floor.bound(key, changes)

    def _acknowledgement(self, event: AcknowledgementEvent, changes: Changes) -> None:
        _check(event)
        name, key = event.data.alert, key_of(event.data.call)
        alert = self.floor.alerts.get(name)
        if alert is None:
            if self.floor.objected(key, epoch_s(event.time), begins=False):
                return
            known = self.floor.early.get((key, name))
            self.floor.early[key, name] = first_of(known, event) or event
            changes.keep = self.floor.early[key, name] is not known
            if len(self.floor.early) > self.floor.keep.alerts:
                self.floor.drop_early(next(iter(self.floor.early)), changes)
            return
        if alert.call != key:
            raise EventError("an acknowledgement names an alert of another call or tenant")
        first = first_of(alert.acknowledgement, event)
        if first is alert.acknowledgement:
            return
        alert.acknowledgement = first
        changes.keep = changes.today = True
        changes.alert(name)
        if alert.call in self.floor.calls:
            changes.call(alert.call)

    def _status(self, event: StatusEvent, changes: Changes) -> None:
        name = event.data.node
        known = self.floor.nodes.get(name)
        if known is not None and known.id == event.id:
            return
        self.floor.nodes[name] = event
        if len(self.floor.nodes) > self.floor.keep.nodes:
            del self.floor.nodes[next(iter(self.floor.nodes))]
        changes.keep = changes.today = True
        changes.node(name)
        before = known is not None and known.data.status is Status.OFFLINE
        if before is not (event.data.status is Status.OFFLINE):
            for key, record in self.floor.calls.items():
                if record.source == event.source and not record.summarised:
                    changes.call(key)


def _check(event: AcknowledgementEvent) -> None:
    """Refuse what :func:`streamer_client.alerts.acknowledge.acknowledgement` would not have let anybody say."""
    data = event.data
    if len(data.by) > LONGEST_BY or len(data.note) > LONGEST_NOTE:  # as it came, spaces around it included
        raise EventError("an acknowledgement whose name or note is too long")
    try:
        acknowledgement(data.alert, by=data.by, note=data.note, call=data.call, at_s=0.0)
    except OptionError as problem:
        raise EventError(f"an acknowledgement: {problem}") from problem
