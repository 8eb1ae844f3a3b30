"""What the broker keeps under our topics that misleads whoever comes later, found by reading it once.

A retained message is handed to every new subscriber as if it had just happened. Ours are the states of live calls and
of nodes; anything else that is retained there, and the state of a call that has ended, makes wallboards and alerts
wrong. This file must never remove or change what it finds: it may be somebody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import aiomqtt
import msgspec
from streamer_client.events import EventError, StateEvent, Status, StatusEvent, UnknownEvent, decode

from streamer.bus.connection import Link
from streamer.bus.reasons import Trouble
from streamer.bus.settings import LinkError
from streamer.bus.topics import VERSION

_FAILURE: Final = 0x80
_MOST: Final = 200_000
"""Retained messages that are looked at; a node with more calls than that does not exist."""


class Junk(StrEnum):
    """What is wrong with a retained message; label `kind` of `streamer_retained_junk`."""

    FOREIGN_TOPIC = "foreign_topic"
    """No topic of ours, though under our base."""
    NEVER_RETAINED = "never_retained"
    """A topic of ours on which nothing is ever retained: a bridge or a tool put it there, and it comes again and again
    as if it were new."""
    UNREADABLE = "unreadable"
    """No event of ours, or another kind than the topic's."""
    STALE_STATE = "stale_state"
    """The state of a call on a node that does not carry it any more."""


class Retained(msgspec.Struct, frozen=True):
    """A retained message."""

    topic: str
    payload: bytes


class Census(msgspec.Struct, frozen=True):
    """What was found."""

    seen: int
    """Retained messages under our base; 0 too where this user may not read them and the broker does not say so."""
    junk: tuple[tuple[Junk, str], ...]
    """What misleads, with its topic."""

    @property
    def counts(self) -> dict[Junk, int]:
        """How many of each kind, those with none left out."""
        return dict(Counter(junk for junk, _ in self.junk))


def judge(found: Sequence[Retained], base: str, *, own: str = "", started: str = "") -> list[tuple[Junk, str]]:
    """Return which retained messages mislead.

    Parameters
    ----------
    found
        All of them, of all nodes: the state of a call is judged by what its node says of itself.
    base
        `mqtt.base`.
    own, started
        The `source` of this node and the time (RFC 3339) at which it came up, where a running node asks: what its
        predecessor left is stale. Empty otherwise.

    Returns
    -------
    list of (Junk, str)
        Kind and topic, in the order of the messages.
    """
    readable: dict[str, StateEvent | StatusEvent | UnknownEvent] = {}
    junk: list[tuple[Junk, str]] = []
    for one in found:
        wrong = _wrong(one, base)
        if wrong is not None:
            junk.append((wrong, one.topic))
            continue
        event = decode(one.payload)
        if isinstance(event, StateEvent | StatusEvent | UnknownEvent):
            readable[one.topic] = event
    offline = {
        event.source
        for event in readable.values()
        if isinstance(event, StatusEvent) and event.data.status is Status.OFFLINE
    }
    for topic, event in readable.items():
        if isinstance(event, StateEvent) and (
            event.source in offline - {own} or (event.source == own and event.time < started)
        ):
            junk.append((Junk.STALE_STATE, topic))
    return junk


def _wrong(one: Retained, base: str) -> Junk | None:
    """Return what is wrong with a message by itself."""
    expected: type[StateEvent | StatusEvent]
    match one.topic.removeprefix(f"{base}/{VERSION}/").split("/"):
        case ["nodes", _, "status"]:
            expected = StatusEvent
        case [_, "calls", _, "state"]:
            expected = StateEvent
        case [_, "calls", _, "ended"] | [_, "calls", _, _, "utterance" | "partial"] | [_, "alerts", _]:
            return Junk.NEVER_RETAINED
        case _:
            return Junk.FOREIGN_TOPIC
    try:
        event = decode(one.payload)
    except EventError:
        return Junk.UNREADABLE
    # An event of a type that only newer servers know is not ours to judge.
    return None if isinstance(event, expected | UnknownEvent) else Junk.UNREADABLE


async def look(link: Link, base: str, quiet_s: float, *, own: str = "", started: str = "") -> Census:
    """Read what is retained under our topics, and publish nothing.

    A broker sends what it keeps when somebody subscribes and does not say when that was all; so it was all when nothing
    more of it has come for a while.

    Parameters
    ----------
    link
        An open connection that nothing else reads from; to be closed afterwards.
    base
        `mqtt.base`.
    quiet_s
        How long nothing retained comes at the end.
    own, started
        As for :func:`judge`.

    Raises
    ------
    LinkError
        The broker does not let us subscribe, or is gone.
    """
    try:
        granted = await link.subscribe(f"{base}/{VERSION}/#", qos=1)
        for code in granted:
            if (code if isinstance(code, int) else code.value) >= _FAILURE:
                raise LinkError(f"this user may not subscribe to {base}/{VERSION}/# ({code})", Trouble.CREDENTIALS)
        found = await _read(link, quiet_s)
    except aiomqtt.MqttError as problem:
        raise LinkError(f"the broker is gone ({problem})", Trouble.LOST) from problem
    return Census(len(found), tuple(judge(found, base, own=own, started=started)))


async def _read(link: Link, quiet_s: float) -> list[Retained]:
    """Return the retained messages that come, until they come no more; what is live is passed over."""
    found: list[Retained] = []
    loop = asyncio.get_running_loop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(quiet_s) as limit:
            async for message in link.messages:
                payload = message.payload
                if not message.retain or not isinstance(payload, bytes):
                    continue
                found.append(Retained(str(message.topic), payload))
                if len(found) >= _MOST:
                    break
                limit.reschedule(loop.time() + quiet_s)
    return found
