"""Publish one event as the server publishes its own: QoS 1, not retained, under MQTT 5 with its attributes beside it.

Shared by the alerts and their acknowledgements. This file must never decide what is published, nor try again.
"""

from __future__ import annotations

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from streamer_client.broker import Broker, Client
from streamer_client.errors import BrokerError
from streamer_client.events import CONTENT_TYPE, Event, encode, event_type


async def publish(client: Client, broker: Broker, topic: str, event: Event) -> None:
    """Publish an event and wait for the broker's acknowledgement.

    Parameters
    ----------
    client : Client
        Connected, and made by `broker`.
    broker : Broker
    topic : str
    event : Event

    Raises
    ------
    BrokerError
        The broker refuses the message; only MQTT 5 can say so.
    aiomqtt.MqttError
        The connection is lost, or no acknowledgement came in time.
    """
    properties = attributes(event) if broker.version == "5" else None
    await client.publish(topic, encode(event), qos=1, properties=properties)
    if client.refused is not None:
        raise BrokerError(
            f"the MQTT broker at {broker.address} forbids us to publish on {topic} ({client.refused}); "
            "allow it for this user"
        )


def attributes(event: Event) -> Properties:
    """Return the CloudEvents attributes as MQTT 5 properties (CloudEvents MQTT binding, section 3.1)."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = CONTENT_TYPE
    properties.UserProperty = [
        ("specversion", event.specversion),
        ("id", event.id),
        ("type", event_type(event)),
        ("source", event.source),
        ("subject", event.subject),
    ]
    return properties
