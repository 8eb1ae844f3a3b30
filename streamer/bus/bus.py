"""The bus as a call sees it: hand over an event, and it will be delivered.

Joins the topics, the outbox and the publisher, so that what calls them knows of events only. This file must never
publish anything final that is not in the outbox.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from typing import Self

from streamer_client.events import CallRef, EndedEvent, PartialEvent, StateEvent, Status, UtteranceEvent

from streamer import __version__
from streamer.bus.cloudevents import Outgoing, call_key, cleared, outgoing
from streamer.bus.mqtt import MqttSettings, Publisher
from streamer.bus.outbox import Outbox
from streamer.bus.topics import Topics
from streamer.config import ConfigError, Settings, read_secret
from streamer.metrics import Metrics

SALT_KEY = "pseudonym_salt"


class Bus:
    """Made by :meth:`open`; `run` in a task delivers."""

    def __init__(self, topics: Topics, outbox: Outbox, publisher: Publisher, salt: bytes) -> None:
        self._topics = topics
        self._outbox = outbox
        self._publisher = publisher
        self._salt = salt
        self._states: dict[str, Outgoing] = {}
        """The last state message of each live session."""

    @classmethod
    async def open(cls, settings: Settings, metrics: Metrics) -> Self:
        """Open the outbox and clear what a killed predecessor left behind.

        Raises
        ------
        OutboxError
            The outbox cannot be used.
        ConfigError
            `mqtt.base` or the file of the salt cannot be used.
        LinkError
            The broker's address can never be right; one that is only away is waited for.
        """
        mqtt = mqtt_settings(settings)
        mqtt.address()
        try:
            topics = Topics(mqtt.base)
        except ValueError as problem:
            raise ConfigError(str(problem)) from problem
        outbox = await Outbox.open(
            settings.outbox.path,
            metrics=metrics,
            max_rows=settings.outbox.max_rows,
            max_age_s=settings.outbox.max_age_s,
        )
        try:
            salt = await _salt(settings, outbox)
            await outbox.clear_left_behind()
        except BaseException:
            await outbox.close()
            raise
        publisher = Publisher(mqtt, outbox, node=settings.node, metrics=metrics, version=__version__)
        return cls(topics, outbox, publisher, salt)

    def salt(self, tenant: str) -> bytes:
        """Return the secret of a tenant's pseudonyms."""
        return hmac.digest(self._salt, tenant.encode(), hashlib.sha256)

    async def run(self) -> None:
        """Deliver until cancelled; then say `offline`."""
        await self._publisher.run()

    async def close(self) -> None:
        """Let go of the outbox; what is in it is delivered after the next start."""
        await self._outbox.close()

    async def flush(self, timeout_s: float) -> int:
        """Wait until everything is delivered, but not longer than `timeout_s`; return how many messages are left."""
        await self._publisher.flush(timeout_s)
        return self._outbox.depth()

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._publisher.connected

    async def announce(self, status: Status) -> None:
        """Say what this node is up to."""
        await self._publisher.announce(status)

    async def state(self, event: StateEvent, session_id: str) -> None:
        """Publish what a live call is like; retained until it ends."""
        message = outgoing(event, self._topics, session_id)
        self._states[session_id] = message
        await self._outbox.put([message])

    async def utterance(self, event: UtteranceEvent, session_id: str) -> None:
        """Publish a final verdict; returns when it is on the disk.

        Raises
        ------
        OutboxError
            It could not be written.
        """
        await self._outbox.put([outgoing(event, self._topics, session_id)])

    def partial(self, event: PartialEvent, session_id: str) -> None:
        """Publish a rolling verdict if that can be done at once."""
        self._publisher.partial(outgoing(event, self._topics, session_id))

    async def ended(self, event: EndedEvent, session_id: str) -> None:
        """Publish the summary of a call, behind all its verdicts, and clear its state."""
        await self._outbox.put([outgoing(event, self._topics, session_id), *self._clearing(session_id)])

    async def forget(self, call: CallRef, session_id: str) -> int:
        """Remove what is pending of a call whose caller objects, and clear its state; return how many messages went."""
        removed = await self._outbox.remove_call(call_key(call.tenant, call.id, session_id))
        await self._outbox.put(self._clearing(session_id))
        return removed

    def _clearing(self, session_id: str) -> list[Outgoing]:
        state = self._states.pop(session_id, None)
        return [cleared(state)] if state else []


def mqtt_settings(settings: Settings) -> MqttSettings:
    """Return the broker's part of the configuration."""
    mqtt = settings.mqtt
    return MqttSettings(
        url=mqtt.url,
        version=mqtt.version,
        base=mqtt.base,
        username=mqtt.username,
        password_file=mqtt.password_file,
        ca_file=mqtt.ca_file,
    )


async def _salt(settings: Settings, outbox: Outbox) -> bytes:
    """Return the secret of the pseudonyms: from its file, or made once and kept with the outbox."""
    file = settings.privacy.salt_file
    if file:
        return (await asyncio.to_thread(read_secret, "", file, "privacy.salt_file")).encode()
    salt = await outbox.meta(SALT_KEY)
    if salt is None:
        salt = secrets.token_hex(32)
        await outbox.set_meta(SALT_KEY, salt)
    return salt.encode()
