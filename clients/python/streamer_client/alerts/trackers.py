"""What one rule remembers of one call, and when that is reason for an alert. Pure: utterances in, their ids out.

One class per kind of rule, all with the same three verbs: `feed` takes an utterance that concerns the rule, `evidence`
returns the ids behind an alert or nothing, `clear` forgets what has been alerted, so that no utterance stands behind
two alerts of a rule. All they know stands in a value of `memory`, which can be stored. It is bounded. This file must
never read a clock: positions are the call's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streamer_client.alerts.memory import Memory, RepeatedMemory, RisingMemory, SilenceMemory, SustainedMemory
from streamer_client.alerts.rules import Rule
from streamer_client.events import CallRef, UtteranceData, UtteranceEvent

Evidence = tuple[str, ...]
_MOST_IDS = 200


class Tracker(Protocol):
    """The verbs that all kinds of rules share."""

    @property
    def memory(self) -> Memory:
        """All that it knows; changed in place by the verbs below."""
        ...

    def feed(self, event: UtteranceEvent) -> None:
        """Take the next utterance that concerns the rule, see :func:`concerns`."""
        ...

    def evidence(self) -> Evidence:
        """Return the ids of the utterances that meet the rule now, oldest first; empty where it is not met."""
        ...

    def clear(self) -> None:
        """Forget what has been fed."""
        ...


class Repeated:
    """`count` qualifying utterances that end within `within_s`."""

    def __init__(self, rule: Rule, within_s: float, memory: RepeatedMemory | None = None) -> None:
        self._rule = rule
        self._within_ms = 1000 * within_s
        self.memory = memory or RepeatedMemory()

    def feed(self, event: UtteranceEvent) -> None:
        """Take the next certain utterance of the rule's role."""
        if qualifies(self._rule, event.data):
            self.memory.ends.append((event.data.utterance.end_ms, event.id))
            del self.memory.ends[: -self._rule.count]  # more than `count` cannot change the answer

    def evidence(self) -> Evidence:
        """Return the ids of the utterances that meet the rule now."""
        ends = self.memory.ends
        if len(ends) < self._rule.count or ends[-1][0] - ends[0][0] > self._within_ms:
            return ()
        return tuple(name for _, name in ends)

    def clear(self) -> None:
        """Forget what has been fed."""
        self.memory.ends.clear()


class Sustained:
    """A stretch of the call, at least `sustained_s` long, of which `share` qualifies."""

    def __init__(self, rule: Rule, sustained_s: float, memory: SustainedMemory | None = None) -> None:
        self._rule = rule
        self._sustained_ms = 1000 * sustained_s
        self.memory = memory or SustainedMemory()

    def feed(self, event: UtteranceEvent) -> None:
        """Take the next certain utterance of the rule's role."""
        span, now = event.data.utterance, self.memory
        met = qualifies(self._rule, event.data)
        if span.start_ms - now.end_ms > self._sustained_ms / 2:
            self.clear()
        if not now.ids and not met:
            return
        if not now.ids:
            now.start_ms = span.start_ms
        length_ms = span.end_ms - span.start_ms
        now.total_ms += length_ms
        if met:
            now.met_ms += length_ms
            now.count += 1
            now.end_ms = span.end_ms
            now.ids.append(event.id)
            del now.ids[:-_MOST_IDS]
        if now.met_ms < self._rule.share * now.total_ms:
            self.clear()

    def evidence(self) -> Evidence:
        """Return the ids of the utterances that meet the rule now."""
        now = self.memory
        long_enough = now.end_ms - now.start_ms >= self._sustained_ms
        return tuple(now.ids) if now.ids and long_enough and now.count >= self._rule.count else ()

    def clear(self) -> None:
        """Forget what has been fed."""
        now = self.memory
        now.start_ms = now.end_ms = now.met_ms = now.total_ms = now.count = 0
        now.ids.clear()


class Rising:
    """Scores that climb over the last `over` utterances, the newest being the highest.

    The measure is the least-squares line through the scores: one step down between does not hide an escalation, and
    one loud utterance at the end does not make one.
    """

    def __init__(self, rule: Rule, over: int, memory: RisingMemory | None = None) -> None:
        self._rule = rule
        self._over = over
        self.memory = memory or RisingMemory()

    def feed(self, event: UtteranceEvent) -> None:
        """Take the next certain utterance of the rule's role."""
        scores = event.data.emotion.scores
        self.memory.scores.append((sum(scores.get(emotion, 0.0) for emotion in self._rule.emotions), event.id))
        del self.memory.scores[: -self._over]

    def evidence(self) -> Evidence:
        """Return the ids of the utterances that meet the rule now."""
        scores = [score for score, _ in self.memory.scores]
        if len(scores) < self._over or scores[-1] < max(scores) or scores[-1] < self._rule.min_confidence:
            return ()
        # The tolerance is that of adding up decimal fractions, so that a climb of exactly `rise` counts.
        enough = climb(scores) >= self._rule.rise - 1e-9
        return tuple(name for _, name in self.memory.scores) if enough else ()

    def clear(self) -> None:
        """Forget what has been fed."""
        self.memory.scores.clear()


