"""Why each rule fired or not, over a recorded stream of events: `streamer alerts --explain`.

The very engine of the service decides, and its own memory is what is put into words, so the explanation cannot differ
from what happened. Pure: lines in, lines out. This file must never publish, and never decide by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy

import msgspec

from streamer_client.alerts.engine import REMEMBERED, WITHDRAWN, Engine, Key
from streamer_client.alerts.memory import CallMemory, Memory, SustainedMemory
from streamer_client.alerts.outputs.words import one_line
from streamer_client.alerts.rules import Rule
from streamer_client.alerts.standing import Standing, place, standing, why_not
from streamer_client.alerts.trackers import tracker_for
from streamer_client.events import (
    AlertEvent,
    EndedEvent,
    Event,
    EventError,
    UnknownEvent,
    UtteranceEvent,
    decode,
)
from streamer_client.pretty import position, span

_LONGEST_PROBLEM = 120


class Unreadable(msgspec.Struct, frozen=True):
    """A line that is no event."""

    line: int
    """From 1."""
    reason: str


def read_events(lines: Iterable[bytes | str]) -> Iterator[Event | UnknownEvent | Unreadable]:
    """Read one CloudEvent a line, as ``streamer watch --json`` writes them; empty lines are left out."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield decode(line)
        except EventError as problem:
            yield Unreadable(number, one_line(str(problem))[:_LONGEST_PROBLEM])


def explain(rules: Iterable[Rule], events: Iterable[Event | UnknownEvent | Unreadable]) -> Iterator[str]:
    """Apply rules to recorded events and tell, line by line, what counted and what did not.

    Parameters
    ----------
    rules : iterable of Rule
    events : iterable of Event, UnknownEvent or Unreadable
        In the order in which they came, of any number of calls; see :func:`read_events`. The time between them does
        not matter: an idle call is not forgotten here.

    Yields
    ------
    str
        A line, without a line end: for each utterance what it meant for each rule, and at the end for each call and
        rule why it fired or not, with the nearest miss.
    """
    rules = tuple(rules)
    engine = Engine(rules)
    told: dict[Key, _Told] = {}
    left_out: Counter[str] = Counter()
    for event in events:
        if isinstance(event, Unreadable):
            yield f"line {event.line}: {event.reason}"
            left_out["of no event"] += 1
        elif isinstance(event, UnknownEvent):
            left_out["of an unknown type"] += 1
        elif isinstance(event, UtteranceEvent | EndedEvent):
            key = (event.data.call.tenant, event.data.call.id)
            call = told.setdefault(key, _Told(rules))
            before = deepcopy(engine.memory(key)) or CallMemory()
            alerts = engine.receive(event, now_s=0.0)
            yield from call.tell(event, alerts, before, engine.memory(key) or CallMemory())
        else:
            engine.receive(event, now_s=0.0)
    if not told:
        yield "no utterance and no end of a call among the events: nothing to explain"
    for key, call in told.items():
        yield ""
        yield from call.sum_up(key)
    if left_out:
        yield ""
        yield "left out: " + ", ".join(f"{count} line{'s' * (count != 1)} {what}" for what, count in left_out.items())


class _Record(msgspec.Struct):
    """What is told of one rule at the end of one call."""

    fired_ms: list[int] = []
    held_back: int = 0
    counted: int = 0
    nearest: Standing | None = None
    nearest_ms: int = 0
    reasons: Counter[str] = msgspec.field(default_factory=Counter)


