"""From a message to the event in it, or to nothing where there is none for the alert service.

Whoever may write to the broker can send anything; this file must never let that end the service, nor fill its log.
"""

from __future__ import annotations

import logging

import aiomqtt

from streamer_client.alerts.memory import Cleared
from streamer_client.belonging import belongs
from streamer_client.events import Event, EventError, StatusEvent, UnknownEvent, decode
from streamer_client.share import ALL, Share

log = logging.getLogger(__name__)


class Reader:
    """Reads messages.

    Parameters
    ----------
    tenant : str
        Whose calls; ``+`` = all.
    base : str
        First levels of every topic, as configured in the server.
    share : Share
        Which of their calls.
    """

    def __init__(self, tenant: str, base: str = "emotion", share: Share = ALL) -> None:
        self.skipped = 0
        """Messages that were no event or should not have come; 1, 10, 100 ... are logged."""
        self._tenant = tenant
        self._base = base
        self._share = share

    def read(self, message: aiomqtt.Message) -> Event | Cleared | None:
        """Return the event in a message, or that a call's state was taken away; None where there is none for us."""
        topic, payload = message.topic.value, message.payload
        if not self._share.may_have(topic, self._base):
            return None
        if not isinstance(payload, bytes) or not payload:
            return self._cleared(topic)
        if message.retain and not topic.endswith(("/state", "/status")):
            # What somebody made the broker keep comes again with every new session, as if it had just been said.
            self._skip(f"a retained message on {topic}, where nothing of ours is ever retained")
            return None
        try:
            event = decode(payload)
        except EventError as problem:
            self._skip(f"a message on {topic}: {problem}")
            return None
        return None if isinstance(event, UnknownEvent) else self._ours(topic, event)

    def _ours(self, topic: str, event: Event) -> Event | None:
        """Return an event that is on its own topic and of our tenant."""
        if not belongs(topic, event, self._base):
            self._skip(f"an event on {topic}, which is not the topic of its type, tenant and call")
            return None
        if not self._share.takes(event):
            return None
        # A subscription of an earlier run may still have put something into the session.
        return event if isinstance(event, StatusEvent) or self._tenant in {"+", event.data.call.tenant} else None

    def _cleared(self, topic: str) -> Cleared | None:
        """Return which call's retained state an empty message takes away."""
        match topic.removeprefix(f"{self._base}/v1/").split("/"):
            case [tenant, "calls", call, "state"] if self._tenant in {"+", tenant}:
                return Cleared(tenant, call)
        return None

    def _skip(self, what: str) -> None:
        self.skipped += 1
        if str(self.skipped).strip("0") == "1":
            log.warning("skipped %s (%d so far)", what, self.skipped)
