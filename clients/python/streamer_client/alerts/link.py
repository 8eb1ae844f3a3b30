"""One connection of the alert service's session at the broker, whose messages are acknowledged by hand.

Messages that a lost connection leaves unacknowledged come again on the next one, in their order (MQTT 5, section 4.4).
This file must never acknowledge on its own, and never connect again by itself.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import aiomqtt

from streamer_client.broker import Broker
from streamer_client.errors import BrokerError
from streamer_client.events import Event
from streamer_client.publish import publish

log = logging.getLogger(__name__)
_REFUSED = 0x80


class ForbiddenError(BrokerError):
    """Trying again would be answered in the same way."""


class Link:
    """An open connection; made by :meth:`open`.

    Parameters
    ----------
    broker : Broker
    client_id : str or None
        Under it the broker keeps the session. None = a session that ends with the connection.
    """

    def __init__(self, broker: Broker, client_id: str | None) -> None:
        self.resumed = False
        """Whether the broker had kept the session: all that came meanwhile is going to be delivered."""
        self.received = 0
        """Messages so far."""
        self.broker = broker
        self._client = broker.client(client_id, persistent=client_id is not None)
        self._client.acknowledge_by_hand()
        paho = self._client._client  # noqa: SLF001 - aiomqtt keeps to itself what the broker says of the session
        connected = paho.on_connect

        def on_connect(client: Any, userdata: Any, flags: Any, *rest: Any) -> None:  # noqa: ANN401 - paho's own
            self.resumed = bool(flags.session_present)
            if connected is not None:
                connected(client, userdata, flags, *rest)

        paho.on_connect = on_connect

    @classmethod
    async def open(
        cls, broker: Broker, client_id: str | None, filters: Sequence[str], dropped: Iterable[str] = ()
    ) -> Link:
        """Connect and subscribe.

        Parameters
        ----------
        broker : Broker
        client_id : str or None
            As above.
        filters : sequence of str
            What to subscribe to.
        dropped : iterable of str
            What an earlier run had subscribed to, and this one does not want.

        Raises
        ------
        BrokerError
            The broker cannot be reached, or does not let us in.
        ForbiddenError
            It forbids a subscription.
        """
        link = cls(broker, client_id)
        try:
            await link._client.__aenter__()
        except aiomqtt.MqttError as problem:
            raise broker.explain(problem) from problem
        try:
            for topic in dropped:
                await link._client.unsubscribe(topic)
            for topic in filters:
                await link._subscribe(topic)
        except aiomqtt.MqttError as problem:
            await link.close()
            raise broker.explain(problem) from problem
        except BaseException:
            await link.close()
            raise
        return link

    async def batches(self, most: int) -> AsyncIterator[list[aiomqtt.Message]]:
        """Iterate what comes, as many messages at once as are there.

        Raises
        ------
        aiomqtt.MqttError
            The connection is lost.
        """
        incoming = self._client.messages
        while True:
            batch = [await anext(incoming)]
            while len(incoming) and len(batch) < most:
                batch.append(await anext(incoming))
            self.received += len(batch)
            yield batch

    def acknowledge(self, messages: Iterable[aiomqtt.Message]) -> None:
        """Tell the broker that it may forget these; in the order in which they came (MQTT 5, section 4.6).

        On a connection that is lost meanwhile nothing happens, and they come again.
        """
        self._client.acknowledge(messages)

    async def publish(self, topic: str, event: Event) -> None:
        """Publish an event; return once the broker has it.

        Raises
        ------
        BrokerError
            It refuses the message.
        aiomqtt.MqttError
            The connection is lost, or no acknowledgement came in time: nobody knows whether it has it.
        """
        await publish(self._client, self.broker, topic, event)

    async def mark(self, topic: str, payload: bytes) -> bool:
        """Publish a message of our own; return whether the broker took it, as far as it says.

        Raises
        ------
        aiomqtt.MqttError
            The connection is lost.
        """
        await self._client.publish(topic, payload, qos=1)
        refused, self._client.refused = self._client.refused, None
        return refused is None

    async def _subscribe(self, topic: str) -> None:
        for granted in await self._client.subscribe(topic, qos=1):
            if (granted if isinstance(granted, int) else granted.value) >= _REFUSED:
                raise ForbiddenError(
                    f"the MQTT broker at {self.broker.address} forbids us to subscribe to {topic} ({granted}); "
                    "allow it for this user"
                )

    async def close(self) -> None:
        """Say goodbye; the broker keeps the session."""
        with contextlib.suppress(aiomqtt.MqttError):  # it is gone already, and who closes has no use for it any more
            await self._client.__aexit__(None, None, None)
