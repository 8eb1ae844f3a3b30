"""What one call adds to the figures: everything once, in steps, and each verdict with what it took."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from streamer.metrics import Metrics
from streamer.observing.tally import COUNT_EVERY_S, Tally


def leg(position_ms: int = 0, talk_ms: int = 0, **counters: float) -> Any:
    """One party as far as its figures go."""
    counted = SimpleNamespace(**{"lost_ms": 0.0, "late_ms": 0.0, "duplicate_ms": 0.0, **counters})
    activity = SimpleNamespace(summary=SimpleNamespace(talk_ms=talk_ms))
    return SimpleNamespace(position_ms=position_ms, activity=activity, timeline=SimpleNamespace(counters=counted))


class Counted:
    """A tally of a made-up call, and what it shows."""

    def __init__(self, *legs: Any) -> None:
        self.metrics = Metrics(CollectorRegistry())
        identity = SimpleNamespace(call=SimpleNamespace(dialect="twilio"))
        self.call: Any = SimpleNamespace(legs=legs, missing_messages=0, identity=identity)
        self.tally = Tally(self.metrics, self.call)

    def __getitem__(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"streamer_{name}") or 0.0

    def fault_s(self, fault: str) -> float:
        labels = {"fault": fault}
        return self.metrics.registry.get_sample_value("streamer_audio_fault_seconds_total", labels) or 0.0


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**5)), max_size=20))
def test_however_often_it_is_counted_the_total_is_that_of_the_end(looks: list[tuple[int, int, int]]) -> None:
    counted = Counted()
    position, talk, lost = 0, 0, 0
    for more_ms, more_talk_ms, more_lost_ms in looks:
        position, talk, lost = position + more_ms, talk + more_talk_ms, lost + more_lost_ms
        counted.call.legs = (leg(position, talk, lost_ms=lost), leg(position))
        counted.tally.count_audio()
    counted.tally.finish()
    assert counted["audio_seconds_total"] == pytest.approx(2 * position / 1000)
    assert counted["speech_seconds_total"] == pytest.approx(talk / 1000)
    assert counted.fault_s("lost") == pytest.approx(lost / 1000)


def test_audio_is_counted_while_the_call_goes_on_a_step_at_a_time() -> None:
    counted = Counted(leg(20))
    seen = []
    for now_s in range(31):
        counted.call.legs = (leg(1000 * now_s),)
        counted.tally.worked(0.0, now_s)
        seen.append(counted["audio_seconds_total"])
    assert seen == [10 * (now_s // COUNT_EVERY_S) for now_s in range(31)]


def test_what_goes_back_is_not_counted_again_when_it_returns() -> None:
    counted = Counted()
    for lost_ms in (60, 20, 60, 80):  # what seemed lost came late, and more was lost later
        counted.call.legs = (leg(lost_ms=lost_ms),)
        counted.tally.count_audio()
    assert counted.fault_s("lost") == pytest.approx(0.08)


def test_every_fault_of_the_audio_and_every_missing_message_is_counted() -> None:
    counted = Counted(leg(5000, 1000, lost_ms=20, late_ms=40, duplicate_ms=60))
    counted.call.missing_messages = 3
    counted.tally.finish()
    assert [counted.fault_s(fault) for fault in ("lost", "late", "duplicate")] == [0.02, 0.04, 0.06]
    labels = {"dialect": "twilio"}
    assert counted.metrics.registry.get_sample_value("streamer_messages_missing_total", labels) == 3


def test_the_share_of_speech_is_one_value_for_each_party_that_was_heard() -> None:
    counted = Counted(leg(10_000, 4000), leg(10_000, 0), leg(999, 999))
    counted.tally.finish()
    assert counted["speech_ratio_count"] == 2
    assert counted["speech_ratio_sum"] == pytest.approx(0.4)


def test_speech_ended_as_much_earlier_as_media_time_has_passed_since() -> None:
    tally = Counted(leg(5400)).tally
    heard: Any = SimpleNamespace(channel=0, end_ms=5000)
    assert tally.ended_s(heard, 100.0) == pytest.approx(99.6)
    ahead: Any = SimpleNamespace(channel=0, end_ms=5420)  # a last frame that was filled up
    assert tally.ended_s(ahead, 100.0) == 100.0


def test_a_verdict_is_counted_by_emotion_and_each_stage_by_its_time() -> None:
    counted = Counted()
    event: Any = SimpleNamespace(data=SimpleNamespace(emotion=SimpleNamespace(top="angry", uncertain=False)))
    judged: Any = SimpleNamespace(queue_ms=1.5, compute_ms=3.0)
    counted.tally.worked(0.25, 1.25)
    counted.tally.worked(0.5, 2.5)
    work_s = counted.tally.take_work_s()
    assert counted.tally.take_work_s() == 0
    counted.tally.delivered(event, judged, ended_s=10.0, work_s=work_s, judged_s=10.45, now_s=10.5)
    value = counted.metrics.registry.get_sample_value
    assert value("streamer_utterances_total", {"emotion": "angry", "uncertain": "false"}) == 1
    stages = {
        stage: value("streamer_stage_latency_seconds_sum", {"stage": stage})
        for stage in ("audio", "queue", "model", "outbox")
    }
    assert stages == pytest.approx({"audio": 0.75, "queue": 0.0015, "model": 0.003, "outbox": 0.05})
    assert counted["event_latency_seconds_sum"] == pytest.approx(0.5)
