"""The JSON between the dashboard's server and its page: every answer and every pushed change, as frozen structs.

The page is written against this file; a name here is a promise. It must never hold behaviour, nor a field that no event
carries.

=====================================  =======================================================================
``GET /api/me``                        :class:`Me`; 401 with :class:`Refusal` where nobody is signed in
``POST /api/login``                    :class:`Login` -> :class:`Me` and a cookie; 401, 429 with ``Retry-After``
``POST /api/logout``                   204
``GET /api/snapshot``                  :class:`Snapshot`
``GET /api/calls/{tenant}/{id}``       :class:`CallDetail`; 404 for a call that is not (or no longer) known
``GET /api/stream``                    server-sent events, see below
``POST /api/alerts/{id}/acknowledge``  :class:`Acknowledge` -> :class:`Alert`; 404, 409 with :class:`Conflict`, 503
=====================================  =======================================================================

Each POST has ``Content-Type: application/json`` and comes from a page of the same origin (else 415, 403). Every error
is a :class:`Refusal`.

**The stream.** ``GET /api/stream?cursor=N`` with the cursor of a snapshot, or ``Last-Event-ID`` when the browser comes
back, sends what has changed since. Each message has ``id:`` (the cursor after it), ``event:`` and ``data:``

============  ===========================================================================================
`event:`      `data:`
============  ===========================================================================================
`call`        :class:`Call`: put it in the place of the one with this tenant and id. Its page asks for the detail again
`alert`       :class:`Alert`: likewise, by id
`today`       :class:`Today`, every few seconds at most
`node`        :class:`Node`: likewise, by node
`broker`      :class:`BrokerState`
`gone`        :class:`Gone`: remove the call and all its alerts at once
`alert_gone`  :class:`AlertGone`: remove the alert
`reset`       :class:`Reset`: what was missed is no longer known; ask for the snapshot and go on from its cursor
============  ===========================================================================================

Changes of one call, alert or node that come faster than they can be sent are put together: the last one counts. A
comment line comes every 15 s, so that a dead connection shows.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from streamer_client.events import Quality, SpeakerSummary

TracePoint = tuple[int, str, float, bool]
"""``[end_ms, emotion, confidence, uncertain]`` of an utterance."""

TRACE_POINTS = 60
"""Utterances in a party's trace, the last ones; all of them stand in the call's detail."""


class Verdict(msgspec.Struct, frozen=True):
    """The last thing heard of a party."""

    emotion: str
    confidence: float
    uncertain: bool
    """True: the model does not commit itself; show no emotion as certain."""
    end_ms: int
    """On the call's media clock."""
    time: str
    """UTC, RFC 3339."""


class Party(msgspec.Struct, frozen=True):
    """One role of a call. A role that is not analysed has no verdicts; its emotion is nobody's to show."""

    role: str
    counts: dict[str, int]
    """Certain verdicts by emotion."""
    uncertain: int
    """Verdicts the model itself calls uncertain."""
    last: Verdict | None
    partial: Verdict | None
    """The rolling verdict of an utterance that is still going on; null between utterances."""
    trace: tuple[TracePoint, ...]


class Call(msgspec.Struct, frozen=True):
    """A call in the overview, live or lately ended."""

    tenant: str
    id: str
    dialect: str
    labels: dict[str, str]
    started: str
    """UTC, RFC 3339: the first that was heard of it."""
    status: Literal["live", "ended"]
    roles: tuple[str, ...]
    analysed: tuple[str, ...]
    notice: bool
    lawful_basis: str
    parties: tuple[Party, ...]
    """In the order of the roles; one for each, analysed or not."""
    open_alerts: int
    duration_ms: int
    """Media time: of the summary, once it has ended; before that, the end of the last utterance."""
    ended_reason: str
    """Empty while it is live; ``lost`` where its server died and no summary came; else the summary's reason."""
    ended: str = ""
    """UTC, RFC 3339; empty while it is live."""


class Acknowledged(msgspec.Struct, frozen=True):
    """Who has taken care of an alert, and when."""

    by: str
    time: str
    note: str


class Alert(msgspec.Struct, frozen=True):
    """A compliance alert with what became of it."""

    id: str
    tenant: str
    call: str
    rule: str
    severity: str
    """``info``, ``warning`` or ``critical``."""
    role: str
    message: str
    time: str
    utterances: tuple[str, ...]
    """Ids of the utterances behind it; they stand in the call's detail."""
    acknowledged: Acknowledged | None


