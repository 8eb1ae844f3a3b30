"""Which events a listener wants beyond what topics can say: by emotion, confidence, label, severity.

Pure: an event in, yes or no out. This file must never change an event, and never take an uncertain verdict for one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from streamer_client.errors import OptionError
from streamer_client.events import (
    EMOTIONS,
    AcknowledgementEvent,
    AlertEvent,
    Event,
    PartialEvent,
    Severity,
    StatusEvent,
    UtteranceEvent,
)


class Selection(msgspec.Struct, frozen=True):
    """What is wanted; each condition judges only the events that have the thing it asks about.

    So ``emotions`` leaves alerts alone, and ``severities`` leaves utterances alone.
    """

    call: str = "+"
    role: str = "+"
    emotions: frozenset[str] = frozenset()
    """Of utterances and partials: only verdicts of these, and only certain ones; empty = any."""
    min_confidence: float = 0.0
    """Of utterances and partials: least score of the top emotion, 0 to 1."""
    certain: bool = False
    """Of utterances and partials: leave out uncertain verdicts."""
    labels: Mapping[str, str] = {}
    """Of everything that belongs to a call: each of these labels has just this value."""
    severities: frozenset[str] = frozenset()
    """Of alerts; empty = any."""

    def takes(self, event: Event) -> bool:
        """Return whether this event is wanted."""
        if isinstance(event, StatusEvent):
            return True  # a node's, no call's
        call = event.data.call
        if any(call.labels.get(name) != value for name, value in self.labels.items()):
            return False
        if isinstance(event, UtteranceEvent | PartialEvent):
            return self._takes_verdict(event)
        # Alerts and acknowledgements of all calls share a topic, so the broker cannot choose among them.
        if isinstance(event, AlertEvent | AcknowledgementEvent) and self.call not in {"+", call.id}:
            return False
        return not isinstance(event, AlertEvent) or (
            self.role in {"+", event.data.role} and (not self.severities or event.data.severity in self.severities)
        )

    def _takes_verdict(self, event: UtteranceEvent | PartialEvent) -> bool:
        emotion = event.data.emotion
        if emotion.uncertain and (self.certain or self.emotions):
            return False
        return emotion.confidence >= self.min_confidence and (not self.emotions or emotion.top in self.emotions)


def select(
    *,
    call: str = "+",
    role: str = "+",
    emotions: Sequence[str] = (),
    min_confidence: float = 0.0,
    certain: bool = False,
    labels: Mapping[str, str] | None = None,
    severities: Sequence[str] = (),
) -> Selection:
    """Return the selection, checked.

    Raises
    ------
    OptionError
        An emotion or severity that does not exist, or a confidence outside 0 to 1.
    """
    _known("emotions", emotions, EMOTIONS)
    _known("severities", severities, tuple(Severity))
    if not 0 <= min_confidence <= 1:
        raise OptionError(f"got min_confidence={min_confidence}; give a number from 0 to 1")
    return Selection(
        call, role, frozenset(emotions), min_confidence, certain, dict(labels or {}), frozenset(severities)
    )


def _known(name: str, given: Sequence[str], known: Sequence[str]) -> None:
    if isinstance(given, str):
        raise OptionError(f"got {name}={given!r}; give a list, such as [{given!r}]")
    unknown = [one for one in given if one not in known]
    if unknown:
        raise OptionError(f"got {name} {', '.join(unknown)}; choose from {', '.join(known)}")
