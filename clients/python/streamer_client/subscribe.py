"""Follow the events on the bus: typed, each once, through broker restarts.

The broker delivers at least once, so an event may come twice with the same id; it leaves here once. This file must
never publish, and never let one unreadable payload end the stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from random import Random
from types import TracebackType
from typing import Literal, Self

import aiomqtt
import msgspec

from streamer_client._callable import make_callable
from streamer_client.belonging import belongs
from streamer_client.broker import DEFAULT_URL, Broker, Client, backoff
from streamer_client.errors import BrokerError, OptionError
from streamer_client.events import Event, EventError, UnknownEvent, decode
from streamer_client.selection import Selection, select
from streamer_client.share import ALL, Share

log = logging.getLogger(__name__)

_TOPICS = {
    "utterance": "{base}/v1/{tenant}/calls/{call}/{role}/utterance",
    "partial": "{base}/v1/{tenant}/calls/{call}/{role}/partial",
    "state": "{base}/v1/{tenant}/calls/{call}/state",
    "ended": "{base}/v1/{tenant}/calls/{call}/ended",
    "alert": "{base}/v1/{tenant}/alerts/+",
    "acknowledgement": "{base}/v1/{tenant}/acknowledgements",
    "status": "{base}/v1/nodes/+/status",
}
KINDS = tuple(_TOPICS)
_RETAINED = frozenset({"state", "status"})
"""Last levels of the topics on which messages are retained."""
_ALWAYS_TOLD = 3
_COMMITTED_AT_ONCE = 100
Status = Literal["connected", "lost"]


def topics(
    kinds: Sequence[str] = KINDS,
    *,
    base: str = "emotion",
    tenant: str = "default",
    call: str = "+",
    role: str = "+",
    group: str = "",
) -> list[str]:
    """Return the MQTT topic filters that bring these kinds of events.

    Parameters
    ----------
    kinds : sequence of str
        Out of ``utterance``, ``partial``, ``state``, ``ended``, ``alert``, ``acknowledgement`` and
        ``status``.
    base : str
        First levels of every topic, as configured in the server.
    tenant, call, role : str
        One level each; ``+`` = any.
    group : str
        Name of a group whose members share the events among them (MQTT 5, section 4.8.2).

    Raises
    ------
    OptionError
        An unknown kind, a level that is empty, has a slash or mixes ``+`` or ``#`` with other characters, or a group
        for ``state`` or ``status``, whose retained messages a broker does not send to groups.
    """
    for name, level in {"tenant": tenant, "call": call, "role": role}.items():
        if not level or "/" in level or "#" in level or ("+" in level and level != "+"):
            raise OptionError(f"got {name}={level!r}; give one level of a topic, or + for any")
    if not base or "+" in base or "#" in base:
        raise OptionError(f"got base={base!r}; give the server's base topic, without wildcards")
    if isinstance(kinds, str):
        raise OptionError(f"got kinds={kinds!r}; give a list, such as [{kinds!r}]")
    unknown = [kind for kind in kinds if kind not in _TOPICS]
    if unknown or not kinds:
        raise OptionError(f"got kinds {', '.join(unknown) or '(none)'}; choose from {', '.join(KINDS)}")
    if any(character in group for character in "/+#"):
        raise OptionError(f"got group={group!r}; give a name without /, + and #")
    kept = _RETAINED.intersection(kinds)
    if group and kept:
        raise OptionError(
            f"got group={group!r} for {', '.join(sorted(kept))}; a broker sends no retained messages to a group, so "
            "follow these without one"
        )
    share = f"$share/{group}/" if group else ""
    return [share + _TOPICS[kind].format(base=base, tenant=tenant, call=call, role=role) for kind in kinds]


class Received(msgspec.Struct, frozen=True):
    """One message as it came, with what it means."""

    topic: str
    payload: bytes
    event: Event | UnknownEvent


class Subscription:
    """A stream of events; made by :func:`subscribe`.

    Iterate it, or enter it first (``async with``) to be sure that the subscription stands before something else is
    started, and that it is closed when the loop is left early.
    """

    def __init__(
        self,
        broker: Broker,
        filters: Sequence[str],
        *,
        selection: Selection | None = None,
        share: Share = ALL,
        base: str = "emotion",
        dedupe: int = 10000,
        client_id: str | None = None,
        persistent: bool = False,
        on_status: Callable[[Status, str], None] | None = None,
        on_cleared: Callable[[str], None] | None = None,
        commit: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.duplicates = 0
        """Events that came again and were not handed out."""
        self.passed_over = 0
        """Messages that the broker sent and the filters did not take, or that another member's share takes."""
        self.unreadable = 0
        """Payloads that were no event, or one of another topic; the first are logged, then those that make a round
        number."""
        self.stale = 0
        """Retained messages of kinds that are never retained, left out and logged likewise: what somebody made the
        broker keep comes again to every new subscriber, as if it had just been said."""
        self.unknown = 0
        """Events of a type that this version does not know; iteration leaves them out, :meth:`received` does not."""
        self._broker = broker
        self._filters = filters
        self._selection = selection or Selection()
        self._share = share
        self._base = base
        self._dedupe = dedupe
        self._client_id = client_id
        self._persistent = persistent
        self._on_status = on_status or (lambda _status, _reason: None)
        self._on_cleared = on_cleared or (lambda _topic: None)
        self._commit = commit
        """Puts all that was handed out where it outlasts us; only after that the broker may forget it."""
        self._seen: dict[str, None] = {}
        self._client: Client | None = None
        self._uncommitted: list[aiomqtt.Message] = []

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for item in self.received():
            if isinstance(item.event, UnknownEvent):
                continue
            yield item.event

    async def received(self) -> AsyncIterator[Received]:
        """Iterate the messages with their topic and payload, events of unknown types included.

        Raises
        ------
        BrokerError
            The first connection cannot be made, or the broker forbids the subscription. A connection that is lost
            later is made again, for as long as that takes.
        """
        if self._client is None:
            async with self:
                async for item in self.received():
                    yield item
            return
        while True:
            try:
                await self._acknowledge(self._client)
                message = await anext(self._client.messages)
            except aiomqtt.MqttError as problem:
                await self._reconnect(self._broker.explain(problem))
                continue
            if self._commit is not None and message.qos:
                self._uncommitted.append(message)
            if not self._share.may_have(message.topic.value, self._base):
                self.passed_over += 1  # another member's, acknowledged like what we take
                continue
            read = self._read(message)
            if read is not None:
                yield read

    async def _acknowledge(self, client: Client) -> None:
        """Commit what was handed out and acknowledge it, where nothing more is there yet or it has become much."""
        if self._commit is None or not self._uncommitted:
            return
        if len(client.messages) and len(self._uncommitted) < _COMMITTED_AT_ONCE:
            return
        await self._commit()
        client.acknowledge(self._uncommitted)
        self._uncommitted.clear()

    async def _connect(self) -> None:
        client = self._broker.client(self._client_id, persistent=self._persistent)
        self._uncommitted.clear()  # of an earlier connection: they come again
        if self._commit is not None:
            client.acknowledge_by_hand()
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as problem:
            raise self._broker.explain(problem) from problem
        self._client = client
        try:
            for topic in self._filters:
                for granted in await client.subscribe(topic, qos=1):
                    if (granted if isinstance(granted, int) else granted.value) >= 0x80:
                        raise _ForbiddenError(
                            f"the MQTT broker at {self._broker.address} forbids us to subscribe to {topic} "
                            f"({granted}); allow it for this user"
                        )
        except aiomqtt.MqttError as problem:
            await self._close()
            raise self._broker.explain(problem) from problem
        except BrokerError:
            await self._close()
            raise
        self._on_status("connected", self._broker.address)

    async def _reconnect(self, reason: BrokerError) -> None:
        await self._close()
        told = str(reason)
        self._on_status("lost", told)
        for delay_s in backoff(Random()):  # noqa: S311 - jitter, no secret
            await asyncio.sleep(delay_s)
            try:
                await self._connect()
            except _ForbiddenError:
                raise
            except BrokerError as problem:
                # Every new reason once: a broker that stays away for a day is not a day of messages.
                if str(problem) != told:
                    told = str(problem)
                    self._on_status("lost", told)
            else:
                return

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            await client.__aexit__(None, None, None)
        except aiomqtt.MqttError as problem:
            log.debug("closing the connection to %s: %s", self._broker.address, problem)

    def _read(self, message: aiomqtt.Message) -> Received | None:
        topic, payload = message.topic.value, message.payload
        if not isinstance(payload, bytes) or not payload:
            # No event: an empty message takes away a retained one, such as the state of a call that is over.
            self._on_cleared(topic)
            return None
        if message.retain and topic.rpartition("/")[2] not in _RETAINED:
            self.stale += 1
            if _worth_telling(self.stale):
                log.warning(
                    "skipped a retained message on %s, where nothing of ours is ever retained (%d so far); remove it: "
                    "mosquitto_pub -r -n -t TOPIC",
                    topic,
                    self.stale,
                )
            return None
        try:
            event = _event_of(topic, payload)
        except EventError as problem:
            self.unreadable += 1
            if _worth_telling(self.unreadable):
                log.warning("skipped a message on %s: %s (%d so far)", topic, problem, self.unreadable)
            return None
        if isinstance(event, UnknownEvent):
            self.unknown += 1
        elif not (self._share.takes(event) and self._selection.takes(event)):
            self.passed_over += 1
            return None
        if event.id in self._seen:
            self.duplicates += 1
            return None
        self._seen[event.id] = None
        if len(self._seen) > self._dedupe:
            del self._seen[next(iter(self._seen))]
        return Received(topic, payload, event)


