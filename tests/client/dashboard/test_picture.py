"""How the page sees the floor: what needs somebody first, and the day."""

from __future__ import annotations

from typing import Any

from streamer_client.events import Severity

BEGAN_S = 1_790_000_000.0
NOW_S = BEGAN_S + 600
MIDNIGHT_S = BEGAN_S - 7200


def test_alerts_stand_by_urgency_and_taken_ones_behind(
    make: Any, at: Any, told: Any, alert_of: Any, taken_by: Any
) -> None:
    info = at(make.alert("CA3", Severity.INFO), 1)
    late, early = at(make.alert("CA1", Severity.CRITICAL), 9), at(make.alert("CA2", Severity.CRITICAL), 2)
    taken = alert_of("CA4", 1, 0)
    model = told(info, late, early, taken, taken_by(taken, "Ada", 3))
    assert [alert.call for alert in model.picture.alerts()] == ["CA2", "CA1", "CA3", "CA4"]


def test_today_counts_by_hour_and_says_how_long_alerts_waited(
    make: Any, at: Any, told: Any, alert_of: Any, taken_by: Any
) -> None:
    alerts = [alert_of("CA1", n, n) for n in (1, 2, 3)]
    model = told(
        at(make.state(), 0),
        at(make.utterance(1), 4),
        at(make.utterance(2, uncertain=True), 5),
        at(make.utterance(3, top="bored", scores={"bored": 1.0}), 6),
        *alerts,
        taken_by(alerts[0], "Ada", 11),
        taken_by(alerts[1], "Ada", 32),
    )
    today = model.picture.today(NOW_S, MIDNIGHT_S)
    assert len(today.hours) == 3
    assert [hour.calls for hour in today.hours] == [0, 0, 1]
    assert (today.utterances, today.uncertain) == ({"angry": 1, "other": 1}, 1)
    assert (today.alerts, today.open_alerts, today.live) == ({"warning": 3}, 1, 1)
    assert today.median_acknowledgement_s == 20.0
