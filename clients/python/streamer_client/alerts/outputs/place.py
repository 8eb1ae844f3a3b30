"""What all outputs share: a name, and which alerts they are for.

This file must never know how an alert travels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

from streamer_client.events import AlertEvent, Severity


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """Keys that every ``[[output]]`` may have."""

    name: str
    """a-z, 0-9 and -; under it the service remembers what is still to be delivered."""
    severities: tuple[Severity, ...] = tuple(Severity)
    """Alerts of other severities do not go there."""


class Place(ABC):
    """One place that alerts go to, for those severities that its settings name."""

    def __init__(self, settings: Settings) -> None:
        self._severities = settings.severities
        self.name = settings.name

    async def send(self, alert: AlertEvent) -> None:
        """Deliver one alert, or nothing where its severity is none of this output's.

        Raises
        ------
        OutputError
            It was not delivered.
        """
        if alert.data.severity in self._severities:
            await self.deliver(alert)

    @abstractmethod
    async def deliver(self, alert: AlertEvent) -> None:
        """Deliver one alert, whatever its severity.

        Raises
        ------
        OutputError
            It was not delivered.
        """
