"""What was found in a call, with the alerts that the rules make of it, in the order in which it came about.

Alerts are made here, from finished events, and not kept in the journal: other rules need no second analysis. Pure. This
file must never change an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from streamer_client.alerts.engine import Engine
from streamer_client.alerts.rules import Rule
from streamer_client.events import AlertEvent, EndedEvent, UtteranceEvent

from streamer.archive.analysis import Analysed
from streamer.archive.journal import Entry

Said = UtteranceEvent | AlertEvent | EndedEvent


class CallResult(msgspec.Struct, frozen=True):
    """One call as the report shows it."""

    analysed: Analysed
    alerts: tuple[AlertEvent, ...]
    events: tuple[Said, ...]
    """Utterances, each alert behind the one that completed it, then the summary."""
    done_s: float
    """When it was analysed, seconds since 1970."""

    @property
    def call_id(self) -> str:
        """As the events say it."""
        return self.analysed.ended.data.call.id


def with_alerts(analysed: Analysed, rules: Iterable[Rule], done_s: float = 0.0) -> CallResult:
    """Put the events of a call through the rules; calls know nothing of one another."""
    engine = Engine(rules)
    events: list[Said] = []
    alerts: list[AlertEvent] = []
    # Times are on the media clock, so that the answer never depends on when it is asked.
    for utterance in analysed.utterances:
        found = engine.receive(utterance, now_s=utterance.data.utterance.end_ms / 1000)
        alerts += found
        events += [utterance, *found]
    found = engine.receive(analysed.ended, now_s=analysed.ended.data.duration_ms / 1000)
    alerts += found
    events += [*found, analysed.ended]
    return CallResult(analysed, tuple(alerts), tuple(events), done_s)


def all_results(entries: Iterable[Entry], rules: Iterable[Rule]) -> Iterator[CallResult]:
    """Yield one result for each recording that is done."""
    rules = tuple(rules)
    return (with_alerts(entry.result, rules, entry.done_s) for entry in entries)
