from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.engine import Engine
from streamer_client.alerts.memory import CallMemory
from streamer_client.alerts.rules import Rule, default_rules
from streamer_client.events import (
    EMOTIONS,
    AlertEvent,
    CallRef,
    EndedEvent,
    Event,
    Severity,
    UtteranceEvent,
    decode,
    encode,
)

TWICE = Rule(
    name="twice",
    severity=Severity.WARNING,
    message="Listen in.",
    emotions=("angry",),
    count=2,
    within_s=60,
    cooldown_s=100,
)


UNANSWERED = Rule(
    name="unanswered",
    severity=Severity.WARNING,
    message="Step in.",
    emotions=("angry",),
    silence_of="agent",
    silence_s=20,
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


def restarted(engine: Engine, seen: dict[tuple[str, str], list[str]], alerts: list[AlertEvent], rules: Any) -> Engine:
    """Return an engine that knows what was written down of another one, as after a kill and a restart."""
    fresh = Engine(rules)
    calls = [(key, memory) for key in seen if (memory := engine.memory(key)) is not None]
    for key, memory in sorted(calls, key=lambda call: call[1].last_s):
        fresh.restore(key, msgspec.json.decode(msgspec.json.encode(memory), type=CallMemory), seen[key])
    fresh.restore_alerted([alert.id for alert in alerts])
    return fresh


@given(story=CALLS, kills=st.sets(st.integers(0, 60)), ends=st.sets(st.integers(0, 60)))
def test_an_engine_that_is_killed_anywhere_finds_the_same_alerts(make: Any, story: Any, kills: Any, ends: Any) -> None:
    rules = [*default_rules(), TWICE, UNANSWERED]
    events: list[Event] = []
    for n, (call, top, uncertain, role, confidence) in enumerate(story):
        events.append(said(make, n, top, call=call, uncertain=uncertain, role=role, confidence=confidence))
        if n in ends:
            events.append(make.ended(call=call))
    engine, seen, alerts = Engine(rules), dict[tuple[str, str], list[str]](), list[AlertEvent]()
    for n, event in enumerate(events):
        if isinstance(event, UtteranceEvent | EndedEvent):
            seen.setdefault((event.data.call.tenant, event.data.call.id), []).append(event.id)
        alerts += engine.receive(event, now_s=float(n))
        if n in kills:
            engine = restarted(engine, seen, alerts, rules)
            # What was not acknowledged comes again.
            alerts += [
                again for last in events[max(0, n - 3) : n + 1] for again in engine.receive(last, now_s=float(n))
            ]
    whole = Engine(rules)
    assert alerts == [alert for n, event in enumerate(events) for alert in whole.receive(event, now_s=float(n))]


def test_what_comes_again_behind_the_end_of_its_call_completes_no_other_alert(make: Any) -> None:
    engine = Engine([TWICE])
    events = [said(make, n, top) for n, top in enumerate(["angry", "angry", "angry"], 1)]
    assert len(run(engine, [*events, make.ended()])) == 1
    assert run(engine, [events[1], events[2], make.ended()]) == []


def test_an_end_that_comes_again_does_not_end_a_new_call_under_the_same_id(make: Any) -> None:
    engine = Engine([TWICE])
    begun = [said(make, 1), make.ended(), said(make, 2, name="new-1")]
    assert run(engine, [*begun, make.ended()]) == []
    assert len(run(engine, [said(make, 3, name="new-2")])) == 1


def test_a_new_call_under_the_id_of_an_ended_one_starts_with_nothing(make: Any) -> None:
    engine = Engine([TWICE])
    assert run(engine, [said(make, 1), make.ended(), said(make, 1, name="new-1")]) == []
    assert len(run(engine, [said(make, 2, name="new-2")])) == 1


def test_who_objects_leaves_nothing_behind(make: Any) -> None:
    engine = Engine([TWICE])
    run(engine, [said(make, 1)])
    assert engine.memory(("default", "CA1")) is not None
    ended = make.ended()
    data = msgspec.structs.replace(ended.data, reason="withdrawn")
    assert run(engine, [msgspec.structs.replace(ended, data=data)]) == []
    assert engine.memory(("default", "CA1")) is None
    assert engine.take_touched() == [("default", "CA1")]


def of_call(event: UtteranceEvent, **labels: str) -> UtteranceEvent:
    call = CallRef(id=event.data.call.id, tenant=event.data.call.tenant, labels=labels)
    return msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, call=call))


def test_a_rule_about_a_queue_or_a_tenant_is_about_these_calls_alone(make: Any) -> None:
    sales = msgspec.structs.replace(TWICE, labels={"queue": "sales"})
    acme = msgspec.structs.replace(TWICE, tenants=("acme",))
    events = [said(make, 1), said(make, 2)]
    for wrong in ({}, {"queue": "service"}, {"shift": "sales"}):
        assert run(Engine([sales]), [of_call(event, **wrong) for event in events]) == []
    assert len(run(Engine([sales]), [of_call(event, queue="sales", shift="late") for event in events])) == 1
    assert run(Engine([acme]), events) == []
    assert len(run(Engine([acme]), [said(make, 1, tenant="acme"), said(make, 2, tenant="acme")])) == 1


def analysed(make: Any, *roles: str) -> Event:
    state = make.state()
    return msgspec.structs.replace(state, data=msgspec.structs.replace(state.data, analysed=roles))


