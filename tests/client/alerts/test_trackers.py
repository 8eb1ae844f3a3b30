"""When a rule of each kind is met. Times are in seconds on the call's media clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.memory import RepeatedMemory, SilenceMemory
from streamer_client.alerts.rules import Rule
from streamer_client.alerts.trackers import Silence, Tracker, concerns, qualifies, tracker_for
from streamer_client.events import Severity, UtteranceEvent


def rule(**more: object) -> Rule:
    base = {"name": "r", "severity": Severity.INFO, "message": "m", "emotions": ("angry",)}
    return Rule(**{**base, **more})  # type: ignore[arg-type]


def fed(tracker: Tracker, events: Iterable[UtteranceEvent]) -> Tracker:
    for event in events:
        tracker.feed(event)
    return tracker


def spans(make: Any, *said: tuple[str, float, float]) -> list[UtteranceEvent]:
    """Return utterances of (emotion, start, end)."""
    return [
        make.utterance(n, top=top, start_ms=round(1000 * start_s), end_ms=round(1000 * end_s))
        for n, (top, start_s, end_s) in enumerate(said, 1)
    ]


def ids(events: Iterable[UtteranceEvent]) -> tuple[str, ...]:
    return tuple(event.id for event in events)


def test_an_utterance_qualifies_by_emotion_confidence_and_certainty(make: Any) -> None:
    strict = rule(min_confidence=0.5, within_s=1)
    assert qualifies(strict, make.utterance(confidence=0.5).data)
    assert not qualifies(strict, make.utterance(confidence=0.49).data)
    assert not qualifies(strict, make.utterance(top="sad").data)
    assert not qualifies(strict, make.utterance(uncertain=True).data)


class TestRepeated:
    def test_twice_within_a_minute_is_met_by_the_second(self, make: Any) -> None:
        events = spans(make, ("angry", 0, 5), ("neutral", 10, 20), ("angry", 60, 65))
        tracker = tracker_for(rule(count=2, within_s=60))
        assert fed(tracker, events[:2]).evidence() == ()
        assert fed(tracker, events[2:]).evidence() == ids([events[0], events[2]])

    def test_a_moment_over_a_minute_is_not(self, make: Any) -> None:
        tracker = tracker_for(rule(count=2, within_s=60))
        assert fed(tracker, spans(make, ("angry", 0, 5), ("angry", 60, 65.001))).evidence() == ()

    @given(ends_s=st.lists(st.integers(1, 500), min_size=1, max_size=40, unique=True), count=st.integers(1, 5))
    def test_it_is_met_exactly_when_that_many_end_in_the_window(self, make: Any, ends_s: Any, count: Any) -> None:
        events = spans(make, *(("angry", end_s - 1, end_s) for end_s in sorted(ends_s)))
        inside = [event for event in events if event.data.utterance.end_ms >= 1000 * (max(ends_s) - 60)]
        tracker = fed(tracker_for(rule(count=count, within_s=60)), events)
        assert tracker.evidence() == (ids(inside[-count:]) if len(inside) >= count else ())

    def test_what_was_cleared_does_not_count_again(self, make: Any) -> None:
        tracker = fed(tracker_for(rule(count=2, within_s=60)), spans(make, ("angry", 0, 1), ("angry", 2, 3)))
        tracker.clear()
        assert fed(tracker, spans(make, ("angry", 4, 5))).evidence() == ()


class TestSustained:
    RULE = rule(emotions=("sad", "fear"), sustained_s=90, count=3, share=0.7)

    def test_a_minute_and_a_half_of_distress_is_met(self, make: Any) -> None:
        events = spans(make, ("sad", 10, 15), ("fear", 50, 55), ("sad", 80, 99.9), ("sad", 100, 101))
        tracker = tracker_for(self.RULE)
        assert fed(tracker, events[:3]).evidence() == ()
        assert fed(tracker, events[3:]).evidence() == ids(events)

    def test_one_neutral_utterance_in_between_does_not_end_it(self, make: Any) -> None:
        events = spans(make, ("sad", 10, 20), ("neutral", 40, 43), ("fear", 50, 60), ("sad", 90, 101))
        tracker = fed(tracker_for(self.RULE), events)
        assert tracker.evidence() == ids([events[0], events[2], events[3]])

    def test_as_much_neutral_as_sad_speech_is_no_distress(self, make: Any) -> None:
        said = [(("sad", "neutral")[n % 2], 10.0 * n, 10.0 * n + 5) for n in range(30)]
        tracker = tracker_for(self.RULE)
        assert all(fed(tracker, [event]).evidence() == () for event in spans(make, *said))

    def test_two_moments_with_a_long_time_between_are_not_one_stretch(self, make: Any) -> None:
        tracker = fed(tracker_for(self.RULE), spans(make, ("sad", 0, 5), ("sad", 6, 8), ("sad", 60, 95)))
        assert tracker.evidence() == ()

    def test_too_few_utterances_are_not_enough_however_long(self, make: Any) -> None:
        tracker = fed(tracker_for(self.RULE), spans(make, ("sad", 0, 50), ("sad", 51, 101)))
        assert tracker.evidence() == ()

    @given(st.lists(st.tuples(st.sampled_from(["sad", "neutral"]), st.floats(0, 60), st.floats(0.3, 15)), max_size=60))
    def test_the_ids_behind_it_are_of_distressed_utterances_over_at_least_the_time(self, make: Any, said: Any) -> None:
        at, events = 0.0, []
        for n, (top, pause_s, length_s) in enumerate(said):
            start_ms = round(1000 * (at + pause_s))
            at += pause_s + length_s
            events.append(make.utterance(n, top=top, start_ms=start_ms, end_ms=round(1000 * at)))
        tracker = tracker_for(self.RULE)
        for event in events:
            tracker.feed(event)
            behind = [other for other in events if other.id in tracker.evidence()]
            assert all(other.data.emotion.top == "sad" for other in behind)
            if behind:
                assert behind[-1].data.utterance.end_ms - behind[0].data.utterance.start_ms >= 90_000

    def test_what_was_cleared_begins_a_new_stretch(self, make: Any) -> None:
        tracker = fed(tracker_for(self.RULE), spans(make, ("sad", 0, 30), ("sad", 31, 60), ("sad", 61, 95)))
        tracker.clear()
        assert fed(tracker, spans(make, ("sad", 100, 105))).evidence() == ()


class TestRising:
    RULE = rule(trend="rising", over=5, rise=0.3, min_confidence=0.4)

    def climb(self, make: Any, *scores: float) -> list[UtteranceEvent]:
        return [
            make.utterance(n, top="neutral", scores={"neutral": 1 - score, "angry": score})
            for n, score in enumerate(scores, 1)
        ]

    @pytest.mark.parametrize(
        "scores", [(0.1, 0.2, 0.3, 0.4, 0.5), (0.1, 0.175, 0.25, 0.325, 0.4), (0.05, 0.3, 0.2, 0.5, 0.8)]
    )
    def test_scores_that_climb_are_met_by_the_fifth(self, make: Any, scores: Any) -> None:
        events = self.climb(make, *scores)
        tracker = tracker_for(self.RULE)
        assert fed(tracker, events[:4]).evidence() == ()
        assert fed(tracker, events[4:]).evidence() == ids(events)

    @pytest.mark.parametrize(
        "scores",
        [
            (0.8, 0.8, 0.8, 0.8, 0.8),  # angry all the time, not rising
            (0.5, 0.4, 0.3, 0.2, 0.1),  # falling
            (0.01, 0.1, 0.15, 0.25, 0.35),  # rising, still under the least confidence
            (0.1, 0.3, 0.5, 0.9, 0.7),  # past its peak
            (0.40, 0.42, 0.44, 0.46, 0.48),  # hardly rising
        ],
    )
    def test_other_scores_are_not(self, make: Any, scores: Any) -> None:
        assert fed(tracker_for(self.RULE), self.climb(make, *scores)).evidence() == ()

    @given(st.lists(st.floats(0, 1), max_size=20))
    def test_only_the_last_five_count(self, make: Any, earlier: Any) -> None:
        events = self.climb(make, *earlier, 0.1, 0.2, 0.3, 0.4, 0.5)
        assert fed(tracker_for(self.RULE), events).evidence() == ids(events[-5:])

    def test_the_scores_of_several_emotions_add_up(self, make: Any) -> None:
        both = rule(trend="rising", over=3, emotions=("angry", "disgust"))
        events = [
            make.utterance(n, scores={"angry": score / 2, "disgust": score / 2})
            for n, score in enumerate((0.1, 0.4, 0.7), 1)
        ]
        assert fed(tracker_for(both), events).evidence() == ids(events)

    def test_what_was_cleared_does_not_count_again(self, make: Any) -> None:
        tracker = fed(tracker_for(self.RULE), self.climb(make, 0.1, 0.2, 0.3, 0.4, 0.5))
        tracker.clear()
        assert fed(tracker, self.climb(make, 0.9)).evidence() == ()


class TestSilence:
    RULE = rule(silence_of="agent", silence_s=10, longest_utterance_s=15)

    def talk(self, make: Any, *said: tuple[str, str, float, float]) -> list[UtteranceEvent]:
        """Return utterances of (role, emotion, start, end)."""
        return [
            make.utterance(n, role=role, top=top, start_ms=round(1000 * start_s), end_ms=round(1000 * end_s))
            for n, (role, top, start_s, end_s) in enumerate(said, 1)
        ]

    def test_the_answer_that_comes_late_proves_the_silence(self, make: Any) -> None:
        events = self.talk(make, ("customer", "angry", 0, 5), ("agent", "neutral", 15, 18))
        tracker = tracker_for(self.RULE)
        assert fed(tracker, events[:1]).evidence() == ()
        assert fed(tracker, events[1:]).evidence() == ids(events[:1])

    def test_an_answer_in_time_is_an_answer(self, make: Any) -> None:
        events = self.talk(
            make,
            ("customer", "angry", 0, 5),
            ("agent", "neutral", 14.999, 16),
            ("customer", "neutral", 17, 60),
        )
        tracker = tracker_for(self.RULE)
        assert all(fed(tracker, [event]).evidence() == () for event in events)

    def test_what_the_other_side_may_be_saying_now_is_given_the_time_to_be_heard(self, make: Any) -> None:
        # At 29.9 s an agent who began at 15 s may still speak, and nobody has heard a word of it yet.
        events = self.talk(make, ("customer", "angry", 0, 5), ("customer", "neutral", 20, 29.9))
        assert fed(tracker_for(self.RULE), events).evidence() == ()
        later = self.talk(make, ("customer", "angry", 0, 5), ("customer", "neutral", 20, 30))
        assert fed(tracker_for(self.RULE), later).evidence() == ids(later[:1])

    def test_who_talks_over_the_customer_has_not_been_silent(self, make: Any) -> None:
        events = self.talk(make, ("customer", "angry", 0, 5), ("agent", "neutral", 4, 6), ("customer", "sad", 7, 60))
        assert fed(tracker_for(self.RULE), events).evidence() == ()

    def test_the_same_holds_where_the_agent_is_heard_first(self, make: Any) -> None:
        events = self.talk(make, ("agent", "neutral", 4, 6), ("customer", "angry", 0, 5), ("customer", "sad", 7, 60))
        assert fed(tracker_for(self.RULE), events).evidence() == ()

    def test_anger_after_the_answer_waits_for_the_next_one(self, make: Any) -> None:
        events = self.talk(
            make,
            ("customer", "angry", 0, 5),
            ("customer", "angry", 10, 12),
            ("agent", "neutral", 6, 8),  # comes late
            ("agent", "neutral", 40, 41),
        )
        tracker = tracker_for(self.RULE)
        assert fed(tracker, events[:3]).evidence() == ()
        assert fed(tracker, events[3:]).evidence() == ids(events[1:2])

    def test_an_uncertain_answer_is_an_answer(self, make: Any) -> None:
        angry = self.talk(make, ("customer", "angry", 0, 5))
        answer = make.utterance(2, role="agent", uncertain=True, start_ms=6000, end_ms=7000)
        assert concerns(self.RULE, answer.data)
        rest = self.talk(make, ("customer", "neutral", 8, 60))
        assert fed(tracker_for(self.RULE), [*angry, answer, *rest]).evidence() == ()

    def test_the_end_of_the_call_proves_all_of_it(self, make: Any) -> None:
        tracker = fed(tracker_for(self.RULE), self.talk(make, ("customer", "angry", 0, 5)))
        assert isinstance(tracker, Silence)
        tracker.finish(14_999)
        assert tracker.evidence() == ()
        tracker.finish(15_000)
        assert len(tracker.evidence()) == 1

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["customer", "agent"]),
                st.sampled_from(["angry", "neutral"]),
                st.integers(0, 20_000),
                st.integers(300, 15_000),
            ),
            max_size=40,
        )
    )
    def test_in_no_silence_that_it_reports_has_the_other_side_spoken(self, make: Any, story: Any) -> None:
        at_ms = {"customer": 0, "agent": 0}
        events = []
        for n, (role, top, pause_ms, length_ms) in enumerate(story):
            start_ms = at_ms[role] + pause_ms
            at_ms[role] = start_ms + length_ms
            events.append(make.utterance(n, role=role, top=top, start_ms=start_ms, end_ms=at_ms[role]))
        events.sort(key=lambda event: event.data.utterance.end_ms)  # as a server publishes them
        by_id = {event.id: event.data.utterance for event in events}
        tracker = tracker_for(self.RULE)
        for event in events:
            tracker.feed(event)
            behind = tracker.evidence()
            if behind:
                begin_ms = by_id[behind[0]].end_ms
                spoken = [
                    other.data.utterance
                    for other in events
                    if other.data.speaker.role == "agent"
                    and other.data.utterance.start_ms < begin_ms + 10_000
                    and other.data.utterance.end_ms > begin_ms
                ]
                assert spoken == []
                tracker.clear()


def test_a_memory_of_another_kind_of_rule_is_not_taken() -> None:
    ends = RepeatedMemory(ends=[(1, "a")])
    assert tracker_for(rule(within_s=60, count=2), ends).memory is ends
    assert tracker_for(rule(within_s=60, count=2), SilenceMemory()).memory == RepeatedMemory()
    assert tracker_for(rule(silence_of="agent", silence_s=1), ends).memory == SilenceMemory()
