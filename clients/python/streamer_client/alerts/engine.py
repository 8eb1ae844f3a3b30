"""Events in, alerts out: all rules over all calls. Pure, and the same input gives the same alerts with the same ids.

Rules see positions on the call's media clock only, so a replay at any speed alerts alike. The one time that comes in
from outside, `now_s`, serves to forget calls that fell silent. What the engine knows can be taken out and put back at
any point between two events, and nothing about its alerts changes by that. This file must never publish, print, store
or read a clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from streamer_client.alerts.memory import CallMemory, NodeMemory
from streamer_client.alerts.rules import Rule
from streamer_client.alerts.trackers import Evidence, Silence, Tracker, concerns, covers, tracker_for
from streamer_client.events import (
    AlertData,
    AlertEvent,
    EndedEvent,
    Event,
    StateEvent,
    Status,
    StatusEvent,
    UtteranceEvent,
)

SOURCE = "/alerts"
REMEMBERED = 10000
"""Ids of alerts, and of events of one call, that are kept to tell what comes again."""
_MOST_NODES = 1000
_MOST_SOURCES = 8
"""Servers of one call that are remembered."""
WITHDRAWN = "withdrawn"
"""Why a call ended whose party objected."""
Key = tuple[str, str]
"""Tenant and id of a call."""


class Engine:
    """Applies rules to the events of any number of calls.

    Parameters
    ----------
    rules : iterable of Rule
    idle_s : float
        A call without an event for this long is forgotten; its end was missed.
    """

    def __init__(self, rules: Iterable[Rule], *, idle_s: float = 3600.0) -> None:
        self._rules = tuple(rules)
        self._idle_s = idle_s
        self._calls: dict[Key, _Call] = {}
        self._alerted: dict[str, None] = {}
        self._touched: dict[Key, None] = {}
        self.nodes: dict[str, NodeMemory] = {}
        """By their source: what servers last said of themselves."""

    @property
    def calls(self) -> int:
        """How many calls are under way, as far as is known."""
        return sum(not call.memory.over for call in self._calls.values())

    def receive(self, event: Event, *, now_s: float) -> list[AlertEvent]:
        """Take one event; return the alerts that it completes.

        Parameters
        ----------
        event : Event
            Utterances count, an ended call is forgotten, the state of a call says who is analysed, the status of a node
            whether it died; everything else is ignored. A repeated event changes nothing.
        now_s : float
            Any clock that only goes forward.
        """
        self.forget_idle(now_s)
        alerts: list[AlertEvent] = []
        if isinstance(event, EndedEvent):
            alerts = self._end(event, now_s)
        elif isinstance(event, UtteranceEvent):
            alerts = self._call(event, now_s).receive(event)
        elif isinstance(event, StateEvent):
            self._call(event, now_s).describe(event)
        elif isinstance(event, StatusEvent):
            self.nodes.pop(event.source, None)
            self.nodes[event.source] = NodeMemory(event.data.status is Status.OFFLINE, event.time)
            if len(self.nodes) > _MOST_NODES:
                del self.nodes[next(iter(self.nodes))]
        return [alert for alert in alerts if self._is_new(alert)]

    def cleared(self, key: Key) -> bool:
        """Take note that a call's state was taken away; return whether its party has objected.

        No objection after its end, nor where its server has gone or begun anew since the call's last event: then it
        died. A call that went on at another server goes on when the first one comes back and clears what it had. In
        doubt it is an objection.
        """
        call = self._calls.get(key)
        if call is not None:
            if call.memory.over:
                return False
            died = self._died(call.memory.sources)
            if died:
                del call.memory.sources[died]
                call.memory.over = not call.memory.sources
                self._touched[key] = None
                return False
        self._forget(key)
        return True

    def forget_idle(self, now_s: float) -> None:
        """Forget the calls that have had no event for too long."""
        while self._calls:
            oldest = next(iter(self._calls))
            if now_s - self._calls[oldest].memory.last_s <= self._idle_s:
                return
            self._forget(oldest)

    def take_touched(self) -> list[Key]:
        """Return the calls whose memory has changed since this was last asked."""
        touched, self._touched = self._touched, {}
        return list(touched)

    def memory(self, key: Key) -> CallMemory | None:
        """Return what is known of a call, to be stored at once: it goes on changing. None = nothing any more."""
        call = self._calls.get(key)
        return None if call is None else call.memory

    def restore(self, key: Key, memory: CallMemory, seen: Iterable[str]) -> None:
        """Put back what was known of a call: call this in the order of `last_s`, before the first event.

        Parameters
        ----------
        key : Key
        memory : CallMemory
            As :meth:`memory` gave it. What it says of rules that are not there any more is left out.
        seen : iterable of str
            Ids of the utterances and ends that it has had, oldest first.
        """
        self._calls[key] = _Call(self._rules, memory, seen)

    def restore_alerted(self, ids: Iterable[str]) -> None:
        """Put back the ids of alerts that were found before, oldest first."""
        self._alerted = dict.fromkeys(ids)

    def _call(self, event: UtteranceEvent | StateEvent | EndedEvent, now_s: float) -> _Call:
        ref = event.data.call
        key = (ref.tenant, ref.id)
        # Taken out and put back, so that the dictionary's order is that of the last event.
        call = self._calls.pop(key, None) or _Call(self._rules, CallMemory())
        self._calls[key] = call
        self._touched[key] = None
        call.memory.last_s = now_s
        sources = call.memory.sources
        sources[event.source] = max(sources.get(event.source, ""), event.time)
        if len(sources) > _MOST_SOURCES:
            del sources[min(sources, key=lambda source: sources[source])]
        return call

    def _died(self, sources: dict[str, str]) -> str:
        """Return which of a call's servers has died, and so cleared the call's state; empty where none has.

        One that is gone can clear nothing, so where there are several only one that is back has; a single one may be
        cleared up after by whoever does that.
        """
        for source, last_time in sources.items():
            node = self.nodes.get(source)
            if node is not None and (node.time > last_time if not node.offline else len(sources) == 1):
                return source
        return ""

    def _end(self, event: EndedEvent, now_s: float) -> list[AlertEvent]:
        key = (event.data.call.tenant, event.data.call.id)
        if event.data.reason == WITHDRAWN:
            self._forget(key)
            return []
        # Also of a call that is not known (any more): the clearing of its state, which follows, is no objection then.
        return self._call(event, now_s).end(event)

    def _forget(self, key: Key) -> None:
        self._calls.pop(key, None)
        self._touched[key] = None

    def _is_new(self, alert: AlertEvent) -> bool:
        if alert.id in self._alerted:
            return False
        self._alerted[alert.id] = None
        if len(self._alerted) > REMEMBERED:
            del self._alerted[next(iter(self._alerted))]
        return True


class _Call:
    """What the rules remember of one call."""

    def __init__(self, rules: tuple[Rule, ...], memory: CallMemory, seen: Iterable[str] = ()) -> None:
        self.memory = memory
        self._rules = rules
        self._seen = dict.fromkeys(seen)
        self._trackers: dict[str, Tracker] = {}
        self._watch(memory)

    def receive(self, event: UtteranceEvent) -> list[AlertEvent]:
        if self._knows(event):
            return []
        self.memory.over = False  # a new call under the id of one that has ended
        data = event.data
        role, n = data.speaker.role, data.utterance.n
        if n <= self.memory.last_n.get(role, 0):
            self._begin_anew()
        self.memory.last_n[role] = n
        if data.speaker.role not in self.memory.analysed:
            self.memory.analysed.append(data.speaker.role)
        alerts = []
        for rule in self._rules:
            if concerns(rule, data):
                self._trackers[rule.name].feed(event)
                alerts += self._judge(rule, event, data.utterance.end_ms)
        return alerts

    def describe(self, event: StateEvent) -> None:
        """Take who is analysed."""
        if not self._knows(event):
            self.memory.over = False  # a new call under the id of one that has ended
        if not self.memory.over:
            self.memory.analysed = list(event.data.analysed)

    def _begin_anew(self) -> None:
        """Forget what lies on a media clock that is gone: the server died, and the platform came back under this id."""
        self.memory.last_n.clear()
        self.memory.trackers.clear()
        self.memory.silent_until_ms.clear()
        self._watch(self.memory)

    def end(self, event: EndedEvent) -> list[AlertEvent]:
        if self._knows(event):
            return []  # and does not end a new call under this id
        alerts = []
        for rule in self._rules:
            tracker = self._trackers[rule.name]
            if isinstance(tracker, Silence) and covers(rule, event.data.call):
                tracker.finish(event.data.duration_ms)
                alerts += self._judge(rule, event, event.data.duration_ms)
        # Only the ids of its events stay for a while: the broker may deliver the last of them again.
        self.memory = CallMemory(last_s=self.memory.last_s, over=True)
        self._watch(self.memory)
        return alerts

    def _knows(self, event: Event) -> bool:
        """Return whether this event has come before; from now on it has."""
        if event.id in self._seen:
            return True
        self._seen[event.id] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return False

    def _judge(self, rule: Rule, event: UtteranceEvent | EndedEvent, at_ms: int) -> list[AlertEvent]:
        if rule.silence_of is not None and rule.silence_of not in self.memory.analysed:
            return []  # a side that has no events is not silent, it is unheard
        evidence = self._trackers[rule.name].evidence()
        if not evidence or at_ms < self.memory.silent_until_ms.get(rule.name, 0):
            return []
        self._trackers[rule.name].clear()
        self.memory.silent_until_ms[rule.name] = at_ms + 1000 * rule.cooldown_s
        return [_alert(rule, event, evidence)]

    def _watch(self, memory: CallMemory) -> None:
        self._trackers = {rule.name: tracker_for(rule, memory.trackers.get(rule.name)) for rule in self._rules}
        memory.trackers = {name: tracker.memory for name, tracker in self._trackers.items()}
        memory.silent_until_ms = {
            name: until_ms for name, until_ms in memory.silent_until_ms.items() if name in self._trackers
        }


def _alert(rule: Rule, event: UtteranceEvent | EndedEvent, evidence: Evidence) -> AlertEvent:
    digest = hashlib.sha256("\n".join((rule.name, *evidence)).encode()).hexdigest()
    return AlertEvent(
        id=digest[:32],
        source=SOURCE,
        subject=f"{event.data.call.id}/{rule.role}/{rule.name}",
        time=event.time,  # of the event that completed it, so that a second run gives the same bytes
        data=AlertData(
            call=event.data.call,
            rule=rule.name,
            severity=rule.severity,
            role=rule.role,
            message=rule.message,
            utterances=evidence,
        ),
    )
