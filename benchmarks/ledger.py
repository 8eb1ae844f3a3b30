"""The books of an experiment on delivery: what was promised, what came, and what is wrong between the two.

Pure: no socket, no file, no clock. This file must never excuse a difference: whatever it cannot account for is a fault,
and finding its cause is the reader's business.

Theory of operation. A final event is promised as soon as it stands in the outbox: then, and only then, the caller is
told of it, or it is seen in the file of a node that was just killed; a caller who is told that its call has ended is
promised a summary. Each promise must come, once. Besides, numbers prove what no promise was seen of: within one stream
of a call, utterances of a role are numbered from 1 without a gap, so a number that is left out is a loss, and one that
comes behind a greater one is out of order, unless it is 1: then a new stream of that call has begun, of which there are
as many as the caller opened. All this holds for what one node says: a call that goes on at another node begins anew
there, and what the first one still had to deliver may come later. Where the way between caller and node breaks and the
caller comes back to the same node at once, the new stream's first words may come before the old one's last: a number
must follow on in one of the streams of which no summary has come.
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
    """What was heard of one stream."""

    n: int = 0
    """Of the last utterance."""
    time: str = ""


@dataclass
class _Lines:
    """What was heard of one role of one call at one node."""

    open: list[_Line] = field(default_factory=list)
    """Its streams of which no summary has come, oldest first."""
    streams: int = 0
    """All of them so far."""

    def of(self, n: int) -> _Line:
        """Return the stream in which a number follows on; the newest where it does in none."""
        if n == 1 or not self.open:
            self.streams += n == 1
            last = self.open[-1].time if self.open else ""
            self.open.append(_Line(time=last))
        return next((line for line in reversed(self.open) if line.n == n - 1), self.open[-1])

    def summed_up(self, count: int) -> int:
        """Take a stream for over, that of which this is the count where there is one; return its last number."""
        if not self.open:
            return 0
        line = next((line for line in reversed(self.open) if line.n == count), self.open[-1])
        self.open.remove(line)
        return line.n


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
        utterances: dict[tuple[str, str, str, int, str], str] = {}
        lines: dict[tuple[str, str, str], _Lines] = {}
        for event in self.heard:
            if event.id in ids:
                twice.append(f"{event.subject} {event.id}")
                continue
            ids.add(event.id)
            node, call = event.source, event.data.call.id
            if isinstance(event, EndedEvent):
                miscounted += _miscounted(event, lines)
                continue
            role, n = event.data.speaker.role, event.data.utterance.n
            if utterances.setdefault((node, call, role, n, event.time), event.id) != event.id:
                twice.append(f"{event.subject} of {event.time} under two ids, {event.id} the second")
                continue
            streams = lines.setdefault((node, call, role), _Lines())
            line = streams.of(n)
            where = f"{event.subject} of {event.time} behind {line.n} of {line.time or 'nothing'}"
            if n > line.n + 1:
                left_out.append(where)
            if (n <= line.n and n != 1) or event.time < line.time or streams.streams > max(1, self.opened[call]):
                out_of_order.append(where)
            line.n, line.time = n, event.time
        return Faults(tuple(self.missing()), tuple(left_out), tuple(twice), tuple(out_of_order), tuple(miscounted))


def _miscounted(event: EndedEvent, lines: dict[tuple[str, str, str], _Lines]) -> list[str]:
    """Return whether a summary says another number than the last one that came of a role."""
    wrong = []
    node, call = event.source, event.data.call.id
    for speaker in event.data.speakers:
        # A stream in which nobody spoke leaves no trace but its summary, and the number before it is another stream's.
        if not speaker.analysed or not speaker.utterances:
            continue
        last = lines.get((node, call, speaker.role), _Lines()).summed_up(speaker.utterances)
        if last != speaker.utterances:
            wrong.append(f"{call}/{speaker.role}: the summary says {speaker.utterances}, the last to come was {last}")
    return wrong