class Hour(msgspec.Struct, frozen=True):
    """What began or was heard in one hour."""

    start: str
    """UTC, RFC 3339; the whole hours are those of the clock on the wall where the dashboard runs."""
    calls: int
    utterances: dict[str, int]
    """Certain verdicts by emotion."""
    uncertain: int
    alerts: dict[str, int]
    """By severity."""


class Today(msgspec.Struct, frozen=True):
    """The day's overview, from midnight where the dashboard runs."""

    since: str
    """UTC, RFC 3339: that midnight."""
    hours: tuple[Hour, ...]
    """From midnight to the hour that is under way, none left out."""
    calls: int
    live: int
    utterances: dict[str, int]
    uncertain: int
    alerts: dict[str, int]
    open_alerts: int
    """Of any day, as far as they are kept."""
    median_acknowledgement_s: float | None
    """From alert to acknowledgement; null where none of today's was acknowledged."""


class Node(msgspec.Struct, frozen=True):
    """A server, as it last spoke of itself."""

    node: str
    status: str
    """``online``, ``draining`` or ``offline``."""
    version: str
    time: str


class BrokerState(msgspec.Struct, frozen=True):
    """Whether what is shown is live."""

    connected: bool
    reason: str
    """Why it is not, in one sentence; empty while it is."""
    since: str
    """UTC, RFC 3339: when the connection was made or lost; another reason is no other time."""


class Snapshot(msgspec.Struct, frozen=True):
    """Everything the first page shows."""

    cursor: int
    now: str
    broker: BrokerState
    nodes: tuple[Node, ...]
    calls: tuple[Call, ...]
    """Live ones first, the longest first; then those that ended, the latest first."""
    alerts: tuple[Alert, ...]
    """Open ones first, the most severe, then the oldest first; then acknowledged ones, the latest first."""
    today: Today


class UtteranceRow(msgspec.Struct, frozen=True):
    """An utterance on the call's page."""

    id: str
    role: str
    n: int
    start_ms: int
    end_ms: int
    speech_ms: int
    cut: str
    """``silence``, ``max_length``, ``gap`` or ``end_of_call``."""
    emotion: str
    confidence: float
    uncertain: bool
    scores: dict[str, float]
    quality: Quality
    model: str
    """Name and version."""
    time: str


class Summary(msgspec.Struct, frozen=True):
    """What a call came to; names no emotion of a party that is not analysed."""

    time: str
    duration_ms: int
    overlap_ms: int
    reason: str
    speakers: tuple[SpeakerSummary, ...]
    """Talk time, silence, loudness, rate of speech and lost audio of each."""


class CallDetail(msgspec.Struct, frozen=True):
    """Everything known of one call."""

    call: Call
    utterances: tuple[UtteranceRow, ...]
    """In the order of the media clock."""
    alerts: tuple[Alert, ...]
    """The oldest first."""
    summary: Summary | None
    """Null while it is live, and where its server died."""


class Gone(msgspec.Struct, frozen=True):
    """A call that is to be shown no more: an objection, or its time is over."""

    tenant: str
    id: str


class AlertGone(msgspec.Struct, frozen=True):
    """An alert that is to be shown no more: its time is over, or there are too many."""

    id: str


class Reset(msgspec.Struct, frozen=True):
    """The stream cannot go on from where the page was."""

    cursor: int


class Me(msgspec.Struct, frozen=True):
    """Who is signed in."""

    name: str
    """What stands in acknowledgements."""
    tenant: str
    """Whose calls are shown; ``+`` = all."""
    version: str
    """Of the dashboard."""


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request to sign in."""

    token: str
    name: str = ""
    """How the person calls itself, 1 to 80 characters; not looked at where the token is a person's own."""


class Acknowledge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request to acknowledge an alert; who asks is known from the session."""

    note: str = ""
    """What was done; up to 1000 characters."""


class Refusal(msgspec.Struct, frozen=True):
    """Why something was not done, for people."""

    error: str
    name_needed: bool = False
    """With 401: the token is shared, so the person has to say a name as well."""


class Conflict(msgspec.Struct, frozen=True):
    """Somebody else was first."""

    error: str
    acknowledged: Acknowledged
