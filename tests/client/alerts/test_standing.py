"""What is said of a rule's state agrees with what its tracker does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.memory import RepeatedMemory, RisingMemory, SilenceMemory, SustainedMemory
from streamer_client.alerts.rules import Rule
from streamer_client.alerts.standing import place, standing, why_not
from streamer_client.alerts.trackers import concerns, qualifies, tracker_for
from streamer_client.events import EMOTIONS, Severity


def rule(**more: Any) -> Rule:
    return Rule(**{"name": "r", "severity": Severity.INFO, "message": "m", "emotions": ("angry", "sad")} | more)


KINDS = [
    rule(within_s=60, count=3, min_confidence=0.5),
    rule(sustained_s=30, count=2, share=0.6),
    rule(trend="rising", over=3),
    rule(silence_of="agent", silence_s=5, min_confidence=0.3),
    rule(within_s=60, tenants=("acme",)),
    rule(within_s=60, labels={"queue": "sales"}),
]
SAID = st.tuples(
    st.sampled_from(["customer", "agent", "unknown"]), st.sampled_from(EMOTIONS), st.booleans(), st.floats(0, 1)
)


@pytest.mark.parametrize("kind", KINDS, ids=range(len(KINDS)))
@given(SAID)
def test_a_reason_is_given_exactly_where_an_utterance_does_not_count(make: Any, kind: Rule, one: Any) -> None:
    role, top, uncertain, confidence = one
    data = make.utterance(role=role, top=top, uncertain=uncertain, confidence=confidence).data
    any_verdict = kind.trend is not None or role == kind.silence_of
    assert (why_not(kind, data) == "") == (concerns(kind, data) and (any_verdict or qualifies(kind, data)))


@pytest.mark.parametrize("kind", KINDS[:4], ids=range(4))
@given(st.lists(st.tuples(SAID, st.integers(0, 30_000)), max_size=20))
def test_a_rule_is_at_its_goal_exactly_when_its_tracker_says_so(make: Any, kind: Rule, story: Any) -> None:
    tracker, at_ms = tracker_for(kind), 0
    for n, ((role, top, uncertain, confidence), pause_ms) in enumerate(story):
        at_ms += pause_ms
        event = make.utterance(
            n, role=role, top=top, uncertain=uncertain, confidence=confidence, start_ms=at_ms, end_ms=at_ms + 1000
        )
        if concerns(kind, event.data):
            tracker.feed(event)
        where = standing(kind, tracker.memory)
        assert 0 <= where.share <= 1
        assert where.words
        if kind.trend is None:
            assert (where.share == 1) == bool(tracker.evidence())
        elif tracker.evidence():
            assert where.share == pytest.approx(1)


def test_a_stretch_says_what_it_has_and_what_it_lacks() -> None:
    memory = SustainedMemory(start_ms=10_000, end_ms=40_000, met_ms=8000, total_ms=10_000, count=2, ids=["a", "b"])
    where = standing(rule(sustained_s=90, count=3, share=0.7), memory)
    assert where.words == "2 of 3 utterances, 30 of 90 s since 0:10.0, 80% of the speech (70% asked)"
    assert where.missing == "the next one would have had to begin by 1:25.0, and the stretch to reach 90 s"


def test_every_kind_that_has_heard_nothing_says_so() -> None:
    empty = [RepeatedMemory(), SustainedMemory(), RisingMemory(), SilenceMemory()]
    assert [standing(kind, memory).words for kind, memory in zip(KINDS, empty, strict=False)] == [
        "0 of 3 within 60 s",
        "no stretch has begun",
        "0 of 3 utterances",
        "nothing waits for an answer",
    ]


def test_a_place_that_no_call_reaches_is_said_in_words() -> None:
    assert place(62_000.4) == "1:02.0"
    assert place(float("inf")) == "the end of the call"
