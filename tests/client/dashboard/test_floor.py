"""What is held is bounded, and goes in an order that a supervisor would choose."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.dashboard.floor import Keep
from streamer_client.dashboard.model import Model

BEGAN_S = 1_790_000_000.0
NOW_S = BEGAN_S + 600
MIDNIGHT_S = BEGAN_S - 7200
KEY = ("default", "CA1")


def test_what_is_too_old_goes_and_its_open_alerts_as_well(make: Any, at: Any, told: Any, alert_of: Any) -> None:
    model = told(at(make.state(), 0), at(make.ended(), 10), alert_of("CA1", 1, 5), keep=Keep(age_s=3600))
    assert not model.floor.expire(BEGAN_S + 3600).evicted
    changes = model.floor.expire(BEGAN_S + 3700)
    assert changes.evicted == [KEY]
    assert changes.alerts_dropped == ["CA1-alert-1"]
    assert (model.picture.calls(), model.picture.alerts()) == ((), ())


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
        shown = model.picture.calls()
        assert len(shown) <= most
        details = [model.picture.detail((call.tenant, call.id)) for call in shown]
        assert sum(len(detail.utterances) for detail in details if detail) <= rows
        assert all(len(detail.utterances) <= 4 for detail in details if detail)
    assert most == 1 or "LIVE" in [call.id for call in model.picture.calls()]
    assert model.picture.today(NOW_S, MIDNIGHT_S).calls == calls + 1  # who is no longer kept is counted all the same
    assert model.picture.today(NOW_S, MIDNIGHT_S).utterances == {"angry": calls * each}


def test_an_utterance_that_goes_is_said_so_that_it_goes_from_the_disk_too(make: Any, at: Any, told: Any) -> None:
    model = told(*(at(make.utterance(n, name=f"u{n}"), n) for n in (1, 2)), keep=Keep(per_call=2))
    assert model.receive(at(make.utterance(3, name="u3"), 3), NOW_S).rows == ["u1"]


def test_acknowledged_alerts_go_before_open_ones(told: Any, alert_of: Any, taken_by: Any) -> None:
    first, second, third = (alert_of("CA1", n, n) for n in (1, 2, 3))
    model = told(first, second, taken_by(second, "Ada", 9), third, keep=Keep(alerts=2))
    assert [alert.id for alert in model.picture.alerts()] == ["CA1-alert-1", "CA1-alert-3"]


def test_an_open_alert_outlives_its_call_where_there_are_too_many_calls(
    make: Any, at: Any, told: Any, alert_of: Any
) -> None:
    model = told(at(make.state(), 0), alert_of("CA1", 1, 1), at(make.ended(), 2), keep=Keep(calls=1))
    changes = model.receive(at(make.state("CA2"), 3), NOW_S)
    assert changes.shown.index(("gone", KEY)) < changes.shown.index(("alert", "CA1-alert-1"))
    assert [alert.id for alert in model.picture.alerts()] == ["CA1-alert-1"]


def test_nodes_and_waiting_acknowledgements_are_bounded(make: Any, at: Any, alert_of: Any, taken_by: Any) -> None:
    model = Model(Keep(nodes=2, alerts=2))
    for number in range(5):
        status = make.status()
        data = msgspec.structs.replace(status.data, node=f"n{number}")
        model.receive(at(msgspec.structs.replace(status, data=data), number, name=str(number)), NOW_S)
        alert = alert_of("CA1", number, 1)
        model.receive(taken_by(alert, "Ada", 2), NOW_S)
    assert [node.node for node in model.picture.nodes()] == ["n3", "n4"]
    for number in range(5):
        model.receive(alert_of("CA9", number, 1), NOW_S)
    counts = Counter(alert.acknowledged is None for alert in model.picture.alerts())
    assert counts[True] <= 2
