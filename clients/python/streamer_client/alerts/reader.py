"""From a message to the event in it, or to nothing where there is none for the alert service.

Whoever may write to the broker can send anything; this file must never let that end the service, nor fill its log.
"""

from __future__ import annotations

import logging

import aiomqtt

from streamer_client.events import Event, EventError, StatusEvent, UnknownEvent, decode

log = logging.getLogger(__name__)


class Reader:
    """Reads messages.

    Parameters
    ----------
    tenant : str
        Whose calls; ``+`` = all.
    """

    def __init__(self, tenant: str) -> None:
        self.skipped = 0
        """Messages that were no event or should not have come; 1, 10, 100 ... are logged."""
        self._tenant = tenant

    def read(self, message: aiomqtt.Message) -> Event | None:
        """Return the event in a message; None where there is none for us."""
        topic, payload = message.topic.value, message.payload
        if not isinstance(payload, bytes) or not payload:
            return None  # the retained state of a call is cleared by an empty message
        if message.retain and not topic.endswith("/state"):
            # What somebody made the broker keep comes again with every new session, as if it had just been said.
            self._skip(f"a retained message on {topic}, where nothing of ours is ever retained")
            return None
        try:
            event = decode(payload)
        except EventError as problem:
            self._skip(f"a message on {topic}: {problem}")
            return None
        if isinstance(event, UnknownEvent | StatusEvent):
            return None
        # A subscription of an earlier run may still have put something into the session.
        return event if self._tenant in {"+", event.data.call.tenant} else None

    def _skip(self, what: str) -> None:
        self.skipped += 1
        if str(self.skipped).strip("0") == "1":
            log.warning("skipped %s (%d so far)", what, self.skipped)
