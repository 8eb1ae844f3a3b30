"""Between the bus and Home Assistant: listens to a tenant's events and keeps its sensors' topics right.

Theory of operation. One connection listens, with a session that the broker keeps, so that an alert or acknowledgement
which comes while the bridge is down counts all the same. Another publishes: configurations, the state whenever it has
changed, and ``online``, of which its last will makes ``offline``. What was open before a restart stands in the
retained state itself. This file must never publish below ``<base>/v1``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import Random

import aiomqtt
import msgspec

from streamer_client.broker import Broker, Client, backoff
from streamer_client.errors import BrokerError, ClientError
from streamer_client.home_assistant.desk import Desk, State
from streamer_client.home_assistant.discovery import OFFLINE, ONLINE, Places, node_config, tenant_config
from streamer_client.selection import Selection
from streamer_client.subscribe import Status, Subscription, topics

log = logging.getLogger(__name__)

KINDS = ("status", "state", "ended", "alert", "acknowledgement")
_ECHO_S = 10.0
"""How long to wait for our own mark; without rights to read it, it never comes."""


async def run_bridge(
    broker: Broker, places: Places, *, on_status: Callable[[Status, str], None], on_ready: Callable[[], None]
) -> None:
    """Keep the sensors right until cancelled; then they show as unavailable.

    Parameters
    ----------
    broker : Broker
    places : Places
    on_status : callable
        As :func:`streamer_client.subscribe.subscribe` takes it.
    on_ready : callable
        Called when the sensors have been announced for the first time.

    Raises
    ------
    BrokerError
        The broker cannot be reached at first, or forbids a topic.
    """
    announcer = _Announcer(broker, places, on_ready)
    subscription = Subscription(
        broker,
        topics(KINDS, base=places.base, tenant=places.tenant),
        selection=Selection(),
        client_id=_session(places),
        persistent=True,
        on_status=on_status,
        on_cleared=announcer.clear,
    )
    try:
        async with subscription as events, asyncio.TaskGroup() as group:
            group.create_task(announcer.run(), name="announcing")
            async for event in events:
                announcer.desk.add(event)
                announcer.changed.set()
    except* ClientError as problems:
        raise problems.exceptions[0] from None


async def remove(broker: Broker, places: Places) -> list[str]:
    """Take the tenant's and all servers' devices out of Home Assistant, and everything of ours out of the broker.

    Returns
    -------
    list of str
        The topics of configurations that were removed.

    Raises
    ------
    BrokerError
        The broker cannot be reached, or forbids a topic.
    """
    try:
        # A clean session under the same name: what the broker kept for us goes with it.
        async with broker.client(_session(places)) as client:
            kept = await _retained(client, broker, places, OFFLINE, places.config("+"))
            found = sorted({message.topic.value for message in kept if places.is_ours(message.topic.value)})
            for topic in (*found, places.state, places.availability):
                await _put(client, broker, topic, b"")
    except aiomqtt.MqttError as problem:
        raise broker.explain(problem) from problem
    return found


class _Announcer:
    """The side that publishes."""

    def __init__(self, broker: Broker, places: Places, on_ready: Callable[[], None]) -> None:
        self.desk = Desk()
        self.changed = asyncio.Event()
        """Set when the desk may say something else than before."""
        self._broker = broker
        self._places = places
        self._on_ready = on_ready

    def clear(self, topic: str) -> None:
        """Take the topic of a retained message that was taken away."""
        self.desk.cleared(topic)
        self.changed.set()

    async def run(self) -> None:
        """Publish until cancelled, through broker restarts."""
        broker, places = self._broker, self._places
        recalled = False
        delays_s = backoff(Random())  # noqa: S311 - jitter, no secret
        while True:
            try:
                will = aiomqtt.Will(places.availability, OFFLINE, qos=1, retain=True)
                async with broker.client(will=will) as client:
                    kept = await _retained(client, broker, places, ONLINE, places.state)
                    if not recalled:
                        self.desk.recall(_before(places, kept))
                        recalled = True
                    config = msgspec.json.encode(tenant_config(places))
                    await _put(client, broker, places.config(places.tenant_id), config)
                    delays_s = backoff(Random())  # noqa: S311
                    try:
                        await self._keep_right(client)
                    finally:
                        await _put(client, broker, places.availability, OFFLINE.encode())
            except aiomqtt.MqttError as problem:
                log.debug("announcing: %s", broker.explain(problem))  # the listening side says so to the user
                await asyncio.sleep(next(delays_s))

    async def _keep_right(self, client: Client) -> None:
        broker, places = self._broker, self._places
        told: set[str] = set()
        said: State | None = None
        while True:
            self.changed.clear()
            for node in [node for node in self.desk.nodes if node not in told]:
                config = msgspec.json.encode(node_config(places, node))
                await _put(client, broker, places.config(places.node_id(node)), config)
                told.add(node)
            state = self.desk.state()
            if state != said:
                await _put(client, broker, places.state, msgspec.json.encode(state))
                said = state
            self._on_ready()
            self._on_ready = _nothing
            await self.changed.wait()


async def _retained(client: Client, broker: Broker, places: Places, mark: str, wanted: str) -> list[aiomqtt.Message]:
    """Return what the broker keeps on the wanted topics: what comes before a mark of our own comes back."""
    for topic in (wanted, places.availability):
        await client.subscribe(topic, qos=1)
    await _put(client, broker, places.availability, mark.encode())
    found: list[aiomqtt.Message] = []
    try:
        async with asyncio.timeout(_ECHO_S):
            async for message in client.messages:
                if message.topic.value == places.availability and not message.retain:
                    break
                found.append(message)
    except TimeoutError:
        log.warning("the broker at %s does not let us read %s back", broker.address, places.availability)
    for topic in (wanted, places.availability):
        await client.unsubscribe(topic)
    return found


def _before(places: Places, kept: list[aiomqtt.Message]) -> State:
    """Return the state that was published before this start."""
    for message in kept:
        if message.topic.value == places.state and isinstance(message.payload, bytes) and message.payload:
            try:
                return msgspec.json.decode(message.payload, type=State)
            except msgspec.DecodeError as problem:
                log.warning("what stands on %s is not ours, and is replaced: %s", places.state, problem)
    return State()


async def _put(client: Client, broker: Broker, topic: str, payload: bytes) -> None:
    await client.publish(topic, payload, qos=1, retain=True)
    if client.refused is not None:
        raise BrokerError(
            f"the MQTT broker at {broker.address} forbids us to publish on {topic} ({client.refused}); "
            "allow it for this user"
        )


def _session(places: Places) -> str:
    return f"{places.tenant_id}-home-assistant"


def _nothing() -> None:
    """Be ready for the second time: nobody asks."""
