from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.engine import Engine
from streamer_client.alerts.rules import Rule, default_rules
from streamer_client.events import EMOTIONS, AlertEvent, Event, Severity, UtteranceEvent, decode, encode

TWICE = Rule(
    name="twice",
    severity=Severity.WARNING,
    message="Listen in.",
    emotions=("angry",),
    count=2,
    within_s=60,
    cooldown_s=100,
)


def said(make: Any, n: int, top: str = "angry", **more: Any) -> UtteranceEvent:
    """Return utterance n of a call in which one is said every ten seconds."""
    return make.utterance(n, top=top, start_ms=10_000 * n, end_ms=10_000 * n + 2000, **more)


def run(engine: Engine, events: Iterable[Event]) -> list[AlertEvent]:
    return [alert for event in events for alert in engine.receive(event, now_s=0.0)]


def test_an_alert_says_what_a_supervisor_needs_and_can_be_read_back(make: Any) -> None:
    (alert,) = run(Engine([TWICE]), [said(make, 1), said(make, 2)])
    assert (alert.source, alert.subject, alert.time) == ("/alerts", "CA1/customer/twice", said(make, 2).time)
    assert (alert.data.rule, alert.data.severity, alert.data.role) == ("twice", Severity.WARNING, "customer")
    assert alert.data.utterances == (said(make, 1).id, said(make, 2).id)
    assert alert.data.call == said(make, 1).data.call
    assert decode(encode(alert)) == alert


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["CA1", "CA2"]),
        st.sampled_from(EMOTIONS),
        st.booleans(),
        st.sampled_from(["customer", "agent"]),
        st.floats(0.3, 1),
    ),
    max_size=60,
)


@given(CALLS)
def test_the_same_events_give_the_same_alerts_and_none_twice(make: Any, story: Any) -> None:
    events = [
        said(make, n, top, call=call, uncertain=uncertain, role=role, confidence=confidence)
        for n, (call, top, uncertain, role, confidence) in enumerate(story)
    ]
    alerts = run(Engine(default_rules()), events)
    assert run(Engine(default_rules()), events) == alerts
    assert run(Engine(default_rules()), [event for event in events for _ in range(2)]) == alerts
    assert len({alert.id for alert in alerts}) == len(alerts)
    by_id = {event.id: event for event in events}
    for alert in alerts:
        behind = [by_id[name] for name in alert.data.utterances]
        assert {event.data.speaker.role for event in behind} == {"customer"}
        assert {event.data.call.id for event in behind} == {alert.data.call.id}
        assert not any(event.data.emotion.uncertain for event in behind)


def test_calls_of_two_tenants_and_two_ids_are_kept_apart(make: Any) -> None:
    events = [said(make, 1), said(make, 2, call="CA2"), said(make, 3, tenant="acme")]
    assert run(Engine([TWICE]), events) == []


def test_a_rule_about_the_customer_is_deaf_to_the_agent(make: Any) -> None:
    assert run(Engine([TWICE]), [said(make, 1, role="agent"), said(make, 2, role="agent")]) == []


def test_a_rule_is_silent_until_its_cooldown_is_over(make: Any) -> None:
    # Alert at 22 s, silence until 122 s; the utterance that ends at 122 s is the first to complete one again.
    alerts = run(Engine([TWICE]), [said(make, n) for n in range(1, 13)])
    assert [alert.data.utterances[-1] for alert in alerts] == [said(make, 2).id, said(make, 12).id]


def test_no_utterance_stands_behind_two_alerts_of_a_rule(make: Any) -> None:
    eager = Rule(name="r", severity=Severity.INFO, message="m", emotions=("angry",), count=2, within_s=60)
    alerts = run(Engine([eager]), [said(make, n) for n in range(1, 7)])
    behind = [name for alert in alerts for name in alert.data.utterances]
    assert (len(alerts), len(set(behind))) == (3, 6)


def test_an_ended_call_is_forgotten_and_its_events_do_not_alert_again(make: Any) -> None:
    engine = Engine([TWICE])
    assert len(run(engine, [said(make, 1), said(make, 2)])) == 1
    assert run(engine, [make.ended()]) == []
    assert engine.calls == 0
    assert run(engine, [said(make, 1), said(make, 2)]) == []


def test_a_call_that_fell_silent_is_forgotten(make: Any) -> None:
    engine = Engine([TWICE], idle_s=60)
    engine.receive(said(make, 1), now_s=0)
    engine.receive(said(make, 1, call="CA2"), now_s=30)
    engine.receive(said(make, 2, call="CA2"), now_s=61)
    assert engine.calls == 1
    assert engine.receive(said(make, 2), now_s=62) == []


def test_everything_that_is_no_utterance_is_ignored(make: Any) -> None:
    engine = Engine([TWICE])
    assert run(engine, [make.state(), make.alert(), make.status(), make.ended()]) == []
    assert engine.calls == 0
