"""The books of an experiment on delivery: what was promised, what came, and what is wrong between the two.

Pure: no socket, no file, no clock. This file must never excuse a difference: whatever it cannot account for is a fault,
and finding its cause is the reader's business.

Theory of operation. A final event is promised as soon as it stands in the outbox: then, and only then, the caller is
told of it, or it is seen in the file of a node that was just killed; a caller who is told that its call has ended is
promised a summary. Each promise must come, once. Besides, numbers prove what no promise was seen of: within one stream
of a call, utterances of a role are numbered from 1 without a gap, so a number that is left out is a loss, and one that
comes behind a greater one is out of order, unless it is 1: then a new stream of that call has begun, of which there are
as many as the caller opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from streamer_client.events import EndedEvent, Event, UtteranceEvent

SHOWN: Final = 10
"""Faults of a kind that are shown in full."""


@dataclass(frozen=True)
class Faults:
    """What is wrong; all empty where nothing is."""

    lost: tuple[str, ...] = ()
    """Promised and never heard: ids."""
    left_out: tuple[str, ...] = ()
    """Numbers that never came."""
    twice: tuple[str, ...] = ()
    """Handed out twice, or one utterance under two ids."""
    out_of_order: tuple[str, ...] = ()
    """Behind what should have come after it."""
    miscounted: tuple[str, ...] = ()
    """Summaries that name another number of utterances than came before them."""

    def __bool__(self) -> bool:
        return any((self.lost, self.left_out, self.twice, self.out_of_order, self.miscounted))


@dataclass
class _Line:
    """What was heard of one role of one call."""

    n: int = 0
    """Of the last utterance."""
    time: str = ""
    streams: int = 0


@dataclass
class Ledger:
    """Written to while the experiment runs; `faults` at its end."""

    promised: dict[str, str] = field(default_factory=dict)
    """By id, who saw it first: ``told`` or ``outbox``."""
    heard: list[UtteranceEvent | EndedEvent] = field(default_factory=list)
    """Utterances and summaries, in the order in which a subscriber that de-duplicates handed them out."""
    opened: Counter[str] = field(default_factory=Counter)
    """How many streams were opened for each call."""
    finished: set[str] = field(default_factory=set)
    """Calls whose callers were told of their end."""

    def told(self, event: Event) -> None:
        """Note that a caller was told of an event."""
        if isinstance(event, UtteranceEvent | EndedEvent):
            self.promised.setdefault(event.id, "told")

    def told_ended(self, call: str) -> None:
        """Note that a caller was told that its call had ended, which comes behind the commit of the summary."""
        self.finished.add(call)

    def stored(self, ids: Iterable[str]) -> None:
        """Note what stood in the outbox of a node that was killed."""
        for one in ids:
            self.promised.setdefault(one, "outbox")

    def came(self, event: Event) -> None:
        """Note what the subscriber handed out."""
        if isinstance(event, UtteranceEvent | EndedEvent):
            self.heard.append(event)

    @property
    def utterances(self) -> int:
        """Utterance events heard."""
        return sum(isinstance(event, UtteranceEvent) for event in self.heard)

    def missing(self) -> list[str]:
        """Return the ids that were promised and have not come yet, and the calls whose summaries have not."""
        heard = {event.id for event in self.heard}
        summed_up = {event.data.call.id for event in self.heard if isinstance(event, EndedEvent)}
        return [
            *(one for one in self.promised if one not in heard),
            *(f"summary of {call}" for call in sorted(self.finished - summed_up)),
        ]

    def faults(self) -> Faults:
        """Return what is wrong."""
        twice, left_out, out_of_order, miscounted = [], [], [], []
        ids: set[str] = set()
        utterances: dict[tuple[str, str, int, str], str] = {}
        lines: dict[tuple[str, str], _Line] = {}
        for event in self.heard:
            if event.id in ids:
                twice.append(f"{event.subject} {event.id}")
                continue
            ids.add(event.id)
            call = event.data.call.id
            if isinstance(event, EndedEvent):
                miscounted += _miscounted(event, lines)
                continue
            role, n = event.data.speaker.role, event.data.utterance.n
            if utterances.setdefault((call, role, n, event.time), event.id) != event.id:
                twice.append(f"{event.subject} of {event.time} under two ids, {event.id} the second")
                continue
            line = lines.setdefault((call, role), _Line())
            if n == 1:
                line.streams += 1
            where = f"{event.subject} of {event.time} behind {line.n} of {line.time or 'nothing'}"
            if n > line.n + 1:
                left_out.append(where)
            if (n <= line.n and n != 1) or event.time < line.time or line.streams > max(1, self.opened[call]):
                out_of_order.append(where)
            line.n, line.time = n, event.time
        return Faults(tuple(self.missing()), tuple(left_out), tuple(twice), tuple(out_of_order), tuple(miscounted))


def _miscounted(event: EndedEvent, lines: dict[tuple[str, str], _Line]) -> list[str]:
    """Return whether a summary says another number than the last one that came of a role."""
    said = {speaker.role: speaker.utterances for speaker in event.data.speakers if speaker.analysed}
    call = event.data.call.id
    return [
        f"{call}/{role}: the summary says {count}, the last to come was {lines.get((call, role), _Line()).n}"
        for role, count in said.items()
        # A stream in which nobody spoke leaves no trace but its summary, and the number before it is another stream's.
        if count and count != lines.get((call, role), _Line()).n
    ]
