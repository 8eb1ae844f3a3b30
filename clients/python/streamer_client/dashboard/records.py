"""What is known of one call and of one alert, and how the page sees it.

Pure: events in, api structs out, and the order in which the bus delivers them makes no difference. This file must never
show an emotion of a party of whom no event names one.
"""

from __future__ import annotations

from typing import Literal

from streamer_client.dashboard.api import (
    TRACE_POINTS,
    Acknowledged,
    Alert,
    Call,
    Party,
    Summary,
    UtteranceRow,
    Verdict,
)
from streamer_client.events import (
    AcknowledgementEvent,
    AlertEvent,
    CallRef,
    EndedEvent,
    PartialEvent,
    StateEvent,
    UtteranceEvent,
)

CallKey = tuple[str, str]
"""Tenant and id."""
LOST = "lost"
"""Why a call is over whose server died: no summary came, and none will."""

Over = Literal["", "cleared", "quiet"]
"""How a call without a summary was found to be over: its state was taken away, or nothing was heard of it for long."""


class CallRecord:
    """One call.

    Parameters
    ----------
    call : CallRef
    source : str
        The events' source: ``/nodes/<node>``.
    at_s : float
        Time of the first event, seconds since 1970.
    time : str
        The same as the event writes it.
    """

    def __init__(self, call: CallRef, source: str, at_s: float, time: str) -> None:
        self.ref = call
        self.source = source
        self.first_s = at_s
        self.first_time = time
        self.last_s = at_s
        """Time of its latest event."""
        self.heard_s = at_s
        """When something of it came in last."""
        self.not_before_s = float("-inf")
        """Events before this are of an earlier call of this name, whose party objected."""
        self.state: StateEvent | None = None
        self.ended: EndedEvent | None = None
        self.over: Over = ""
        self.utterances: dict[str, UtteranceRow] = {}
        self.partials: dict[str, PartialEvent] = {}
        self.alerts: set[str] = set()

    @property
    def key(self) -> CallKey:
        """Tenant and id."""
        return self.ref.tenant, self.ref.id

    @property
    def summarised(self) -> bool:
        """Whether the summary has come, and the call has not begun anew since."""
        return self.ended is not None and (self.state is None or self.ended.time >= self.state.time)

    def is_live(self, *, node_offline: bool) -> bool:
        """Whether the call goes on, as far as anybody knows."""
        return not (self.summarised or self.over or node_offline)

    def add_state(self, event: StateEvent) -> bool:
        """Take a state; return whether it says anything new."""
        if self.state is not None and (event.time, event.id) <= (self.state.time, self.state.id):
            return False
        self.state = event
        self.ref = event.data.call
        self.source = event.source
        self.over = ""
        return True

    def add_ended(self, event: EndedEvent) -> bool:
        """Take a summary; return whether it says anything new."""
        if self.ended is not None and (event.time, event.id) <= (self.ended.time, self.ended.id):
            return False
        self.ended = event
        return True

    def add_utterance(self, event: UtteranceEvent, most: int) -> list[UtteranceRow] | None:
        """Take a verdict; return what had to go for it, or None where it was known.

        Parameters
        ----------
        event : UtteranceEvent
        most : int
            Utterances that are kept of a call; the oldest go first.
        """
        if event.id in self.utterances:
            return None
        self.utterances[event.id] = _row(event)
        if len(self.utterances) <= most:
            return []
        oldest = min(self.utterances.values(), key=_spoken)
        del self.utterances[oldest.id]
        return [oldest]

    def add_partial(self, event: PartialEvent) -> bool:
        """Take a rolling verdict; return whether it is the latest of its party."""
        role = event.data.speaker.role
        known = self.partials.get(role)
        if known is not None and (event.time, event.sequence, event.id) <= (known.time, known.sequence, known.id):
            return False
        self.partials[role] = event
        return True

    def show(self, *, node_offline: bool, open_alerts: int) -> Call:
        """Return the call as the page sees it."""
        live = self.is_live(node_offline=node_offline)
        rows = sorted(self.utterances.values(), key=_spoken)
        state, ended = self.state, self.ended if self.summarised else None
        roles = list(dict.fromkeys(state.data.roles)) if state is not None else []
        heard = [row.role for row in rows] + ([speaker.role for speaker in ended.data.speakers] if ended else [])
        roles += sorted({*heard} - {*roles})
        return Call(
            tenant=self.ref.tenant,
            id=self.ref.id,
            dialect=self.ref.dialect,
            labels=self.ref.labels,
            started=self.first_time,
            status="live" if live else "ended",
            roles=tuple(roles),
            analysed=state.data.analysed if state is not None else tuple(sorted({row.role for row in rows})),
            notice=state.data.notice if state is not None else False,
            lawful_basis=state.data.lawful_basis if state is not None else "",
            parties=tuple(self._party(role, rows, live=live) for role in roles),
            open_alerts=open_alerts,
            duration_ms=ended.data.duration_ms if ended else max((row.end_ms for row in rows), default=0),
            ended_reason="" if live else ended.data.reason if ended else LOST,
            ended="" if live else ended.time if ended else (rows[-1].time if rows else self.first_time),
        )

    def rows(self) -> tuple[UtteranceRow, ...]:
        """Return the utterances in the order in which they were spoken."""
        return tuple(sorted(self.utterances.values(), key=_spoken))

    def summary(self) -> Summary | None:
        """Return what the call came to, if its server said so."""
        if self.ended is None or not self.summarised:
            return None
        data = self.ended.data
        return Summary(self.ended.time, data.duration_ms, data.overlap_ms, data.reason, data.speakers)

    def _party(self, role: str, rows: list[UtteranceRow], *, live: bool) -> Party:
        own = [row for row in rows if row.role == role]
        counts: dict[str, int] = {}
        for row in own:
            if not row.uncertain:
                counts[row.emotion] = counts.get(row.emotion, 0) + 1
        last = own[-1] if own else None
        return Party(
            role=role,
            counts=dict(sorted(counts.items())),
            uncertain=sum(row.uncertain for row in own),
            last=Verdict(last.emotion, last.confidence, last.uncertain, last.end_ms, last.time) if last else None,
            partial=self._rolling(role, last) if live else None,
            trace=tuple((row.end_ms, row.emotion, row.confidence, row.uncertain) for row in own[-TRACE_POINTS:]),
        )

    def _rolling(self, role: str, last: UtteranceRow | None) -> Verdict | None:
        partial = self.partials.get(role)
        if partial is None or (last is not None and last.time >= partial.time):
            return None
        data = partial.data
        verdict = data.emotion
        return Verdict(verdict.top, verdict.confidence, verdict.uncertain, data.utterance.end_ms, partial.time)


