from __future__ import annotations

from typing import Any

from streamer_client.alerts.rules import default_rules
from streamer_client.events import AlertEvent, EndedEvent

from streamer.archive.journal import Entry
from streamer.archive.results import all_results, with_alerts


def test_an_alert_stands_behind_the_utterance_that_completed_it(said_otherwise: Any) -> None:
    result = with_alerts(said_otherwise(top="angry"), default_rules())
    kinds = [type(event).__name__ for event in result.events]
    assert kinds == ["UtteranceEvent", "UtteranceEvent", "AlertEvent", "UtteranceEvent", "EndedEvent"]
    (alert,) = result.alerts
    assert alert.data.utterances == tuple(one.id for one in result.analysed.utterances[:2])


def test_a_second_time_gives_the_same_and_other_rules_others(said_otherwise: Any) -> None:
    angry = said_otherwise(top="angry")
    assert with_alerts(angry, default_rules()) == with_alerts(angry, default_rules())
    assert with_alerts(angry, ()).alerts == ()
    assert isinstance(with_alerts(angry, ()).events[-1], EndedEvent)


def test_calls_know_nothing_of_one_another(said_otherwise: Any) -> None:
    entries = [Entry(str(n), str(n), 7.0, said_otherwise(top="angry", call_id=f"CA{n}")) for n in range(3)]
    results = list(all_results(entries, default_rules()))
    assert [(one.call_id, len(one.alerts), one.done_s) for one in results] == [
        ("CA0", 1, 7.0),
        ("CA1", 1, 7.0),
        ("CA2", 1, 7.0),
    ]
    assert all(isinstance(one, AlertEvent) for result in results for one in result.alerts)