def test_silence_of_a_side_that_is_not_analysed_is_no_reason_for_an_alert(make: Any) -> None:
    talk = [said(make, n) for n in range(1, 20)]
    assert run(Engine([UNANSWERED]), [analysed(make, "customer"), *talk, make.ended()]) == []
    assert run(Engine([UNANSWERED]), talk) == [], "not known is not silent"


def test_an_angry_customer_whom_an_analysed_agent_leaves_waiting_is_one(make: Any) -> None:
    (alert,) = run(Engine([UNANSWERED]), [analysed(make, "customer", "agent"), *(said(make, n) for n in range(1, 6))])
    # 15 s before the end of the fifth utterance the agent is known to have been silent for 20 s since the first.
    assert alert.data.utterances == tuple(said(make, n).id for n in (1, 2, 3))
    assert (alert.data.role, alert.data.rule) == ("customer", "unanswered")


def test_the_end_of_the_call_proves_the_silence_before_it(make: Any) -> None:
    engine = Engine([UNANSWERED])
    assert run(engine, [analysed(make, "customer", "agent"), said(make, 1)]) == []
    (alert,) = run(engine, [make.ended()])
    assert (alert.data.utterances, alert.time) == ((said(make, 1).id,), make.ended().time)
    assert alert.subject == "CA1/customer/unanswered"


@pytest.mark.parametrize("kind", [EndedEvent, AlertEvent])
def test_nothing_but_utterances_and_states_makes_a_call_known(make: Any, kind: Any) -> None:
    engine = Engine([UNANSWERED])
    run(engine, [make.ended() if kind is EndedEvent else make.alert()])
    # The end of an unknown call is remembered, so that the clearing behind it is no objection.
    assert (engine.calls, engine.take_touched()) == (0, [("default", "CA1")] if kind is EndedEvent else [])
    run(engine, [make.state()])
    assert engine.calls == 1


LOUD = st.lists(st.tuples(st.sampled_from(EMOTIONS), st.integers(1, 40)), min_size=1, max_size=25)


def a_session(make: Any, turns: list[tuple[str, int]], name: str) -> list[UtteranceEvent]:
    at_s, events = 0, []
    for n, (top, pause_s) in enumerate(turns, 1):
        at_s += pause_s
        events.append(make.utterance(n, top=top, start_ms=1000 * at_s, end_ms=1000 * at_s + 900, name=f"{name}-{n}"))
    return events


@given(LOUD, LOUD)
def test_a_clock_that_begins_anew_without_an_end_is_a_call_begun_anew(
    make: Any, before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    rules = [TWICE, *default_rules()]
    fresh = a_session(make, after, "new")
    died = Engine(rules)
    old = a_session(make, before, "old")
    run(died, old)
    assert run(died, fresh) == run(Engine(rules), fresh)
    assert run(died, [*old, *fresh]) == []  # what comes again is known, and resets nothing


def test_a_numbering_that_runs_back_for_one_role_is_not_begun_anew_again_for_the_other(make: Any) -> None:
    engine = Engine([TWICE])
    run(engine, [make.utterance(n, role=role, name=f"old{n}{role}") for n in (1, 2) for role in ("agent", "customer")])
    new = [said(make, 1, name="a"), said(make, 1, role="agent", name="b"), said(make, 2, name="c")]
    assert [alert.data.utterances for alert in run(engine, new)] == [("a", "c")]


KEY = ("default", "CA1")


def from_node(event: Any, node: str, time: str) -> Any:
    """Return an event as another server sends it."""
    return msgspec.structs.replace(event, id=f"{event.id}@{node}@{time}", source=f"/nodes/{node}", time=time)


def moved(make: Any) -> Engine:
    """Return an engine in a call that began at one server, which died, and goes on at another."""
    engine = Engine([TWICE])
    run(engine, [from_node(make.state(), "one", "10:00"), from_node(said(make, 1, "sad"), "one", "10:01")])
    run(engine, [from_node(make.state(), "two", "10:02"), from_node(said(make, 1), "two", "10:05")])
    return engine


def test_a_server_that_comes_back_ends_no_call_that_has_gone_on_at_another(make: Any) -> None:
    engine = moved(make)
    run(engine, [from_node(make.status(), "one", "10:04")])  # back, before the other one's last word
    assert engine.cleared(KEY) is False
    assert run(engine, [from_node(said(make, 2), "two", "10:06")]), "what was said before still counts"


def test_an_objection_at_the_second_server_is_one_whatever_became_of_the_first(make: Any) -> None:
    gone = msgspec.structs.replace(make.status().data, status="offline")
    for statuses in ([], [msgspec.structs.replace(from_node(make.status(), "one", "10:03"), data=gone)]):
        engine = moved(make)
        run(engine, [decode(encode(status)) for status in statuses])
        assert engine.cleared(KEY) is True
        assert engine.memory(KEY) is None


def test_of_two_clearings_the_first_is_that_of_the_server_that_came_back_and_the_second_an_objection(make: Any) -> None:
    engine = moved(make)
    run(engine, [from_node(make.status(), "one", "10:04")])
    assert engine.cleared(KEY) is False
    assert engine.cleared(KEY) is True


def test_a_call_whose_only_server_came_back_is_over_and_nobody_has_objected(make: Any) -> None:
    engine = Engine([TWICE])
    run(engine, [from_node(said(make, 1), "one", "10:01"), from_node(make.status(), "one", "10:04")])
    assert engine.cleared(KEY) is False
    assert engine.calls == 0
