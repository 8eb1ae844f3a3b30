"""The alert service is killed with -9 while calls go on: no alert is lost, none comes twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.alerts_killed import Experiment, Plan, report

SMALL = Plan(calls=50, at_once=20, kills=6, events_per_s=60)


@pytest.mark.timeout(600)
async def test_no_alert_is_lost_or_repeated_however_the_service_dies(mosquitto: Any, tmp_path: Path) -> None:
    outcome = await Experiment(SMALL, tmp_path, mosquitto.url).run()
    page = report(SMALL, outcome, "this test")
    assert outcome.faultless, page
    assert outcome.killed.total() == 6
    assert len(outcome.expected) > 50
    assert "| **alerts lost** | **0** |" in page
    assert "| **alerts repeated** | **0** |" in page
