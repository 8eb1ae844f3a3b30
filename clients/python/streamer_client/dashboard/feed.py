"""Brings the bus to the hub: all kinds of events of the tenants, and which states were taken away.

What the broker keeps for us it keeps until the hub has written it: a process that is killed misses nothing.

This file must never decide what an event means.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Self

import aiomqtt

from streamer_client.broker import Broker
from streamer_client.dashboard.hub import Hub
from streamer_client.dashboard.records import CallKey
from streamer_client.dashboard.store import Store
from streamer_client.subscribe import Status, Subscription, topics

log = logging.getLogger(__name__)
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
        self._was_lost = False
        self._levels = base.count("/") + 1
        self._subscription = Subscription(
            broker,
            filters_of(tenant, base),
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
        if lost:
            log.warning("the connection to the broker is lost: %s (trying again; pages say so)", reason)
        elif self._was_lost:
            log.info("connected to the broker at %s again", reason)
        self._was_lost = lost
        self._hub.set_broker(connected=not lost, reason=reason if lost else "")

    def _cleared(self, topic: str) -> None:
        key = call_of(topic, self._levels)
        if key is not None:
            self._hub.cleared(key)


def filters_of(tenant: str, base: str) -> list[str]:
    """Return what a feed subscribes to."""
    return topics(KINDS, base=base, tenant=tenant)


async def narrow(broker: Broker, store: Store, filters: Sequence[str]) -> None:
    """Have the broker's session forget what an earlier run had subscribed to, and this one must not hear.

    Messages that the session still holds come all the same: the hub leaves them out.

    Raises
    ------
    BrokerError
        The broker cannot be reached, or does not let us in.
    """
    stale = sorted({*await store.filters()} - {*filters})
    if stale:
        client = broker.client(store.client_id, persistent=True)
        client.acknowledge_by_hand()  # what comes now is for the feed: left unacknowledged, it comes again
        try:
            async with client:
                for topic in stale:
                    await client.unsubscribe(topic)
        except aiomqtt.MqttError as problem:
            raise broker.explain(problem) from problem
    # Before the feed subscribes: what is not written here nobody would ever unsubscribe.
    await store.subscribes(filters)


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
