"""What the experiment on the killed alert service publishes, and that its books find every kind of fault."""

from __future__ import annotations

import pytest
from streamer_client.alerts.engine import Engine
from streamer_client.events import UtteranceEvent

from benchmarks.alerts_killed import Outcome, Plan, parsed, rules, script

PLAN = Plan(calls=20, at_once=5)


def test_the_calls_are_many_at_once_and_each_ends_once_behind_its_utterances() -> None:
    events = script(PLAN)
    calls = {event.data.call.id for event in events}
    assert len(calls) == 20
    assert len({event.data.call.id for event in events[:50]}) > 3
    for call in calls:
        own = [event for event in events if event.data.call.id == call]
        assert all(isinstance(event, UtteranceEvent) for event in own[:-1])
        assert not isinstance(own[-1], UtteranceEvent)
        assert [event.data.utterance.n for event in own[:-1]] == list(range(1, len(own)))  # type: ignore[union-attr]


def test_a_seed_gives_the_same_calls_again() -> None:
    assert script(PLAN) == script(PLAN)
    assert script(PLAN) != script(Plan(calls=20, at_once=5, seed=2))


def outcome() -> Outcome:
    engine = Engine(rules())
    found = [alert for event in script(PLAN) for alert in engine.receive(event, now_s=0.0)]
    books = Outcome({alert.id: alert for alert in found}, 1)
    for alert in found:
        books.heard[alert.id] += 1
        books.handed_out.append(alert.id)
    return books


def test_books_that_balance_are_faultless() -> None:
    assert outcome().faultless


@pytest.mark.parametrize("fault", ["lost", "repeated", "invented", "wrong", "left", "handed out twice"])
def test_no_fault_is_overlooked(fault: str) -> None:
    books = outcome()
    first = next(iter(books.expected))
    match fault:
        case "lost":
            del books.heard[first]
        case "repeated":
            books.heard[first] += 1
            assert books.repeated == 1
        case "invented":
            books.heard["x"] = 1
        case "wrong":
            books.wrong.add(first)
        case "left":
            books.left = 1
        case _:
            books.handed_out.append(first)
    assert not books.faultless


def test_it_runs_as_the_manual_says_where_nothing_is_given() -> None:
    given = parsed([])
    assert (given.calls, given.kills) == (1000, 24)