def _event_of(topic: str, payload: bytes) -> Event | UnknownEvent:
    """Return the event in a payload; none where it is not on its own topic, whose filter has seen to the base."""
    event = decode(payload)
    if not isinstance(event, UnknownEvent) and not belongs(topic, event, None):
        raise EventError("got an event whose type, tenant, call or role is not the topic's")
    return event


def _worth_telling(count: int) -> bool:
    """Return whether the last one of so many is logged: a stranger who sends on and on must not fill a disk."""
    return count <= _ALWAYS_TOLD or str(count).strip("0") == "1"


class _ForbiddenError(BrokerError):
    """Trying again would be answered in the same way."""


def subscribe(
    mqtt_url: str = DEFAULT_URL,
    *,
    kinds: Sequence[str] = ("utterance",),
    tenant: str = "default",
    base: str = "emotion",
    call: str = "+",
    role: str = "+",
    emotions: Sequence[str] = (),
    min_confidence: float = 0.0,
    certain: bool = False,
    labels: Mapping[str, str] | None = None,
    severities: Sequence[str] = (),
    share: str = "",
    group: str = "",
    dedupe: int = 10000,
    version: str = "5",
    username: str = "",
    password_file: str = "",
    ca_file: str = "",
    cert_file: str = "",
    key_file: str = "",
    client_id: str | None = None,
    persistent: bool = False,
    on_status: Callable[[Status, str], None] | None = None,
    on_cleared: Callable[[str], None] | None = None,
) -> Subscription:
    """Follow events: ``async for event in subscribe("mqtt://broker")``.

    Parameters
    ----------
    mqtt_url : str
        ``mqtt://host:1883`` or ``mqtts://host:8883``.
    kinds : sequence of str
        What to follow, see :func:`topics`.
    tenant, base, call, role : str
        Whose events, see :func:`topics`; a call's id as it stands in its topics.
    emotions : sequence of str
        Only verdicts of these emotions. Never an uncertain one: what such a verdict names is no verdict.
    min_confidence : float
        Only verdicts of at least this confidence, 0 to 1.
    certain : bool
        Leave out uncertain verdicts.
    labels : mapping of str to str, optional
        Only events of calls whose labels have all these values, such as ``{"queue": "billing"}``.
    severities : sequence of str
        Only alerts of these: ``info``, ``warning``, ``critical``. Like the filters above, this one leaves alone the
        events that have no such thing.
    share : str
        Only the calls of one member of a group, such as ``2/3`` for the second of three: see
        :mod:`streamer_client.share`. All events of a call go to the same member, in order; every member is sent those
        of the others too, and passes them over. Statuses are everybody's.
    group : str
        Share the events with all listeners that give the same name: each event goes to one of them. Costs the order
        of a call's events, and de-duplication: an event that comes again may go to another member. MQTT 5 only.
    dedupe : int
        How many ids to remember. An event that comes again after this many others is handed out again.
    version : str
        ``5`` or ``3.1.1``.
    username, password_file, ca_file, cert_file, key_file : str
        See :class:`streamer_client.broker.Broker`.
    client_id : str, optional
        Must be unique at the broker; needed for `persistent`.
    persistent : bool
        The broker keeps events while this client is away.
    on_status : callable, optional
        Called with ``"connected"`` and the broker's address, or ``"lost"`` and the reason.
    on_cleared : callable, optional
        Called with the topic of which the retained message was taken away: a call's ``state`` when it is over.

    Raises
    ------
    BrokerError
        When iteration begins: the broker cannot be reached or does not let us in.
    OptionError
        An argument that cannot be right.
    """
    if group and share:
        raise OptionError(
            f"got group={group!r} and share={share!r}; give one of them: what the broker sends to another member of "
            "the group would be missing in the share"
        )
    if dedupe < 1:
        raise OptionError(f"got dedupe={dedupe}; give 1 or more")
    if group and version != "5":
        raise OptionError(
            f"got group={group!r} with MQTT {version}, which knows no groups: a broker without that extension would "
            "send nothing, and not say so; give version 5"
        )
    broker = Broker(mqtt_url, version, username, password_file, ca_file, cert_file, key_file)
    return Subscription(
        broker,
        topics(kinds, base=base, tenant=tenant, call=call, role=role, group=group),
        selection=select(
            call=call,
            role=role,
            emotions=emotions,
            min_confidence=min_confidence,
            certain=certain,
            labels=labels,
            severities=severities,
        ),
        share=Share.parse(share),
        base=base,
        dedupe=dedupe,
        client_id=client_id,
        persistent=persistent,
        on_status=on_status,
        on_cleared=on_cleared,
    )


make_callable(__name__)
