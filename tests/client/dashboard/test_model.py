"""The model: the same events give the same picture, whatever the bus does to their order; and an objection is total."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamer_client.dashboard.changes import Changes
from streamer_client.dashboard.model import Keep, Model
from streamer_client.dashboard.times import epoch_s
from streamer_client.events import AcknowledgementData, AlertData, CallRef, Event, EventError, PartialEvent, Severity

BEGAN_S = 1_790_000_000.0
NOW_S = BEGAN_S + 600
MIDNIGHT_S = BEGAN_S - 7200
KEY = ("default", "CA1")


def picture(model: Model) -> Any:
    """Return everything a page could be shown."""
    calls = model.calls()
    return (
        calls,
        model.alerts(),
        model.nodes(),
        model.today(NOW_S, MIDNIGHT_S),
        [model.detail((call.tenant, call.id)) for call in calls],
    )


def told(*events: Event, keep: Keep | None = None) -> Model:
    model = Model(keep)
    for event in events:
        model.receive(event, NOW_S)
    return model


def partial_of(event: Any) -> PartialEvent:
    return PartialEvent(
        id=f"{event.id}-partial",
        source=event.source,
        subject=event.subject,
        time=event.time,
        sequence="0000000000.00001",
        data=event.data,
    )


def alert_of(make: Any, at: Any, call: str, n: int, after_s: float) -> Any:
    data = AlertData(CallRef(id=call), "angry-customer", Severity.WARNING, "customer", "Listen in.", (f"u{n}",))
    return msgspec.structs.replace(at(make.alert(), after_s, name=f"{call}-alert-{n}"), data=data)


def taken_by(make: Any, at: Any, alert: Any, by: str, after_s: float) -> Any:
    data = AcknowledgementData(alert.data.call, alert.id, by, "")
    return msgspec.structs.replace(at(make.acknowledgement(), after_s, name=f"{alert.id}-{by}"), data=data)


@st.composite
def stories(draw: st.DrawFn) -> list[list[tuple[str, int, float]]]:
    """Draw what each sender says, in its order: (what, number, seconds after the beginning)."""
    senders = []
    for _ in range(draw(st.integers(1, 3))):
        count = draw(st.integers(0, 6))
        story = [("state", 0, 0.0), *(("utterance", n, 5.0 * n) for n in range(1, count + 1))]
        if draw(st.booleans()):
            story.append(("partial", count + 1, 5.0 * count + 3))
        if draw(st.booleans()):
            story.append(("ended", 0, 5.0 * count + 10))
        senders.append(story)
    return senders


def said(make: Any, at: Any, call: str, one: tuple[str, int, float]) -> Event:
    what, n, after_s = one
    if what == "state":
        return at(make.state(call), after_s)
    if what == "ended":
        return at(make.ended(call), after_s)
    top = ("angry", "neutral", "sad")[n % 3]
    end_ms = round(after_s * 1000)
    event = at(
        make.utterance(n, call=call, top=top, uncertain=n % 4 == 0, start_ms=max(0, end_ms - 2000), end_ms=end_ms),
        after_s,
    )
    return partial_of(event) if what == "partial" else event


@settings(max_examples=60)
@given(data=st.data(), senders=stories())
def test_any_order_of_the_bus_and_any_repetition_give_the_same_picture(
    make: Any, at: Any, data: st.DataObject, senders: Any
) -> None:
    lines = [[said(make, at, f"CA{number}", one) for one in story] for number, story in enumerate(senders)]
    for number in range(len(senders)):
        alert = alert_of(make, at, f"CA{number}", 1, 20)
        takers = [taken_by(make, at, alert, by, after) for by, after in (("Ada", 40), ("Ben", 30))]
        lines += [[alert], [takers[0]], [takers[1]]]
    plain = [event for line in lines for event in line]
    mixed: list[Event] = []
    waiting = [list(line) for line in lines]
    while any(waiting):
        line = data.draw(st.sampled_from([line for line in waiting if line]))
        mixed.append(line.pop(0))
        if data.draw(st.integers(0, 4)) == 0:
            mixed.append(data.draw(st.sampled_from(mixed)))  # at least once is sometimes twice, and late
    assert picture(told(*mixed)) == picture(told(*plain))


@given(n=st.integers(0, 5), alerts=st.integers(0, 2), late=st.booleans())
def test_after_an_objection_nothing_of_the_call_is_left_and_nothing_of_it_comes_back(
    make: Any, at: Any, n: int, alerts: int, late: bool
) -> None:
    others = [at(make.state("CA2"), 1), at(make.utterance(1, call="CA2"), 2), alert_of(make, at, "CA2", 1, 3)]
    own: list[Event] = [at(make.state(), 0)]
    own += [at(make.utterance(k, top="sad"), 5 * k) for k in range(1, n + 1)]
    own += [alert_of(make, at, "CA1", k, 30 + k) for k in range(alerts)]
    own += [taken_by(make, at, alert_of(make, at, "CA1", k, 30 + k), "Ada", 60) for k in range(alerts)]
    model = told(*others, *own)
    changes = model.cleared(KEY)
    assert ("gone", KEY) in changes.shown
    assert [key for key, _ in changes.withdrawn] == [KEY]
    for event in own if late else []:
        assert not model.receive(event, NOW_S).shown
    assert picture(model) == picture(told(*others))


def test_a_summary_that_says_withdrawn_removes_the_call_too(make: Any, at: Any) -> None:
    model = told(at(make.state(), 0), at(make.utterance(1), 5))
    ended = at(make.ended(), 9)
    model.receive(msgspec.structs.replace(ended, data=msgspec.structs.replace(ended.data, reason="withdrawn")), NOW_S)
    assert model.calls() == ()
    assert model.today(NOW_S, MIDNIGHT_S).utterances == {}


def test_a_later_call_of_the_same_name_begins_anew_after_an_objection(make: Any, at: Any) -> None:
    model = told(at(make.state(), 0), at(make.utterance(1), 5))
    model.cleared(KEY)
    model.receive(at(make.state(), 50, name="again"), NOW_S)
    model.receive(at(make.utterance(2), 8), NOW_S)  # of the first call, late
    model.receive(at(make.utterance(1, name="new"), 55), NOW_S)
    detail = model.detail(KEY)
    assert detail is not None
    assert [row.id for row in detail.utterances] == ["new"]
    assert detail.call.status == "live"


def test_a_cleared_state_after_the_summary_is_the_usual_end(make: Any, at: Any) -> None:
    model = told(at(make.state(), 0), at(make.ended(), 9))
    assert not model.cleared(KEY).shown
    assert model.calls()[0].ended_reason == "stop"


@pytest.mark.parametrize("status", ["offline", "online"])
def test_a_call_whose_server_died_ends_as_lost_and_keeps_what_was_said(make: Any, at: Any, status: str) -> None:
    # `online` again without `offline` between: a restart that was quicker than the last will.
    node = at(make.status(), 30, name="later")
    node = msgspec.structs.replace(node, data=msgspec.structs.replace(node.data, status=status))
    node = msgspec.convert(msgspec.to_builtins(node), type(node))
    model = told(at(make.status(), -5), at(make.state(), 0), at(make.utterance(1), 5), node)
    model.cleared(KEY)
    (call,) = model.calls()
    assert (call.status, call.ended_reason) == ("ended", "lost")
    assert call.parties[0].counts == {"angry": 1}


def test_calls_of_a_server_that_is_offline_are_lost_until_it_is_back(make: Any, at: Any) -> None:
    def status(name: str, value: str) -> Any:
        event = make.status()
        said = {**msgspec.to_builtins(event.data), "status": value}
        return at(msgspec.structs.replace(event, data=msgspec.convert(said, type(event.data))), 7, name=name)

    model = told(status("1", "online"), at(make.state(), 0), at(make.state("CA2"), 0, source="/nodes/other"))
    changes = model.receive(status("2", "offline"), NOW_S)
    assert ("call", KEY) in changes.shown
    assert ("call", ("default", "CA2")) not in changes.shown
    assert {call.id: call.status for call in model.calls()} == {"CA1": "ended", "CA2": "live"}
    model.receive(status("3", "online"), NOW_S)
    assert {call.status for call in model.calls()} == {"live"}


def test_a_call_of_which_nothing_is_heard_for_long_is_lost_until_something_is(make: Any, at: Any) -> None:
    keep = Keep(quiet_s=60)
    model = told(at(make.state(), 0), keep=keep)
    assert not model.expire(NOW_S + 60).shown
    assert ("call", KEY) in model.expire(NOW_S + 61).shown
    assert model.calls()[0].ended_reason == "lost"
    model.receive(at(make.state(), 0), NOW_S + 70)  # its retained state, again: it goes on
    assert model.calls()[0].status == "live"


def test_what_is_too_old_goes_and_its_open_alerts_as_well(make: Any, at: Any) -> None:
    model = told(at(make.state(), 0), at(make.ended(), 10), alert_of(make, at, "CA1", 1, 5), keep=Keep(age_s=3600))
    assert not model.expire(BEGAN_S + 3600).evicted
    changes = model.expire(BEGAN_S + 3700)
    assert changes.evicted == [KEY]
    assert changes.alerts_dropped == ["CA1-alert-1"]
    assert (model.calls(), model.alerts()) == ((), ())


@given(story=st.tuples(st.integers(1, 8), st.integers(1, 8)), most=st.integers(1, 5), rows=st.integers(4, 20))
def test_memory_is_bounded_and_live_calls_go_last(
    make: Any, at: Any, story: tuple[int, int], most: int, rows: int
) -> None:
    calls, each = story
    model = Model(Keep(calls=most, utterances=rows, per_call=4))
    model.receive(at(make.state("LIVE"), 0), NOW_S)
    for number in range(calls):
        name = f"CA{number}"
        for event in (
            at(make.state(name), number),
            *(at(make.utterance(n, call=name), number + n / 100) for n in range(each)),
            at(make.ended(name), number + 1),
        ):
            model.receive(event, NOW_S)
        shown = model.calls()
        assert len(shown) <= most
        details = [model.detail((call.tenant, call.id)) for call in shown]
        assert sum(len(detail.utterances) for detail in details if detail) <= rows
        assert all(len(detail.utterances) <= 4 for detail in details if detail)
    assert most == 1 or "LIVE" in [call.id for call in model.calls()]
    assert model.today(NOW_S, MIDNIGHT_S).calls == calls + 1  # who is no longer kept is counted all the same
    assert model.today(NOW_S, MIDNIGHT_S).utterances == {"angry": calls * each}


def test_an_utterance_that_goes_is_said_so_that_it_goes_from_the_disk_too(make: Any, at: Any) -> None:
    model = told(*(at(make.utterance(n, name=f"u{n}"), n) for n in (1, 2)), keep=Keep(per_call=2))
    assert model.receive(at(make.utterance(3, name="u3"), 3), NOW_S).rows == ["u1"]


def test_acknowledged_alerts_go_before_open_ones(make: Any, at: Any) -> None:
    first, second, third = (alert_of(make, at, "CA1", n, n) for n in (1, 2, 3))
    model = told(first, second, taken_by(make, at, second, "Ada", 9), third, keep=Keep(alerts=2))
    assert [alert.id for alert in model.alerts()] == ["CA1-alert-1", "CA1-alert-3"]


def test_an_open_alert_outlives_its_call_where_there_are_too_many_calls(make: Any, at: Any) -> None:
    model = told(at(make.state(), 0), alert_of(make, at, "CA1", 1, 1), at(make.ended(), 2), keep=Keep(calls=1))
    changes = model.receive(at(make.state("CA2"), 3), NOW_S)
    assert changes.shown.index(("gone", KEY)) < changes.shown.index(("alert", "CA1-alert-1"))
    assert [alert.id for alert in model.alerts()] == ["CA1-alert-1"]


def test_the_first_who_acknowledges_counts_even_if_heard_second_and_before_the_alert(make: Any, at: Any) -> None:
    alert = alert_of(make, at, "CA1", 1, 5)
    ben, ada = taken_by(make, at, alert, "Ben", 10), taken_by(make, at, alert, "Ada", 12)
    for order in ((alert, ada, ben), (ada, ben, alert), (ben, alert, ada)):
        shown = told(*order).alert(alert.id)
        assert shown is not None
        assert shown.acknowledged is not None
        assert shown.acknowledged.by == "Ben"


def test_alerts_stand_by_urgency_and_taken_ones_behind(make: Any, at: Any) -> None:
    info = at(make.alert("CA3", Severity.INFO), 1)
    late, early = at(make.alert("CA1", Severity.CRITICAL), 9), at(make.alert("CA2", Severity.CRITICAL), 2)
    taken = alert_of(make, at, "CA4", 1, 0)
    model = told(info, late, early, taken, taken_by(make, at, taken, "Ada", 3))
    assert [alert.call for alert in model.alerts()] == ["CA2", "CA1", "CA3", "CA4"]


def test_today_counts_by_hour_and_says_how_long_alerts_waited(make: Any, at: Any) -> None:
    alerts = [alert_of(make, at, "CA1", n, n) for n in (1, 2, 3)]
    model = told(
        at(make.state(), 0),
        at(make.utterance(1), 4),
        at(make.utterance(2, uncertain=True), 5),
        at(make.utterance(3, top="bored", scores={"bored": 1.0}), 6),
        *alerts,
        taken_by(make, at, alerts[0], "Ada", 11),
        taken_by(make, at, alerts[1], "Ada", 32),
    )
    today = model.today(NOW_S, MIDNIGHT_S)
    assert len(today.hours) == 3
    assert [hour.calls for hour in today.hours] == [0, 0, 1]
    assert (today.utterances, today.uncertain) == ({"angry": 1, "other": 1}, 1)
    assert (today.alerts, today.open_alerts, today.live) == ({"warning": 3}, 1, 1)
    assert today.median_acknowledgement_s == 20.0


def test_a_time_that_is_none_is_an_error_and_changes_nothing(make: Any) -> None:
    model = Model()
    for wrong in ("yesterday", "2026-11-22T10:15:04"):
        with pytest.raises(EventError, match="expected one like"):
            model.receive(msgspec.structs.replace(make.utterance(), time=wrong), NOW_S)
    assert model.calls() == ()


def test_nodes_and_waiting_acknowledgements_are_bounded(make: Any, at: Any) -> None:
    model = Model(Keep(nodes=2, alerts=2))
    for number in range(5):
        status = make.status()
        data = msgspec.structs.replace(status.data, node=f"n{number}")
        model.receive(at(msgspec.structs.replace(status, data=data), number, name=str(number)), NOW_S)
        alert = alert_of(make, at, "CA1", number, 1)
        model.receive(taken_by(make, at, alert, "Ada", 2), NOW_S)
    assert [node.node for node in model.nodes()] == ["n3", "n4"]
    for number in range(5):
        model.receive(alert_of(make, at, "CA9", number, 1), NOW_S)
    counts = Counter(alert.acknowledged is None for alert in model.alerts())
    assert counts[True] <= 2


def test_a_lost_call_that_nobody_knows_is_no_matter() -> None:
    changes = Changes()
    Model().lose(KEY, changes)
    assert changes.lost == []
    assert epoch_s("2026-09-21T14:13:20.000Z") == BEGAN_S