class _Told:
    """One call: what was told of it, and what is to be told at its end."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._records = {rule.name: _Record() for rule in rules}
        self._seen: dict[str, None] = {}

    def tell(
        self, event: UtteranceEvent | EndedEvent, alerts: list[AlertEvent], before: CallMemory, after: CallMemory
    ) -> Iterator[str]:
        fired = {alert.data.rule: alert for alert in alerts}
        call = one_line(event.data.call.id)
        if isinstance(event, EndedEvent):
            yield f"{call} ended at {position(event.data.duration_ms)}, {one_line(event.data.reason)}"
            for rule in self._rules:
                if rule.name in fired:
                    self._records[rule.name].fired_ms.append(event.data.duration_ms)
                    yield f"  {rule.name}: {_fires(rule, fired[rule.name])}"
            if event.data.reason == WITHDRAWN:
                self._seen.clear()
            return
        emotion = event.data.emotion
        verdict = f"{one_line(emotion.top)} {emotion.confidence:g}" + (", uncertain" if emotion.uncertain else "")
        yield f"{call} {one_line(event.data.speaker.role)} {span(event)}: {verdict}"
        if event.id in self._seen:
            yield "  came before: a repeated event counts once"
            return
        self._seen[event.id] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        for rule in self._rules:
            yield f"  {rule.name}: {self._say(rule, event, fired.get(rule.name), before, after)}"

    def sum_up(self, key: Key) -> Iterator[str]:
        tenant, name = key
        of = "" if tenant == "default" else f" of {one_line(tenant)}"
        yield f"{one_line(name)}{of}"
        for rule in self._rules:
            yield f"  {rule.name}: {_outcome(self._records[rule.name])}"

    def _say(
        self, rule: Rule, event: UtteranceEvent, alert: AlertEvent | None, before: CallMemory, after: CallMemory
    ) -> str:
        record, end_ms = self._records[rule.name], event.data.utterance.end_ms
        reason = one_line(why_not(rule, event.data))
        if reason:
            record.reasons[reason] += 1
        else:
            record.counted += 1
        if alert is not None:
            record.fired_ms.append(end_ms)
            until_ms = after.silent_until_ms[rule.name]
            pause = f"; silent until {place(until_ms)}" if until_ms > end_ms else ""
            return f"{reason or 'counts'}; {_fires(rule, alert)}{pause}"
        memory = after.trackers[rule.name]
        where = standing(rule, memory)
        words = [f"does not count: {reason}" if reason else f"counts, {where.words}"]
        if rule.trend is not None and where.missing and not reason:
            words.append(where.missing)
        lost = _lost(rule, before.trackers.get(rule.name), memory, event)
        if lost:
            words.append(lost)
        if tracker_for(rule, memory).evidence():
            if not reason:  # what does not count has not met it anew
                words.append(self._held(rule, record, after))
        elif record.nearest is None or where.share > record.nearest.share:
            record.nearest, record.nearest_ms = where, end_ms
        return "; ".join(words)

    def _held(self, rule: Rule, record: _Record, after: CallMemory) -> str:
        record.held_back += 1
        if rule.silence_of is not None and rule.silence_of not in after.analysed:
            return f"met, but the {rule.silence_of} is not analysed in this call: its silence cannot be told"
        until_ms = after.silent_until_ms.get(rule.name)
        if until_ms is None:
            return "met, but this very alert was raised before"
        return f"met, but silent until {place(until_ms)} after its last alert"


def _fires(rule: Rule, alert: AlertEvent) -> str:
    count = len(alert.data.utterances)
    return f"FIRES ({rule.severity}), {count} utterance{'s' * (count != 1)} behind it, alert {alert.id}"


def _lost(rule: Rule, before: Memory | None, after: Memory, event: UtteranceEvent) -> str:
    """Return why a stretch that was under way is no more."""
    if isinstance(before, SustainedMemory) and isinstance(after, SustainedMemory) and before.ids:
        gone = not after.ids or after.start_ms != before.start_ms
        if gone and event.data.utterance.start_ms - before.end_ms > 500 * (rule.sustained_s or 0.0):
            return f"the stretch since {position(before.start_ms)} is over: too long without a qualifying utterance"
        if gone:
            return f"the stretch since {position(before.start_ms)} is over: less than {rule.share:.0%} qualifies"
    return ""


def _outcome(record: _Record) -> str:
    times = f"{record.held_back} time{'s' * (record.held_back != 1)}"
    if record.fired_ms:
        held = f"; met {times} while it was silent" if record.held_back else ""
        return f"fired at {', '.join(position(at_ms) for at_ms in record.fired_ms)}{held}"
    if record.held_back:
        return f"did not fire; met {times}, but held back as said above"
    if not record.counted:
        reasons = ", ".join(f"{count} {reason}" for reason, count in record.reasons.most_common())
        return f"did not fire: no utterance counted ({reasons or 'there was none'})"
    assert record.nearest is not None  # noqa: S101 - what counted left the rule somewhere
    missing = f"; {record.nearest.missing}" if record.nearest.missing else ""
    return f"did not fire; nearest at {position(record.nearest_ms)}: {record.nearest.words}{missing}"
