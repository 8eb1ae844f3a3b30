"""What one rule remembers of one call, and when that is reason for an alert. Pure: utterances in, their ids out.

One class per kind of rule, all with the same three verbs: `feed` takes an utterance whose verdict is certain,
`evidence` returns the ids behind an alert or nothing, `clear` forgets what has been alerted, so that no utterance
stands behind two alerts of a rule. Memory is bounded. This file must never read a clock: positions are the call's.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from streamer_client.alerts.rules import Rule
from streamer_client.events import UtteranceData, UtteranceEvent

Evidence = tuple[str, ...]
_MOST_IDS = 200


class Tracker(Protocol):
    """The verbs that all kinds of rules share."""

    def feed(self, event: UtteranceEvent) -> None:
        """Take the next certain utterance of the rule's role."""
        ...

    def evidence(self) -> Evidence:
        """Return the ids of the utterances that meet the rule now, oldest first; empty where it is not met."""
        ...

    def clear(self) -> None:
        """Forget what has been fed."""
        ...


class Repeated:
    """`count` qualifying utterances that end within `within_s`."""

    def __init__(self, rule: Rule, within_s: float) -> None:
        self._rule = rule
        self._within_ms = 1000 * within_s
        # More than `count` cannot change the answer.
        self._ends: deque[tuple[int, str]] = deque(maxlen=rule.count)

    def feed(self, event: UtteranceEvent) -> None:
        """Take the next certain utterance of the rule's role."""
        if qualifies(self._rule, event.data):
            self._ends.append((event.data.utterance.end_ms, event.id))

    def evidence(self) -> Evidence:
        """Return the ids of the utterances that meet the rule now."""
        if len(self._ends) < self._rule.count or self._ends[-1][0] - self._ends[0][0] > self._within_ms:
            return ()
        return tuple(name for _, name in self._ends)

    def clear(self) -> None:
        """Forget what has been fed."""
        self._ends.clear()


class Sustained:
    """A stretch of the call, at least `sustained_s` long, of which `share` qualifies."""

    def __init__(self, rule: Rule, sustained_s: float) -> None:
        self._rule = rule
        self._sustained_ms = 1000 * sustained_s
        self._start_ms = 0
        self._end_ms = 0
        self._met_ms = 0
        self._total_ms = 0
        self._count = 0
        self._ids: deque[str] = deque(maxlen=_MOST_IDS)

    def feed(self, event: UtteranceEvent) -> None:
        """Take the next certain utterance of the rule's role."""
        span = event.data.utterance
        met = qualifies(self._rule, event.data)
        if span.start_ms - self._end_ms > self._sustained_ms / 2:
            self.clear()
        if not self._ids and not met:
            return
        if not self._ids:
            self._start_ms = span.start_ms
        length_ms = span.end_ms - span.start_ms
        self._total_ms += length_ms
        if met:
            self._met_ms += length_ms
            self._count += 1
            self._end_ms = span.end_ms
            self._ids.append(event.id)
        if self._met_ms < self._rule.share * self._total_ms:
            self.clear()

    def evidence(self) -> Evidence:
        """Return the ids of the utterances that meet the rule now."""
        long_enough = self._end_ms - self._start_ms >= self._sustained_ms
        return tuple(self._ids) if self._ids and long_enough and self._count >= self._rule.count else ()

    def clear(self) -> None:
        """Forget what has been fed."""
        self._start_ms = self._end_ms = self._met_ms = self._total_ms = self._count = 0
        self._ids.clear()


class Rising:
    """Scores that climb over the last `over` utterances, the newest being the highest.

    The measure is the least-squares line through the scores: one step down between does not hide an escalation, and
    one loud utterance at the end does not make one.
    """

    def __init__(self, rule: Rule, over: int) -> None:
        self._rule = rule
        self._scores: deque[tuple[float, str]] = deque(maxlen=over)
        self._over = over

    def feed(self, event: UtteranceEvent) -> None:
        """Take the next certain utterance of the rule's role."""
        scores = event.data.emotion.scores
        self._scores.append((sum(scores.get(emotion, 0.0) for emotion in self._rule.emotions), event.id))

    def evidence(self) -> Evidence:
        """Return the ids of the utterances that meet the rule now."""
        scores = [score for score, _ in self._scores]
        if len(scores) < self._over or scores[-1] < max(scores) or scores[-1] < self._rule.min_confidence:
            return ()
        middle = (self._over - 1) / 2
        slope = sum((n - middle) * score for n, score in enumerate(scores)) / sum(
            (n - middle) ** 2 for n in range(self._over)
        )
        # The tolerance is that of adding up decimal fractions, so that a climb of exactly `rise` counts.
        return tuple(name for _, name in self._scores) if slope * (self._over - 1) >= self._rule.rise - 1e-9 else ()

    def clear(self) -> None:
        """Forget what has been fed."""
        self._scores.clear()


def qualifies(rule: Rule, data: UtteranceData) -> bool:
    """Return whether this utterance is one that the rule is about."""
    emotion = data.emotion
    return not emotion.uncertain and emotion.top in rule.emotions and emotion.confidence >= rule.min_confidence


def tracker_for(rule: Rule) -> Tracker:
    """Return the empty memory of a rule, of its kind."""
    if rule.within_s is not None:
        return Repeated(rule, rule.within_s)
    if rule.sustained_s is not None:
        return Sustained(rule, rule.sustained_s)
    return Rising(rule, rule.over or 3)
