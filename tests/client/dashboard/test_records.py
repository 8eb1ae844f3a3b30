"""How one call and one alert look to the page."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.dashboard.api import TRACE_POINTS
from streamer_client.dashboard.records import AlertRecord, CallRecord, first_of
from streamer_client.events import CallRef, PartialEvent

BEGAN_S = 1_790_000_000.0


def record() -> CallRecord:
    return CallRecord(CallRef(id="CA1"), "/nodes/node-1", BEGAN_S, "2026-09-21T14:13:20.000Z")


def shown(call: CallRecord) -> Any:
    return call.show(node_offline=False, open_alerts=0)


@given(order=st.permutations(range(1, TRACE_POINTS + 5)))
def test_the_trace_is_the_last_utterances_in_the_order_of_speech(make: Any, at: Any, order: list[int]) -> None:
    call = record()
    for n in order:
        assert call.add_utterance(at(make.utterance(n, end_ms=n * 1000), n), 1000) == []
    (party,) = shown(call).parties
    assert [point[0] for point in party.trace] == [n * 1000 for n in range(5, TRACE_POINTS + 5)]
    assert party.last.end_ms == max(order) * 1000
    assert party.counts == {"angry": len(order)}


def test_of_a_party_that_is_not_analysed_there_is_no_emotion_to_show(make: Any, at: Any) -> None:
    call = record()
    call.add_state(at(make.state(), 0))
    call.add_utterance(at(make.utterance(1), 3), 10)
    customer, agent = shown(call).parties
    assert (customer.role, customer.counts) == ("customer", {"angry": 1})
    assert (agent.role, agent.counts, agent.last, agent.partial, agent.trace) == ("agent", {}, None, None, ())


def test_an_uncertain_verdict_is_counted_as_none(make: Any, at: Any) -> None:
    call = record()
    call.add_utterance(at(make.utterance(1, uncertain=True), 3), 10)
    (party,) = shown(call).parties
    assert (party.counts, party.uncertain) == ({}, 1)
    assert party.last.uncertain


def test_a_rolling_verdict_shows_until_its_utterance_has_come_or_the_call_ends(make: Any, at: Any) -> None:
    def partial(after_s: float, part: int) -> PartialEvent:
        event = at(make.utterance(1, top="sad", end_ms=round(after_s * 1000)), after_s, name=f"part-{part}")
        return PartialEvent(
            id=event.id, source="", subject="", time=event.time, sequence=f"0000000000.{part:05d}", data=event.data
        )

    call = record()
    assert call.add_partial(partial(3, 2))
    assert not call.add_partial(partial(2, 1))  # late
    assert shown(call).parties == ()  # nobody is known to be there but by what was said for good
    call.add_state(at(make.state(), 0))
    assert shown(call).parties[0].partial.end_ms == 3000
    call.add_utterance(at(make.utterance(1, end_ms=4000), 4), 10)
    assert shown(call).parties[0].partial is None
    call.add_partial(partial(6, 3))
    assert shown(call).parties[0].partial is not None
    call.add_ended(at(make.ended(), 7))
    assert shown(call).parties[0].partial is None


def test_the_summary_counts_until_the_call_begins_anew(make: Any, at: Any) -> None:
    call = record()
    call.add_state(at(make.state(), 0))
    assert call.add_ended(at(make.ended(), 9))
    assert not call.add_ended(at(make.ended(), 8, name="older"))
    over = shown(call)
    assert (over.status, over.duration_ms, over.ended_reason) == ("ended", 245_000, "stop")
    assert call.summary() is not None
    assert call.add_state(at(make.state(), 20, name="again"))
    assert not call.add_state(at(make.state(), 0))
    assert shown(call).status == "live"
    assert call.summary() is None


def test_the_oldest_utterance_goes_where_there_are_too_many(make: Any, at: Any) -> None:
    call = record()
    for n in (2, 1):
        call.add_utterance(at(make.utterance(n), n), 2)
    assert call.add_utterance(at(make.utterance(2), 2), 2) is None
    went = call.add_utterance(at(make.utterance(3), 3), 2)
    assert went is not None
    assert [row.n for row in went] == [1]
    assert [row.n for row in call.rows()] == [2, 3]


def test_an_alert_shows_who_was_first(make: Any, at: Any) -> None:
    alert = AlertRecord(make.alert(), BEGAN_S)
    assert alert.show().acknowledged is None
    early, late = at(make.acknowledgement(by="Ben"), 1), at(make.acknowledgement(by="Ada"), 2)
    assert first_of(late, early) is first_of(early, late) is early
    assert first_of(None, late) is first_of(late, None) is late
    alert.acknowledgement = early
    assert msgspec.to_builtins(alert.show().acknowledged) == {"by": "Ben", "time": early.time, "note": "Called back."}
