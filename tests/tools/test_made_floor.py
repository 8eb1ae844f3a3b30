"""The made-up floor of the pictures: whatever its size, it says nothing that the bus could not carry."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from streamer_client.dashboard.model import Model
from streamer_client.events import AlertEvent, UtteranceEvent, decode, encode

from tools.made_floor import floor, topic_of

NOW_S = 1_800_000_000.0


@settings(max_examples=20, deadline=None)
@given(live=st.integers(0, 8), over=st.integers(0, 8), seed=st.integers(0, 1000))
def test_every_event_reads_back_as_it_was_and_the_same_seed_gives_the_same(live: int, over: int, seed: int) -> None:
    events = list(floor(NOW_S, live=live, over=over, hours=1, seed=seed))
    assert [decode(encode(event)) for event in events] == events
    assert list(floor(NOW_S, live=live, over=over, hours=1, seed=seed)) == events


@settings(max_examples=20, deadline=None)
@given(live=st.integers(0, 8), over=st.integers(0, 8), seed=st.integers(0, 1000))
def test_the_dashboard_counts_as_many_calls_as_were_asked_for(live: int, over: int, seed: int) -> None:
    model = Model()
    for event in floor(NOW_S, live=live, over=over, hours=1, seed=seed):
        model.receive(event, NOW_S)
    statuses = [call.status for call in model.picture.calls()]
    assert (statuses.count("live"), statuses.count("ended")) == (live, over)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_no_alert_rests_on_a_verdict_that_is_uncertain_and_scores_are_probabilities(seed: int) -> None:
    events = list(floor(NOW_S, live=6, over=6, hours=1, seed=seed))
    heard = {event.id: event for event in events if isinstance(event, UtteranceEvent)}
    for event in heard.values():
        scores = event.data.emotion.scores
        assert abs(sum(scores.values()) - 1) < 0.05
        assert event.data.emotion.confidence == max(scores.values()) == scores[event.data.emotion.top]
    for alert in (event for event in events if isinstance(event, AlertEvent)):
        assert not any(heard[behind].data.emotion.uncertain for behind in alert.data.utterances)


def test_events_go_where_the_manual_says() -> None:
    topics = {topic_of(event).split("/")[-1] for event in floor(NOW_S, live=4, over=8, hours=1)}
    assert topics <= {"status", "state", "utterance", "ended", "acknowledgements", "warning", "critical"}
    assert {"status", "state", "utterance", "ended"} <= topics
