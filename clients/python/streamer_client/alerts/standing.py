"""How far a rule is from its alert, in words: what it counts, why not, and what was missing. Pure.

Reads what the trackers remember and asks their own functions; decides nothing by itself. This file must never be asked
whether something is an alert.
"""

from __future__ import annotations

import msgspec

from streamer_client.alerts.memory import Memory, RepeatedMemory, RisingMemory, SilenceMemory, SustainedMemory
from streamer_client.alerts.rules import Rule
from streamer_client.alerts.trackers import climb, covers, qualifies
from streamer_client.events import UtteranceData
from streamer_client.pretty import position

_NEVER_MS = 1e12


class Standing(msgspec.Struct, frozen=True):
    """Where a rule stands in a call at one moment."""

    share: float
    """0 = nothing, 1 = met; only to find the moment at which least was missing."""
    words: str
    missing: str = ""
    """What would have made it an alert; empty where the words say it."""


def why_not(rule: Rule, data: UtteranceData) -> str:
    """Return why an utterance does not count for a rule; empty where it does."""
    role = data.speaker.role
    if not covers(rule, data.call):
        return "the rule is about other calls (tenants, labels)"
    if rule.silence_of is not None and role == rule.silence_of:
        return ""  # an answer counts, whatever its emotion
    if role != rule.role:
        return f"other role: the rule is about the {rule.role}"
    return "uncertain" if data.emotion.uncertain else _why_not_by_emotion(rule, data)


def _why_not_by_emotion(rule: Rule, data: UtteranceData) -> str:
    emotion = data.emotion
    if rule.trend is not None or qualifies(rule, data):
        return ""
    if emotion.top not in rule.emotions:
        return f"{emotion.top} is not asked for ({', '.join(rule.emotions)})"
    return f"confidence {emotion.confidence:g} below {rule.min_confidence:g}"


def place(ms: float) -> str:
    """Return a place on the media clock; one that no call reaches in words."""
    return position(round(ms)) if ms < _NEVER_MS else "the end of the call"


def standing(rule: Rule, memory: Memory) -> Standing:
    """Return how far a rule has come."""
    match memory:
        case RepeatedMemory():
            return _repeated(rule, memory)
        case SustainedMemory():
            return _sustained(rule, memory)
        case RisingMemory():
            return _rising(rule, memory)
        case SilenceMemory():
            return _silence(rule, memory)


def _repeated(rule: Rule, memory: RepeatedMemory) -> Standing:
    within_s = rule.within_s or 0.0
    ends = [end_ms for end_ms, _ in memory.ends]
    # The newest ones that lie in the window: what an alert with the next utterance could rest on.
    while ends and ends[-1] - ends[0] > 1000 * within_s:
        del ends[0]
    words = f"{len(ends)} of {rule.count} within {within_s:g} s"
    if not ends or len(ends) >= rule.count:
        return Standing(len(ends) / rule.count, words)
    more = rule.count - len(ends)
    until = place(ends[0] + 1000 * within_s)
    return Standing(len(ends) / rule.count, words, f"{more} more would have had to end by {until}")


def _sustained(rule: Rule, memory: SustainedMemory) -> Standing:
    asked_s = rule.sustained_s or 0.0
    if not memory.ids:
        return Standing(0.0, "no stretch has begun")
    lasted_s = (memory.end_ms - memory.start_ms) / 1000
    share = memory.met_ms / memory.total_ms if memory.total_ms else 1.0
    words = (
        f"{memory.count} of {rule.count} utterances, {lasted_s:g} of {asked_s:g} s since {position(memory.start_ms)}, "
        f"{share:.0%} of the speech ({rule.share:.0%} asked)"
    )
    last = place(memory.end_ms + 500 * asked_s)
    missing = f"the next one would have had to begin by {last}, and the stretch to reach {asked_s:g} s"
    return Standing(min(memory.count / rule.count, lasted_s / asked_s, 1.0), words, missing)


def _rising(rule: Rule, memory: RisingMemory) -> Standing:
    over = rule.over or 3
    scores = [score for score, _ in memory.scores]
    if len(scores) < over:
        # A window that is not full yet is always further away than a full one.
        return Standing(0.01 * len(scores) / over, f"{len(scores)} of {over} utterances")
    rise = climb(scores)
    words = f"{', '.join(f'{score:.2f}' for score in scores)} climbs by {rise:.2f} ({rule.rise:g} asked)"
    lacks = []
    if scores[-1] < max(scores):
        lacks.append("the newest is not the highest")
    if scores[-1] < rule.min_confidence:
        lacks.append(f"the newest, {scores[-1]:g}, is below {rule.min_confidence:g}")
    share = max(0.0, min(1.0, rise / rule.rise)) * (1 if not lacks else 0.5)
    return Standing(0.01 + 0.99 * share, words, "; ".join(lacks))


def _silence(rule: Rule, memory: SilenceMemory) -> Standing:
    asked_s = rule.silence_s or 0.0
    waiting = [end_ms for end_ms, _ in memory.unanswered]
    if not waiting:
        return Standing(0.0, "nothing waits for an answer")
    known_s = max(0, memory.silent_until_ms - waiting[0]) / 1000
    if memory.heard_ms >= waiting[0]:
        return Standing(min(known_s / asked_s, 1.0), f"answered after {known_s:g} of {asked_s:g} s")
    words = f"no answer since {position(waiting[0])}, silence is certain for {known_s:g} of {asked_s:g} s"
    return Standing(min(known_s / asked_s, 1.0), words)
