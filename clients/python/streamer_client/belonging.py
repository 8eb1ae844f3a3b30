"""Whether an event came on a topic that is its own: what a broker lets somebody write is decided by topics alone.

Who may write acknowledgements of one tenant could else end calls of another. Pure. This file must never be lenient:
an event on a topic that is not its own is nobody's event.
"""

from __future__ import annotations

import hashlib

from streamer_client.events import (
    AcknowledgementEvent,
    AlertEvent,
    EndedEvent,
    Event,
    PartialEvent,
    StateEvent,
    StatusEvent,
    UtteranceEvent,
)


def belongs(topic: str, event: Event, base: str | None) -> bool:
    """Return whether an event may stand on a topic.

    Parameters
    ----------
    topic : str
        Where it came from.
    event : Event
    base : str or None
        First levels of every topic, as configured in the server. None = the subscription that brought it has seen to
        that.

    Returns
    -------
    bool
        Whether type, tenant, call, role, severity and node of the event are those of the topic.
    """
    levels = topic.split("/")
    ours = _levels(event)
    first, last = levels[: -len(ours)], levels[-len(ours) :]
    if len(first) < 2 or (base is not None and "/".join(first) != f"{base}/v1") or first[-1] != "v1":
        return False
    if isinstance(event, StatusEvent):
        return (last[0], last[2]) == ("nodes", "status") and _is_level_of(event.data.node, last[1])
    return tuple(last) == ours


def _levels(event: Event) -> tuple[str, ...]:
    """Return the levels of an event's topic that come behind ``<base>/v1``."""
    match event:
        case StatusEvent():
            return "nodes", event.data.node, "status"
        case AlertEvent():
            return event.data.call.tenant, "alerts", str(event.data.severity)
        case AcknowledgementEvent():
            return event.data.call.tenant, "acknowledgements"
        case UtteranceEvent() | PartialEvent():
            kind = "utterance" if isinstance(event, UtteranceEvent) else "partial"
            call = event.data.call
            return call.tenant, "calls", call.id, event.data.speaker.role, kind
        case StateEvent() | EndedEvent():
            kind = "state" if isinstance(event, StateEvent) else "ended"
            call = event.data.call
            return call.tenant, "calls", call.id, kind


def _is_level_of(node: str, level: str) -> bool:
    """Return whether a level stands for a node, whose name may hold what no level can: then a digest tells which."""
    return level == node or level.endswith(f"-{hashlib.sha256(node.encode(errors='replace')).hexdigest()[:8]}")
