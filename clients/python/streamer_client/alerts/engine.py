"""Events in, alerts out: all rules over all calls. Pure, and the same input gives the same alerts with the same ids.

Rules see positions on the call's media clock only, so a replay at any speed alerts alike. The one time that comes in
from outside, `now_s`, serves to forget calls that fell silent. This file must never publish, print or read a clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from streamer_client.alerts.rules import Rule
from streamer_client.alerts.trackers import Evidence, Tracker, tracker_for
from streamer_client.events import AlertData, AlertEvent, EndedEvent, Event, UtteranceEvent

SOURCE = "/alerts"
_REMEMBERED = 10000


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
        self._calls: dict[tuple[str, str], _Call] = {}
        self._alerted: dict[str, None] = {}

    @property
    def calls(self) -> int:
        """How many calls are remembered now."""
        return len(self._calls)

    def receive(self, event: Event, *, now_s: float) -> list[AlertEvent]:
        """Take one event; return the alerts that it completes.

        Parameters
        ----------
        event : Event
            Utterances count, an ended call is forgotten, everything else is ignored. A repeated event changes nothing.
        now_s : float
            Any clock that only goes forward.
        """
        self._forget_idle(now_s)
        if isinstance(event, EndedEvent):
            self._calls.pop((event.data.call.tenant, event.data.call.id), None)
        if not isinstance(event, UtteranceEvent):
            return []
        key = (event.data.call.tenant, event.data.call.id)
        # Taken out and put back, so that the dictionary's order is that of the last event.
        call = self._calls.pop(key, None) or _Call(self._rules)
        self._calls[key] = call
        call.last_s = now_s
        alerts = [_alert(rule, event, evidence) for rule, evidence in call.receive(event)]
        return [alert for alert in alerts if self._is_new(alert)]

    def _is_new(self, alert: AlertEvent) -> bool:
        if alert.id in self._alerted:
            return False
        self._alerted[alert.id] = None
        if len(self._alerted) > _REMEMBERED:
            del self._alerted[next(iter(self._alerted))]
        return True

    def _forget_idle(self, now_s: float) -> None:
        while self._calls:
            oldest = next(iter(self._calls))
            if now_s - self._calls[oldest].last_s <= self._idle_s:
                return
            del self._calls[oldest]


class _Call:
    """What the rules remember of one call."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.last_s = 0.0
        self._watched: list[tuple[Rule, Tracker]] = [(rule, tracker_for(rule)) for rule in rules]
        self._silent_until_ms: dict[str, float] = {}
        self._seen: dict[str, None] = {}

    def receive(self, event: UtteranceEvent) -> list[tuple[Rule, Evidence]]:
        if event.id in self._seen or event.data.emotion.uncertain:
            return []
        self._seen[event.id] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        end_ms = event.data.utterance.end_ms
        fired = []
        for rule, tracker in self._watched:
            if rule.role != event.data.speaker.role:
                continue
            tracker.feed(event)
            evidence = tracker.evidence()
            if evidence and end_ms >= self._silent_until_ms.get(rule.name, 0):
                tracker.clear()
                self._silent_until_ms[rule.name] = end_ms + 1000 * rule.cooldown_s
                fired.append((rule, evidence))
        return fired


def _alert(rule: Rule, event: UtteranceEvent, evidence: Evidence) -> AlertEvent:
    digest = hashlib.sha256("\n".join((rule.name, *evidence)).encode()).hexdigest()
    return AlertEvent(
        id=digest[:32],
        source=SOURCE,
        subject=f"{event.data.call.id}/{event.data.speaker.role}/{rule.name}",
        time=event.time,  # of the utterance that completed it, so that a second run gives the same bytes
        data=AlertData(
            call=event.data.call,
            rule=rule.name,
            severity=rule.severity,
            role=event.data.speaker.role,
            message=rule.message,
            utterances=evidence,
        ),
    )