class AlertRecord:
    """One alert, and the first who took care of it."""

    def __init__(self, event: AlertEvent, at_s: float) -> None:
        self.event = event
        self.at_s = at_s
        self.acknowledgement: AcknowledgementEvent | None = None

    @property
    def call(self) -> CallKey:
        """Whose it is."""
        return self.event.data.call.tenant, self.event.data.call.id

    def show(self) -> Alert:
        """Return the alert as the page sees it."""
        data, taken = self.event.data, self.acknowledgement
        return Alert(
            id=self.event.id,
            tenant=data.call.tenant,
            call=data.call.id,
            rule=data.rule,
            severity=str(data.severity),
            role=data.role,
            message=data.message,
            time=self.event.time,
            utterances=data.utterances,
            acknowledged=Acknowledged(taken.data.by, taken.time, taken.data.note) if taken is not None else None,
        )


def first_of(one: AcknowledgementEvent | None, other: AcknowledgementEvent | None) -> AcknowledgementEvent | None:
    """Return the earlier of two acknowledgements; the same of the same two, whichever came first."""
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda event: (event.time, event.id))


def _row(event: UtteranceEvent) -> UtteranceRow:
    data = event.data
    return UtteranceRow(
        id=event.id,
        role=data.speaker.role,
        n=data.utterance.n,
        start_ms=data.utterance.start_ms,
        end_ms=data.utterance.end_ms,
        speech_ms=data.utterance.speech_ms,
        cut=str(data.utterance.cut or ""),
        emotion=data.emotion.top,
        confidence=data.emotion.confidence,
        uncertain=data.emotion.uncertain,
        scores=data.emotion.scores,
        quality=data.quality,
        model=f"{data.model.name} {data.model.version}",
        time=event.time,
    )


def _spoken(row: UtteranceRow) -> tuple[str, int, str, int, str]:
    """Sort by when it was said; a call of the same name that came later starts its media clock anew."""
    return row.time, row.end_ms, row.role, row.n, row.id
