"""Brings the bus to the hub: all kinds of events of the tenants, and which states were taken away.

What the broker keeps for us it keeps until the hub has written it: a process that is killed misses nothing.

This file must never decide what an event means.
"""

from __future__ import annotations

import asyncio
from typing import Self

from streamer_client.broker import Broker
from streamer_client.dashboard.hub import Hub
from streamer_client.dashboard.records import CallKey
from streamer_client.subscribe import Status, Subscription, topics

KINDS = ("utterance", "partial", "state", "ended", "alert", "acknowledgement", "status")


class Feed:
    """A connection that comes back by itself.

    Parameters
    ----------
    hub : Hub
    broker : Broker
    tenant : str
        Whose events; ``+`` = all.
    base : str
        First levels of every topic.
    client_id : str
        Under which the broker keeps what comes while we are away; empty = it keeps nothing.
    """

    def __init__(self, hub: Hub, broker: Broker, *, tenant: str, base: str, client_id: str) -> None:
        self._hub = hub
        self._levels = base.count("/") + 1
        self._subscription = Subscription(
            broker,
            topics(KINDS, base=base, tenant=tenant),
            dedupe=1,  # the model knows what it has; and a state that comes again says that its call goes on
            client_id=client_id or None,
            persistent=bool(client_id),
            on_status=self._status,
            on_cleared=self._cleared,
            commit=self._written if client_id else None,
        )

    async def __aenter__(self) -> Self:
        """Connect.

        Raises
        ------
        BrokerError
            The broker cannot be reached, or forbids a subscription.
        """
        await self._subscription.__aenter__()
        return self

    async def __aexit__(self, *problem: object) -> None:
        await self._subscription.__aexit__(None, None, None)

    async def run(self) -> None:
        """Bring events until cancelled."""
        async for event in self._subscription:
            self._hub.receive(event)

    async def _written(self) -> None:
        # Shielded: half a flush that was cancelled would be nobody's to repeat.
        await asyncio.shield(self._hub.flush())

    def _status(self, status: Status, reason: str) -> None:
        lost = status == "lost"
        self._hub.set_broker(connected=not lost, reason=reason if lost else "")

    def _cleared(self, topic: str) -> None:
        key = call_of(topic, self._levels)
        if key is not None:
            self._hub.cleared(key)


def call_of(topic: str, base_levels: int) -> CallKey | None:
    """Return the call whose state has this topic; None where it is another topic.

    Parameters
    ----------
    topic : str
        ``<base>/v1/<tenant>/calls/<call>/state``
    base_levels : int
        Levels of the base.
    """
    match topic.split("/")[base_levels:]:
        case ["v1", tenant, "calls", call, "state"]:
            return tenant, call
    return None
