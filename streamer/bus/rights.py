"""May this user publish what the server publishes: asked by publishing, on topics where it harms nobody.

What is sent is empty, and never retained on a topic that anybody uses, so it says nothing and removes nothing (MQTT 5,
section 3.3.1.3): the topics of a call that does not exist, and the status of this node, where an empty message that is
not retained changes nothing. This file must never publish anything that a subscriber could take for an event.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

import aiomqtt
import msgspec

from streamer.bus.cloudevents import Kind, Outgoing
from streamer.bus.connection import Link, connect
from streamer.bus.reasons import Trouble, advice_on_publish
from streamer.bus.settings import LinkError, MqttSettings
from streamer.bus.topics import Topics, safe

ECHO_S: Final = 1.0
"""How long a message may take to come back under 3.1.1."""
_ROLE: Final = "customer"


class May(StrEnum):
    """Whether a message was taken."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """3.1.1: acknowledged, which it is too where it is thrown away, and it did not come back."""


class Right(msgspec.Struct, frozen=True):
    """What the broker did with one kind of message."""

    kind: Kind
    topic: str
    may: May
    says: str = ""
    """The broker's reason, and what to do."""


def probes(topics: Topics, node: str, tenants: Sequence[str], call: str) -> Iterator[Outgoing]:
    """Return a message for each kind of topic that a server publishes to.

    Parameters
    ----------
    topics
        The topics in force.
    node
        This server's name.
    tenants
        Whose calls it may serve.
    call
        Id of a call that does not exist.
    """

    def empty(kind: Kind, topic: str, *, retain: bool = False) -> Outgoing:
        # QoS 1 for all of them: of QoS 0 no broker says what becomes of it.
        return Outgoing(id="", kind=kind, topic=topic, payload=b"", content_type="", retain=retain)

    yield empty(Kind.STATUS, topics.status(node))
    for tenant in tenants:
        yield empty(Kind.STATE, topics.state(tenant, call), retain=True)
        yield empty(Kind.UTTERANCE, topics.utterance(tenant, call, _ROLE))
        yield empty(Kind.PARTIAL, topics.partial(tenant, call, _ROLE))
        yield empty(Kind.ENDED, topics.ended(tenant, call))


class Asking:
    """Asks one broker, over as many connections as it takes: some close one with each refusal.

    Parameters
    ----------
    settings
        Which broker, and as whom.
    node
        This server's name.
    timeout_s
        How long the broker may take over each answer.
    """

    def __init__(self, settings: MqttSettings, node: str, timeout_s: float) -> None:
        self._settings = settings
        self._name = f"emotion-streamer-{safe(node)}-check-{secrets.token_hex(4)}"
        self._node = node
        self._timeout_s = timeout_s
        self._link: Link | None = None

    async def link(self) -> Link:
        """Return the open connection, made again where it was lost.

        Raises
        ------
        LinkError
            It does not come about.
        """
        if self._link is None or self._link.lost:
            await self.close()
            # With a last will, as the server has one: some brokers refuse whoever may not write to its topic.
            will = next(probes(Topics(self._settings.base), self._node, (), ""))
            self._link = await connect(self._settings, client_id=self._name, will=will, timeout_s=self._timeout_s)
        return self._link

    async def close(self) -> None:
        """Say goodbye."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def rights(self, tenants: Sequence[str]) -> list[Right]:
        """Return what the broker does with each kind of message.

        Raises
        ------
        LinkError
            The broker is gone and does not come back.
        """
        call = f"check-{secrets.token_hex(8)}"
        found: list[Right] = []
        for message in probes(Topics(self._settings.base), self._node, tenants, call):
            found.append(await self._ask(message))
            if found[-1].may is May.NO:
                await self.close()
        return found

    async def _ask(self, message: Outgoing) -> Right:
        link = await self.link()
        refusal = await self._refusal(link, message)
        if refusal:
            return Right(message.kind, message.topic, May.NO, refusal)
        if self._settings.version == "5" or await _comes_back(link, message.topic):
            return Right(message.kind, message.topic, May.YES)
        if link.lost:
            text = "the broker acknowledged it and closed the connection; check what this user may write to"
            return Right(message.kind, message.topic, May.NO, text)
        return Right(message.kind, message.topic, May.UNKNOWN)

    async def _refusal(self, link: Link, message: Outgoing) -> str:
        """Return why the broker does not take a message; empty where it acknowledges it."""
        try:
            async with asyncio.timeout(self._timeout_s):
                if self._settings.version == "3.1.1":
                    await link.subscribe(message.topic, qos=1)
                code = await link.send(message)
        except TimeoutError:
            return f"the broker has not acknowledged it within {self._timeout_s:g} s"
        except LinkError as problem:
            asked = "; is it because the message was a retained one?" if message.retain else ""
            return f"{problem}{asked if problem.trouble is Trouble.LOST else ''}"
        except aiomqtt.MqttError:
            return "the broker closed the connection"
        if code is not None and code.is_failure:
            return f"{code}; {advice_on_publish(code.value)}"
        return ""


async def _comes_back(link: Link, topic: str) -> bool:
    """Return whether a message on a topic comes in; False too where the connection is lost."""
    with contextlib.suppress(TimeoutError, aiomqtt.MqttError):
        async with asyncio.timeout(ECHO_S):
            async for message in link.messages:
                if str(message.topic) == topic and not message.retain:
                    return True
    return False
