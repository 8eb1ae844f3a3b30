"""The bus as a call sees it: hand over an event, and it will be delivered.

Joins the topics, the outbox and the publisher, so that what calls them knows of events only. This file must never
publish anything final that is not in the outbox.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Self

import structlog
from streamer_client.events import CallRef, EndedEvent, PartialEvent, StateEvent, Status, UtteranceEvent

from streamer import __version__
from streamer.bus.cloudevents import Outgoing, call_key, cleared, outgoing
from streamer.bus.lookout import Lookout
from streamer.bus.mqtt import MqttSettings, Publisher
from streamer.bus.orphans import adopt, adopt_orphans
from streamer.bus.outbox import Bounds, Outbox
from streamer.bus.share import Share
from streamer.bus.topics import Topics
from streamer.config import ConfigError, Settings, read_secret
from streamer.metrics import Metrics

SALT_KEY = "pseudonym_salt"

_log = structlog.get_logger("streamer.bus")


class Bus:
    """Made by :meth:`open`; `run` in a task delivers."""

    def __init__(
        self, topics: Topics, outbox: Outbox, publisher: Publisher, lookout: Lookout | None, salt: bytes
    ) -> None:
        self._topics = topics
        self._outbox = outbox
        self._publisher = publisher
        self._lookout = lookout
        self._salt = salt
        self._states: dict[str, Outgoing] = {}
        """The last state message of each live session."""
        self._salt_is_new = False
        """Made at this start, and not said yet."""

    @classmethod
    async def open(cls, settings: Settings, metrics: Metrics, share: Share | None = None) -> Self:
        """Open the outbox, and clear and deliver what a killed predecessor left behind.

        What workers left in files of their own that none of them has any more (there are fewer now, or none) is moved
        into this one. A disk that fails is no error: see `trouble`.

        Parameters
        ----------
        settings
            The configuration.
        metrics
            Where it shows what it does.
        share
            What a worker of a node of several is given for it; None where the process is the node.

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
            bounds=Bounds(
                max_rows=settings.outbox.max_rows,
                max_age_s=settings.outbox.max_age_s,
                max_bytes=settings.outbox.max_bytes,
            ),
        )
        try:
            salt, is_new = (share.salt.encode(), False) if share else await _salt(settings, outbox)
            await outbox.clear_left_behind()
            if share is None:
                await adopt_orphans(outbox)
        except BaseException:
            await outbox.close()
            raise
        worker = share.worker if share else 0
        publisher = Publisher(mqtt, outbox, node=settings.node, metrics=metrics, version=__version__, worker=worker)
        lookout = None if share else Lookout(mqtt, settings.node, metrics, alone=settings.server.workers == 1)
        self = cls(topics, outbox, publisher, lookout, salt)
        self._salt_is_new = is_new
        return self

    @property
    def secret(self) -> str:
        """The secret from which those of the tenants are derived; for the workers of this node."""
        return self._salt.decode()

    def salt(self, tenant: str) -> bytes:
        """Return the secret of a tenant's pseudonyms."""
        return hmac.digest(self._salt, tenant.encode(), hashlib.sha256)

    async def run(self) -> None:
        """Deliver until cancelled; then say `offline`."""
        if self._salt_is_new:
            self._salt_is_new = False
            _log.info("a new secret of the pseudonyms was made: numbers that were heard before get new ones")
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look_out(), name="lookout")
            try:
                await self._publisher.run()
            finally:
                looking.cancel()

    async def _look_out(self) -> None:
        if self._lookout is None:
            return  # the supervisor's
        await self._publisher.wait_connected()
        await self._outbox.empty.wait()  # what a predecessor left is cleared first
        await self._lookout.run()

    async def adopt(self, path: Path) -> int:
        """Deliver what a worker that is gone left in its outbox; return how many messages that are.

        Raises
        ------
        OutboxError
            One of the two outboxes cannot be used; what is not moved stays where it is.
        """
        return await adopt(self._outbox, path)

    async def close(self) -> None:
        """Let go of the outbox; what is in it is delivered after the next start."""
        await self._outbox.close()

    async def flush(self, timeout_s: float) -> int:
        """Wait until everything is delivered, but not longer than `timeout_s`; return how many messages are left."""
        await self._publisher.flush(timeout_s)
        return self._outbox.depth()

    @property
    def trouble(self) -> str:
        """What is wrong with the outbox's disk, in words; empty while all is well."""
        return self._outbox.trouble

    @property
    def strained(self) -> bool:
        """Whether final events will be lost unless disk or broker come back, so that no new call should be taken."""
        return self._outbox.strained

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._publisher.connected

    @property
    def oldest_age_s(self) -> float:
        """Age of the first message that waits, in s, at this moment; 0 where none does."""
        return self._outbox.oldest_age_s()

    async def announce(self, status: Status) -> None:
        """Say what this node is up to."""
        await self._publisher.announce(status)

    async def state(self, event: StateEvent, session_id: str) -> None:
        """Publish what a live call is like; retained until it ends."""
        message = outgoing(event, self._topics, session_id)
        self._states[session_id] = message
        await self._outbox.put([message])

    async def utterance(self, event: UtteranceEvent, session_id: str) -> None:
        """Publish a final verdict; returns when it is on the disk or, while the disk fails, in memory."""
        await self._outbox.put([outgoing(event, self._topics, session_id)])

    def partial(self, event: PartialEvent, session_id: str) -> None:
        """Publish a rolling verdict if that can be done at once."""
        self._publisher.partial(outgoing(event, self._topics, session_id))

    async def ended(self, event: EndedEvent, session_id: str) -> None:
        """Publish the summary of a call, behind all its verdicts, and clear its state."""
        await self._outbox.put([outgoing(event, self._topics, session_id), *self._clearing(session_id)])

    async def forget(self, call: CallRef, session_id: str) -> int:
        """Remove what is pending of a call whose caller objects, and clear its state; return how many messages went.

        Nothing of the call leaves any more from the first moment on, not only once the outbox has been written.
        """
        key = call_key(call.tenant, call.id, session_id)
        self._publisher.recall(key)
        removed = await self._outbox.remove_call(key)
        await self._outbox.put(self._clearing(session_id))
        # What the publisher had read before has come to it before this did, and has been held back.
        self._publisher.release(key)
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
        cert_file=mqtt.cert_file,
        key_file=mqtt.key_file,
    )


async def _salt(settings: Settings, outbox: Outbox) -> tuple[bytes, bool]:
    """Return the secret of the pseudonyms, from its file or made once and kept in the outbox; and whether it is new."""
    file = settings.privacy.salt_file
    if file:
        return (await asyncio.to_thread(read_secret, "", file, "privacy.salt_file")).encode(), False
    salt = await outbox.meta(SALT_KEY)
    if salt is not None:
        return salt.encode(), False
    salt = secrets.token_hex(32)
    await outbox.set_meta(SALT_KEY, salt)
    return salt.encode(), True