class Silence:
    """A qualifying utterance to which the other side says nothing for `silence_s`.

    An utterance comes when it is over, so what has not been heard may still be on somebody's lips. What is known: an
    utterance of the other side that comes proves silence up to its start; one of the rule's own side proves it up to
    `longest_utterance_s` before its end, as the server cuts what lasts longer; the end of the call proves all of it.
    Never a guess: an alert comes with the event that proves the silence, and dead air alone has none.
    """

    def __init__(self, rule: Rule, silence_s: float, memory: SilenceMemory | None = None) -> None:
        self._rule = rule
        self._silence_ms = 1000 * silence_s
        self._longest_ms = round(1000 * rule.longest_utterance_s)
        self.memory = memory or SilenceMemory()

    def feed(self, event: UtteranceEvent) -> None:
        """Take the next utterance of either side, uncertain ones included: somebody spoke."""
        now, span = self.memory, event.data.utterance
        # What was answered has been judged with the answer, whatever came of it.
        now.unanswered = [(end_ms, name) for end_ms, name in now.unanswered if end_ms > now.heard_ms]
        if event.data.speaker.role == self._rule.role:
            now.silent_until_ms = max(now.silent_until_ms, span.end_ms - self._longest_ms)
            if qualifies(self._rule, event.data) and span.end_ms > now.heard_ms and len(now.unanswered) < _MOST_IDS:
                now.unanswered.append((span.end_ms, event.id))
        else:
            now.silent_until_ms = span.start_ms
            now.heard_ms = max(now.heard_ms, span.end_ms)

    def finish(self, duration_ms: int) -> None:
        """Take the end of the call: every utterance has been heard."""
        now = self.memory
        now.unanswered = [(end_ms, name) for end_ms, name in now.unanswered if end_ms > now.heard_ms]
        now.silent_until_ms = duration_ms

    def evidence(self) -> Evidence:
        """Return the ids of the utterances that nobody answered in time."""
        now = self.memory
        if not now.unanswered or now.silent_until_ms - now.unanswered[0][0] < self._silence_ms:
            return ()
        return tuple(name for end_ms, name in now.unanswered if end_ms <= now.silent_until_ms)

    def clear(self) -> None:
        """Forget what has been fed, but not when the other side last spoke."""
        self.memory.unanswered.clear()


def climb(scores: Sequence[float]) -> float:
    """Return by how much the least-squares line through two or more scores rises from the first to the last."""
    middle = (len(scores) - 1) / 2
    slope = sum((n - middle) * score for n, score in enumerate(scores)) / sum(
        (n - middle) ** 2 for n in range(len(scores))
    )
    return slope * (len(scores) - 1)


def qualifies(rule: Rule, data: UtteranceData) -> bool:
    """Return whether this utterance is one that the rule is about."""
    emotion = data.emotion
    return not emotion.uncertain and emotion.top in rule.emotions and emotion.confidence >= rule.min_confidence


def covers(rule: Rule, call: CallRef) -> bool:
    """Return whether the rule is about this call: its tenant and its labels."""
    return (not rule.tenants or call.tenant in rule.tenants) and rule.labels.items() <= call.labels.items()


def concerns(rule: Rule, data: UtteranceData) -> bool:
    """Return whether the rule's tracker is to be fed with this utterance."""
    if not covers(rule, data.call):
        return False
    if rule.silence_of is not None:
        return data.speaker.role in {rule.role, rule.silence_of}
    return data.speaker.role == rule.role and not data.emotion.uncertain


def tracker_for(rule: Rule, memory: Memory | None = None) -> Tracker:
    """Return a rule's tracker, of its kind: empty, or with what it knew; a memory of another kind is not taken."""
    if rule.within_s is not None:
        return Repeated(rule, rule.within_s, memory if isinstance(memory, RepeatedMemory) else None)
    if rule.sustained_s is not None:
        return Sustained(rule, rule.sustained_s, memory if isinstance(memory, SustainedMemory) else None)
    if rule.silence_s is not None:
        return Silence(rule, rule.silence_s, memory if isinstance(memory, SilenceMemory) else None)
    return Rising(rule, rule.over or 3, memory if isinstance(memory, RisingMemory) else None)
