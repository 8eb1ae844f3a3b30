"""The alert service: follows a tenant's utterances, applies the rules, publishes what they find.

State is in memory: a restart forgets the calls under way (their alerts carry ids derived from their utterances, so a
repeated one can be told). An alert leaves the queue on the broker's acknowledgement. This file must never decide
whether something is an alert.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from streamer_client.alerts.engine import Engine
from streamer_client.alerts.rules import Rule
from streamer_client.broker import DEFAULT_URL, Broker, backoff
from streamer_client.errors import BrokerError
from streamer_client.events import CONTENT_TYPE, AlertEvent, encode, event_type
from streamer_client.subscribe import Status, Subscription, topics


async def run_alerts(
    rules: Iterable[Rule],
    *,
    broker: Broker | None = None,
    tenant: str = "default",
    base: str = "emotion",
    on_alert: Callable[[AlertEvent], None] | None = None,
    on_status: Callable[[Status, str], None] | None = None,
) -> None:
    """Watch calls and publish alerts until cancelled.

    Parameters
    ----------
    rules : iterable of Rule
    broker : Broker, optional
        ``mqtt://127.0.0.1:1883`` if not given.
    tenant : str
        Whose calls; ``+`` = all. An alert goes to the tenant of its call.
    base : str
        First levels of every topic, as configured in the server.
    on_alert : callable, optional
        Called with each alert when the broker has it.
    on_status : callable, optional
        As in :func:`streamer_client.subscribe.subscribe`.

    Raises
    ------
    BrokerError
        The broker cannot be reached at the start, does not let us in, or refuses an alert.
    """
    broker = broker or Broker(DEFAULT_URL)
    engine = Engine(rules)
    loop = asyncio.get_running_loop()
    found: asyncio.Queue[AlertEvent] = asyncio.Queue()
    filters = topics(("utterance", "ended"), tenant=tenant, base=base)
    async with Subscription(broker, filters, on_status=on_status) as events:
        publisher = asyncio.create_task(_publish(broker, base, found, on_alert), name="alerts to the broker")
        follower = asyncio.create_task(_follow(events, engine, found, loop.time), name="events to the rules")
        try:
            done, _ = await asyncio.wait((publisher, follower), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # neither ends but by an error
        finally:
            publisher.cancel()
            follower.cancel()
            await asyncio.wait((publisher, follower))


async def _follow(
    events: Subscription, engine: Engine, found: asyncio.Queue[AlertEvent], now: Callable[[], float]
) -> None:
    async for event in events:
        for alert in engine.receive(event, now_s=now()):
            found.put_nowait(alert)


async def _publish(
    broker: Broker, base: str, found: asyncio.Queue[AlertEvent], on_alert: Callable[[AlertEvent], None] | None
) -> None:
    """Publish in order, one at a time; what is not acknowledged is published again on the next connection."""
    pending: AlertEvent | None = None
    delays = backoff(Random())  # noqa: S311 - jitter, no secret
    while True:
        try:
            async with broker.client() as client:
                while True:
                    pending = pending or await found.get()
                    topic = f"{base}/v1/{pending.data.call.tenant}/alerts/{pending.data.severity}"
                    await client.publish(
                        topic,
                        encode(pending),
                        qos=1,
                        properties=_properties(pending) if broker.version == "5" else None,
                    )
                    if client.refused is not None:
                        raise BrokerError(
                            f"the MQTT broker at {broker.address} forbids us to publish on {topic} ({client.refused}); "
                            "allow it for this user"
                        )
                    delays = backoff(Random())  # noqa: S311
                    if on_alert is not None:
                        on_alert(pending)
                    pending = None
        except aiomqtt.MqttError:
            # The subscription tells of the same broker and the same trouble; here it is enough to come back.
            await asyncio.sleep(next(delays))


def _properties(alert: AlertEvent) -> Properties:
    """Return the CloudEvents attributes as MQTT 5 properties, as the server sends them with its own events."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = CONTENT_TYPE
    properties.UserProperty = [
        ("specversion", alert.specversion),
        ("id", alert.id),
        ("type", event_type(alert)),
        ("source", alert.source),
        ("subject", alert.subject),
    ]
    return properties
