"""What the engine remembers of a call, in a form that can be written down and read back.

The trackers work on these very values, so that what is stored is all there is. This file must never hold more of a
person than a rule needs: times, scores and ids of events; no words, no sound.
"""

from __future__ import annotations

import msgspec


class RepeatedMemory(msgspec.Struct, tag="repeated"):
    """Of a rule of the kind ``within_s``."""

    ends: list[tuple[int, str]] = []
    """``end_ms`` and id of the last qualifying utterances, oldest first; never more than the rule's ``count``."""


class SustainedMemory(msgspec.Struct, tag="sustained"):
    """Of a rule of the kind ``sustained_s``."""

    start_ms: int = 0
    end_ms: int = 0
    """Of the last qualifying utterance."""
    met_ms: int = 0
    total_ms: int = 0
    count: int = 0
    ids: list[str] = []


class RisingMemory(msgspec.Struct, tag="rising"):
    """Of a rule of the kind ``trend``."""

    scores: list[tuple[float, str]] = []
    """Score and id of the last certain utterances, oldest first; never more than the rule's ``over``."""


class SilenceMemory(msgspec.Struct, tag="silence"):
    """Of a rule of the kind ``silence_of``."""

    unanswered: list[tuple[int, str]] = []
    """``end_ms`` and id of qualifying utterances since the other side last spoke, oldest first."""
    silent_until_ms: int = 0
    """Up to here the other side is known to have said nothing, but for what ended by `heard_ms`."""
    heard_ms: int = -1
    """Where the other side's last utterance ended."""


Memory = RepeatedMemory | SustainedMemory | RisingMemory | SilenceMemory


class Cleared(msgspec.Struct, frozen=True):
    """That a call's retained state was taken away: the call is over, or its party has objected."""

    tenant: str
    call: str


class NodeMemory(msgspec.Struct, frozen=True):
    """What a server last said of itself, or its broker of it."""

    offline: bool
    time: str


class CallMemory(msgspec.Struct):
    """Of one call, all rules together."""

    last_s: float = 0.0
    """When its last event came, on the clock that the engine is told."""
    over: bool = False
    """Ended; kept for a while so that events which come again are known."""
    sources: dict[str, str] = {}
    """Servers that have carried it and not cleared its state yet (several, where it went on at another one), and the
    latest time of the events of each: RFC 3339 in UTC, so that it sorts as text."""
    last_n: dict[str, int] = {}
    """By role: number of the last utterance. One that is not above it, with a new id, is of a clock begun anew."""
    analysed: list[str] = []
    """Roles that are known to have utterance events in this call."""
    silent_until_ms: dict[str, float] = {}
    """By rule: no alert before this position on the call's media clock."""
    trackers: dict[str, Memory] = {}
    """By rule."""
