"""From an event to the message that carries it: stable ids, times, and the value that waits in the outbox.

Pure. An id must never depend on anything but what the event is about: the same verdict, computed again after a crash,
must carry the same id, because subscribers de-duplicate by it. Nothing here reads a clock or draws a random number.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec
from streamer_client import events
from streamer_client.events import (
    AcknowledgementEvent,
    AlertEvent,
    CallRef,
    EndedEvent,
    Event,
    PartialEvent,
    StateEvent,
    StatusEvent,
    UtteranceEvent,
)

from streamer.bus.topics import Topics

PARTIAL_EXPIRY_S: Final = 30
"""A rolling verdict older than this is of no use to anybody: the final one has come."""

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Kind(StrEnum):
    """What a message carries; decides what happens to it when the outbox is full."""

    UTTERANCE = "utterance"
    PARTIAL = "partial"
    STATE = "state"
    CLEAR = "clear"
    """The empty retained message that takes a call's state off the broker."""
    ENDED = "ended"
    ALERT = "alert"
    STATUS = "status"


class Outgoing(msgspec.Struct, frozen=True):
    """One MQTT message, ready to be sent by any version of the protocol."""

    id: str
    """Id of the event; with the topic, what makes two messages the same."""
    kind: Kind
    topic: str
    payload: bytes
    """Structured CloudEvent, or empty to clear a retained message."""
    call_key: str = ""
    """Order is kept, and an objection carried out, per key; see :func:`call_key`. Empty for what is of no call."""
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    """Seconds that the broker keeps it for an absent subscriber (v5 only); None = for ever."""
    content_type: str = events.CONTENT_TYPE
    properties: tuple[tuple[str, str], ...] = ()
    """User properties (v5 only): the CloudEvents attributes, so that a subscriber can sort without parsing."""


def event_id(session_id: str, kind: str, role: str, n: int, time_ms: int) -> str:
    """Return the id of an event: a ULID (https://github.com/ulid/spec) whose random part is a digest.

    Parameters
    ----------
    session_id
        What the call's session is called inside the server; unique per session.
    kind
        The event's kind; any fixed word.
    role
        Whose event it is; empty where it has no party.
    n
        Counts events of this kind and role within the session.
    time_ms
        The event's time, ms since 1970, 0 to 2**48 - 1; ids sort by it.

    Returns
    -------
    str
        26 characters of Crockford's base 32, the same for the same arguments.

    Raises
    ------
    ValueError
        The time does not fit into 48 bits.
    """
    if not 0 <= time_ms < 1 << 48:
        raise ValueError(f"got event time {time_ms} ms, expected ms since 1970 from 0 to {(1 << 48) - 1}")
    # JSON keeps ("a", "bc") and ("ab", "c") apart, as plain joining would not.
    digest = hashlib.sha256(msgspec.json.encode((session_id, kind, role, n))).digest()
    number = time_ms << 80 | int.from_bytes(digest[:10], "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def rfc3339(epoch_s: float) -> str:
    """Return seconds since 1970 as UTC text with milliseconds, like ``2026-11-22T10:15:04.210Z`` (RFC 3339)."""
    whole_s, ms = divmod(round(epoch_s * 1000), 1000)
    return f"{datetime.fromtimestamp(whole_s, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"


def call_key(tenant: str, call: str, session_id: str = "") -> str:
    """Return the key of a call's session, across which order is kept and at which an objection is carried out."""
    return f"{tenant}\x1f{call}\x1f{session_id}"


def call_of(key: str) -> str | None:
    """Return the id of the call that a key of :func:`call_key` is of; None where it is of none."""
    return key.partition("\x1f")[2].partition("\x1f")[0] or None


def _properties(event: Event) -> tuple[tuple[str, str], ...]:
    """Repeat the attributes as user properties (CloudEvents MQTT binding, section 3.2)."""
    return (
        ("specversion", event.specversion),
        ("type", events.event_type(event)),
        ("source", event.source),
        ("subject", event.subject),
        ("id", event.id),
    )


def outgoing(event: Event, topics: Topics, session_id: str = "") -> Outgoing:
    """Return the message that carries an event: topic, QoS and retention as the contract says.

    Parameters
    ----------
    event
        Any event of ours.
    topics
        The topics in force.
    session_id
        The session the event is from, for :func:`call_key`.
    """
    call: CallRef | None = None
    qos, retain, expiry_s = 1, False, None
    match event:
        case UtteranceEvent(data=data):
            call, kind = data.call, Kind.UTTERANCE
            topic = topics.utterance(call.tenant, call.id, data.speaker.role)
        case PartialEvent(data=data):
            call, kind, qos, expiry_s = data.call, Kind.PARTIAL, 0, PARTIAL_EXPIRY_S
            topic = topics.partial(call.tenant, call.id, data.speaker.role)
        case StateEvent(data=state):
            call, kind, retain = state.call, Kind.STATE, True
            topic = topics.state(call.tenant, call.id)
        case EndedEvent(data=ended):
            call, kind = ended.call, Kind.ENDED
            topic = topics.ended(call.tenant, call.id)
        case AlertEvent(data=alert):
            call, kind = alert.call, Kind.ALERT
            topic = topics.alert(call.tenant, alert.severity)
        case AcknowledgementEvent(data=taken):
            call, kind = taken.call, Kind.ALERT
            topic = topics.acknowledgement(call.tenant)
        case StatusEvent(data=status):
            kind, retain = Kind.STATUS, True
            topic = topics.status(status.node)
    return Outgoing(
        id=event.id,
        kind=kind,
        topic=topic,
        payload=events.encode(event),
        call_key=call_key(call.tenant, call.id, session_id) if call else "",
        qos=qos,
        retain=retain,
        expiry_s=expiry_s,
        properties=_properties(event),
    )


def cleared(state: Outgoing) -> Outgoing:
    """Return the message that takes a call's retained state off the broker.

    It must follow every state event of a call, whatever way the call ends. Its id is made from the state's, so that
    clearing twice is the same message twice.
    """
    return clear(state.topic, state.call_key, state.id)


def clear(topic: str, key: str, state_id: str) -> Outgoing:
    """As :func:`cleared`, from what is left of a state event when the process that sent it is gone."""
    return Outgoing(
        id=f"{state_id}-clear", kind=Kind.CLEAR, topic=topic, payload=b"", call_key=key, retain=True, content_type=""
    )
