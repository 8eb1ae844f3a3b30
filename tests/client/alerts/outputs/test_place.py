from __future__ import annotations

from typing import Any

import pytest
from streamer_client.alerts.outputs.place import Place, Settings
from streamer_client.events import AlertEvent, Severity


class Kept(Place):
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.alerts: list[AlertEvent] = []

    async def deliver(self, alert: AlertEvent) -> None:
        self.alerts.append(alert)


@pytest.mark.parametrize("severity", Severity)
async def test_an_output_takes_every_severity_unless_told_otherwise(make: Any, severity: Severity) -> None:
    everything, some = Kept(Settings(name="a")), Kept(Settings(name="b", severities=(Severity.WARNING,)))
    for place in (everything, some):
        await place.send(make.alert(severity=severity))
    assert everything.alerts == [make.alert(severity=severity)]
    assert bool(some.alerts) == (severity is Severity.WARNING)
