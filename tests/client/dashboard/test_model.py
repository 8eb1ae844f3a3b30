"""The model: the same events give the same picture, whatever the bus does to their order; and an objection is total."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamer_client.dashboard.changes import Changes
from streamer_client.dashboard.floor import Keep
from streamer_client.dashboard.model import Model
from streamer_client.dashboard.times import epoch_s
from streamer_client.events import CallRef, Event, EventError, PartialEvent

BEGAN_S = 1_790_000_000.0
NOW_S = BEGAN_S + 600
MIDNIGHT_S = BEGAN_S - 7200
KEY = ("default", "CA1")


def picture(model: Model) -> Any:
    """Return everything a page could be shown."""
    calls = model.picture.calls()
    return (
        calls,
        model.picture.alerts(),
        model.picture.nodes(),
        model.picture.today(NOW_S, MIDNIGHT_S),
        [model.picture.detail((call.tenant, call.id)) for call in calls],
    )


def partial_of(event: Any) -> PartialEvent:
    return PartialEvent(
        id=f"{event.id}-partial",
        source=event.source,
        subject=event.subject,
        time=event.time,
        sequence="0000000000.00001",
        data=event.data,
    )


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
    *, make: Any, at: Any, data: st.DataObject, senders: Any, told: Any, alert_of: Any, taken_by: Any
) -> None:
    lines = [[said(make, at, f"CA{number}", one) for one in story] for number, story in enumerate(senders)]
    for number in range(len(senders)):
        alert = alert_of(f"CA{number}", 1, 20)
        takers = [taken_by(alert, by, after) for by, after in (("Ada", 40), ("Ben", 30))]
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
    *, make: Any, at: Any, n: int, alerts: int, late: bool, told: Any, alert_of: Any, taken_by: Any
) -> None:
    others = [at(make.state("CA2"), 1), at(make.utterance(1, call="CA2"), 2), alert_of("CA2", 1, 3)]
    own: list[Event] = [at(make.state(), 0)]
    own += [at(make.utterance(k, top="sad"), 5 * k) for k in range(1, n + 1)]
    own += [alert_of("CA1", k, 30 + k) for k in range(alerts)]
    own += [taken_by(alert_of("CA1", k, 30 + k), "Ada", 60) for k in range(alerts)]
    model = told(*others, *own)
    changes = model.cleared(KEY)
    assert ("gone", KEY) in changes.shown
    assert [key for key, _ in changes.withdrawn] == [KEY]
    for event in own if late else []:
        assert not model.receive(event, NOW_S).shown
    assert picture(model) == picture(told(*others))


def test_a_summary_that_says_withdrawn_removes_the_call_too(make: Any, at: Any, told: Any) -> None:
    model = told(at(make.state(), 0), at(make.utterance(1), 5))
    ended = at(make.ended(), 9)
    model.receive(msgspec.structs.replace(ended, data=msgspec.structs.replace(ended.data, reason="withdrawn")), NOW_S)
    assert model.picture.calls() == ()
    assert model.picture.today(NOW_S, MIDNIGHT_S).utterances == {}


def test_a_later_call_of_the_same_name_begins_anew_after_an_objection(make: Any, at: Any, told: Any) -> None:
    model = told(at(make.state(), 0), at(make.utterance(1), 5))
    model.cleared(KEY)
    model.receive(at(make.state(), 50, name="again"), NOW_S)
    model.receive(at(make.utterance(2), 8), NOW_S)  # of the first call, late
    model.receive(at(make.utterance(1, name="new"), 55), NOW_S)
    detail = model.picture.detail(KEY)
    assert detail is not None
    assert [row.id for row in detail.utterances] == ["new"]
    assert detail.call.status == "live"


def test_a_cleared_state_after_the_summary_is_the_usual_end(make: Any, at: Any, told: Any) -> None:
    model = told(at(make.state(), 0), at(make.ended(), 9))
    assert not model.cleared(KEY).shown
    assert model.picture.calls()[0].ended_reason == "stop"


@pytest.mark.parametrize("status", ["offline", "online"])
def test_a_call_whose_server_died_ends_as_lost_and_keeps_what_was_said(
    make: Any, at: Any, status: str, told: Any
) -> None:
    # `online` again without `offline` between: a restart that was quicker than the last will.
    node = at(make.status(), 30, name="later")
    node = msgspec.structs.replace(node, data=msgspec.structs.replace(node.data, status=status))
    node = msgspec.convert(msgspec.to_builtins(node), type(node))
    model = told(at(make.status(), -5), at(make.state(), 0), at(make.utterance(1), 5), node)
    model.cleared(KEY)
    (call,) = model.picture.calls()
    assert (call.status, call.ended_reason) == ("ended", "lost")
    assert call.parties[0].counts == {"angry": 1}


def test_calls_of_a_server_that_is_offline_are_lost_until_it_is_back(make: Any, at: Any, told: Any) -> None:
    def status(name: str, value: str) -> Any:
        event = make.status()
        said = {**msgspec.to_builtins(event.data), "status": value}
        return at(msgspec.structs.replace(event, data=msgspec.convert(said, type(event.data))), 7, name=name)

    model = told(status("1", "online"), at(make.state(), 0), at(make.state("CA2"), 0, source="/nodes/other"))
    changes = model.receive(status("2", "offline"), NOW_S)
    assert ("call", KEY) in changes.shown
    assert ("call", ("default", "CA2")) not in changes.shown
    assert {call.id: call.status for call in model.picture.calls()} == {"CA1": "ended", "CA2": "live"}
    model.receive(status("3", "online"), NOW_S)
    assert {call.status for call in model.picture.calls()} == {"live"}


def test_a_call_of_which_nothing_is_heard_for_long_is_lost_until_something_is(make: Any, at: Any, told: Any) -> None:
    keep = Keep(quiet_s=60)
    model = told(at(make.state(), 0), keep=keep)
    assert not model.floor.expire(NOW_S + 60).shown
    assert ("call", KEY) in model.floor.expire(NOW_S + 61).shown
    assert model.picture.calls()[0].ended_reason == "lost"
    model.receive(at(make.state(), 0), NOW_S + 70)  # its retained state, again: it goes on
    assert model.picture.calls()[0].status == "live"


def test_the_first_who_acknowledges_counts_even_if_heard_second_and_before_the_alert(
    told: Any, alert_of: Any, taken_by: Any
) -> None:
    alert = alert_of("CA1", 1, 5)
    ben, ada = taken_by(alert, "Ben", 10), taken_by(alert, "Ada", 12)
    for order in ((alert, ada, ben), (ada, ben, alert), (ben, alert, ada)):
        shown = told(*order).picture.alert(alert.id)
        assert shown is not None
        assert shown.acknowledged is not None
        assert shown.acknowledged.by == "Ben"


def test_a_time_that_is_none_is_an_error_and_changes_nothing(make: Any) -> None:
    model = Model()
    for wrong in ("yesterday", "2026-11-22T10:15:04"):
        with pytest.raises(EventError, match="expected one like"):
            model.receive(msgspec.structs.replace(make.utterance(), time=wrong), NOW_S)
    assert model.picture.calls() == ()


def test_a_lost_call_that_nobody_knows_is_no_matter() -> None:
    changes = Changes()
    Model().lose(KEY, changes)
    assert changes.lost == []
    assert epoch_s("2026-09-21T14:13:20.000Z") == BEGAN_S


WRONG_ACKNOWLEDGEMENTS = [
    {"call": CallRef(id="CA1", tenant="other")},
    {"call": CallRef(id="CA2")},
    {"by": ""},
    {"by": "x" * 81},
    {"by": " " * 100 + "Ada"},
    {"by": "Ada\nBen"},
    {"by": "Ada\u202enimda"},
    {"note": "x" * 1001},
    {"note": "line\x07"},
]


@pytest.mark.parametrize("wrong", WRONG_ACKNOWLEDGEMENTS)
def test_an_acknowledgement_that_is_not_of_the_alerts_call_or_breaks_the_rules_closes_nothing(
    told: Any, alert_of: Any, taken_by: Any, wrong: dict[str, Any]
) -> None:
    alert = alert_of("CA1", 1, 5)
    ada, eve = taken_by(alert, "Ada", 20), taken_by(alert, "Eve", 10)
    eve = msgspec.structs.replace(eve, data=msgspec.structs.replace(eve.data, **wrong))
    model = told(alert)
    with pytest.raises(EventError, match="an acknowledgement"):
        model.receive(eve, NOW_S)
    shown = model.picture.alert(alert.id)
    assert shown is not None
    assert shown.acknowledged is None
    model.receive(ada, NOW_S)
    assert model.picture.alert(alert.id).acknowledged.by == "Ada"  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong", WRONG_ACKNOWLEDGEMENTS[:2])
def test_nor_does_it_when_it_comes_before_the_alert(told: Any, alert_of: Any, taken_by: Any, wrong: Any) -> None:
    alert = alert_of("CA1", 1, 5)
    ada, eve = taken_by(alert, "Ada", 20), taken_by(alert, "Eve", 10)
    eve = msgspec.structs.replace(eve, data=msgspec.structs.replace(eve.data, **wrong))
    shown = told(eve, ada, alert).picture.alert(alert.id)
    assert shown is not None
    assert shown.acknowledged is not None
    assert shown.acknowledged.by == "Ada"


def test_a_live_call_that_was_let_go_for_room_can_still_be_objected_to(
    make: Any, at: Any, told: Any, alert_of: Any
) -> None:
    own = [at(make.state(), 0), at(make.utterance(1), 1), alert_of("CA1", 1, 2)]
    other = at(make.state("CA2"), 3)
    model = told(*own, other, keep=Keep(calls=1))
    assert [alert.id for alert in model.picture.alerts()] == ["CA1-alert-1"]
    model.cleared(KEY)
    assert model.picture.alerts() == ()
    assert not model.receive(alert_of("CA1", 2, 2), NOW_S).shown  # raised before, delivered after


def test_it_can_as_well_where_it_was_heard_again_without_its_state_or_left_nothing_behind(
    make: Any, at: Any, told: Any, alert_of: Any
) -> None:
    again = told(at(make.state(), 0), at(make.state("CA2"), 3), at(make.utterance(2), 4), keep=Keep(calls=1))
    assert again.picture.detail(KEY) is not None
    again.cleared(KEY)
    assert again.picture.detail(KEY) is None
    gone = told(at(make.state(), 0), at(make.state("CA2"), 3), keep=Keep(calls=1))
    gone.cleared(KEY)
    assert not gone.receive(alert_of("CA1", 1, 0), NOW_S).shown


def test_what_was_let_go_is_kept_where_its_server_died_or_its_summary_had_come(
    make: Any, at: Any, told: Any, alert_of: Any
) -> None:
    began, alert, other = at(make.state(), 0), alert_of("CA1", 1, 1), at(make.state("CA2"), 3)
    dead = told(began, alert, other, at(make.status(), 9), keep=Keep(calls=1))
    dead.cleared(KEY)
    assert [one.id for one in dead.picture.alerts()] == ["CA1-alert-1"]
    ended = told(began, alert, other, at(make.ended(), 4), keep=Keep(calls=1))
    ended.cleared(KEY)
    assert [one.id for one in ended.picture.alerts()] == ["CA1-alert-1"]
