"""Counts of the day, in quarters of an hour: calls begun, verdicts, alerts. Nobody can be found in them again.

Pure, and the order of additions does not matter. A quarter, because every time zone's hours begin on one. This file
must never know of which call a count is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from streamer_client.dashboard.api import Hour
from streamer_client.dashboard.times import rfc3339
from streamer_client.events import EMOTIONS

QUARTER_S = 900
HOUR_S = 3600
_LONGEST_DAY_H = 25
OTHER = "other"
"""Under which emotions are counted that no version of ours names."""


class Quarter(msgspec.Struct):
    """What happened in one quarter of an hour."""

    calls: int = 0
    utterances: dict[str, int] = {}
    uncertain: int = 0
    alerts: dict[str, int] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing happened."""
        return not (self.calls or self.uncertain or any(self.utterances.values()) or any(self.alerts.values()))


class Tally:
    """Counts by quarter of an hour since 1970."""

    def __init__(self) -> None:
        self._quarters: dict[int, Quarter] = {}
        self.changed: set[int] = set()
        """Quarters that have changed since somebody emptied this."""

    def call(self, at_s: float, by: int = 1) -> None:
        """Count a call that began then, or take it back with `by` = -1; so in the methods below."""
        self._at(at_s).calls += by

    def verdict(self, at_s: float, emotion: str, by: int = 1, *, uncertain: bool) -> None:
        """Count an utterance."""
        quarter = self._at(at_s)
        if uncertain:
            quarter.uncertain += by
        else:
            _count(quarter.utterances, emotion if emotion in EMOTIONS else OTHER, by)

    def alert(self, at_s: float, severity: str, by: int = 1) -> None:
        """Count an alert."""
        _count(self._at(at_s).alerts, severity, by)

    def forget(self, before_s: float, after_s: float) -> None:
        """Drop what lies before or after these times: too old, or of a clock that is wrong."""
        for number in list(self._quarters):
            if not before_s <= (number + 1) * QUARTER_S or number * QUARTER_S > after_s:
                del self._quarters[number]
                self.changed.add(number)

    def load(self, kept: Mapping[int, Quarter]) -> None:
        """Go on from what was kept."""
        self._quarters.update(kept)

    def quarter(self, number: int) -> Quarter | None:
        """Return a quarter, or None where nothing happened."""
        found = self._quarters.get(number)
        return None if found is None or found.empty else found

    def hours(self, midnight_s: float, now_s: float) -> tuple[Hour, ...]:
        """Return the hours from midnight to the one that is under way."""
        count = min(_LONGEST_DAY_H, max(0, int(now_s - midnight_s) // HOUR_S) + 1)
        return tuple(self._hour(midnight_s + index * HOUR_S) for index in range(count))

    def _hour(self, start_s: float) -> Hour:
        first = int(start_s // QUARTER_S)
        quarters = [self._quarters[n] for n in range(first, first + HOUR_S // QUARTER_S) if n in self._quarters]
        return Hour(
            start=rfc3339(start_s),
            calls=sum(quarter.calls for quarter in quarters),
            utterances=added(quarter.utterances for quarter in quarters),
            uncertain=sum(quarter.uncertain for quarter in quarters),
            alerts=added(quarter.alerts for quarter in quarters),
        )

    def _at(self, at_s: float) -> Quarter:
        number = int(at_s // QUARTER_S)
        self.changed.add(number)
        return self._quarters.setdefault(number, Quarter())


def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of counts by name, without those that are 0, in the order of the names."""
    total: Counter[str] = Counter()
    for some in counts:
        total.update(some)
    return {name: n for name, n in sorted(total.items()) if n}


def _count(counts: dict[str, int], name: str, by: int) -> None:
    counts[name] = counts.get(name, 0) + by
