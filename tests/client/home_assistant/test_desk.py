from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.events import AcknowledgementData, CallRef, Severity
from streamer_client.home_assistant.desk import MAX_OPEN, Desk, Details, State

from tests.client.conftest import Make

MAKE = Make()


def alert(name: str, time: str = "2026-11-22T10:15:04.210Z") -> Any:
    return msgspec.structs.replace(MAKE.alert(), id=name, time=time)


def taken(name: str) -> Any:
    data = AcknowledgementData(call=CallRef(id="CA1"), alert=name, by="desk-2")
    return msgspec.structs.replace(MAKE.acknowledgement(), data=data)


@given(
    story=st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), max_size=20),
    restart_at=st.integers(0, 20),
    late=st.booleans(),
)
def test_an_alert_is_open_from_its_coming_to_its_acknowledgement_restart_or_not(
    story: Any, restart_at: int, late: bool
) -> None:
    alerted: list[str] = []
    expected: list[str] = []
    desk = Desk()
    desk.recall(State())
    for step, (is_alert, name) in enumerate(story):
        if step == restart_at:
            before, desk = desk.state(), Desk()
            if not late:
                desk.recall(before)
        if is_alert and name in alerted:
            continue  # each alert comes once
        desk.add(alert(name) if is_alert else taken(name))
        if is_alert:
            alerted.append(name)
            expected.append(name)
        elif name in expected:
            expected.remove(name)
    if late and restart_at < len(story):
        desk.recall(before)
    assert desk.state().open == tuple(expected)
    assert desk.state().open_alerts == len(expected)


def test_a_call_is_live_until_it_has_ended_or_its_state_is_cleared(make: Any) -> None:
    desk = Desk()
    for call in ("CA1", "CA2", "CA3"):
        desk.add(make.state(call))
    desk.add(make.ended("CA1"))
    desk.cleared("emotion/v1/default/calls/CA2/state")
    desk.cleared("emotion/v1/default/calls/CA3/ended")
    desk.add(make.ended("CA9"))
    assert desk.state().live_calls == 1


def test_the_last_alert_is_shown_with_what_the_event_carries() -> None:
    desk = Desk()
    assert desk.state() == State()
    desk.add(alert("2", "2026-11-22T11:00:00.000Z"))
    desk.add(msgspec.structs.replace(MAKE.alert("CA0", Severity.INFO), time="2026-11-22T10:00:00.000Z"))
    state = desk.state()
    assert state.last_alert == "2026-11-22T11:00:00.000Z"
    assert state.details == Details("angry-customer", "critical", "CA1", "customer", "Listen in.")


def test_what_was_before_the_start_does_not_replace_what_is_newer() -> None:
    before = Desk()
    before.add(alert("old", "2026-11-22T09:00:00.000Z"))
    desk = Desk()
    desk.add(alert("new", "2026-11-22T10:00:00.000Z"))
    desk.recall(before.state())
    assert desk.state().last_alert == "2026-11-22T10:00:00.000Z"
    assert desk.state().open == ("old", "new")


def test_the_count_of_open_alerts_is_bounded() -> None:
    desk = Desk()
    for n in range(MAX_OPEN + 5):
        desk.add(alert(str(n)))
    assert desk.state().open_alerts == MAX_OPEN
    assert desk.state().open[0] == "5"


def test_servers_are_known_once(make: Any) -> None:
    desk = Desk()
    desk.add(make.status())
    desk.add(make.status())
    assert desk.nodes == ["node-1"]
