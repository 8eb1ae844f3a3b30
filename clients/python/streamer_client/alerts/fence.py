"""Which alerts of an earlier connection the broker has taken, found out before they are published again.

Who is killed between a PUBLISH and its acknowledgement does not know whether the broker has it, and QoS 1 cannot tell.
But the service follows the topics of its own alerts in the very session it publishes in. A broker that took the alert
has put it into that session too, and it comes with the rest. So after each new connection, and before anything is
published again, the service publishes a message to itself: the broker delivers it behind everything that it had put
into the session before, hence once the fence has come, an alert that has not come back has never been taken. The old
connection cannot add anything by then, because the broker closed it before it let the new one in under the same client
id (MQTT 5, section 3.1.4).

This needs a broker that keeps the session, and that delivers what it has for one client in the order in which it came,
whatever the topic, as Mosquitto does. This file must never lose an alert for the sake of this: where the fence does
not come, what is in doubt is published again, with the same id.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Final

from streamer_client.alerts.link import Link

log = logging.getLogger(__name__)
PATIENCE_S: Final = 30.0
"""How long nothing at all may come before the fence is given up."""


class Fence:
    """Tells when everything has come that the broker had for this session.

    Parameters
    ----------
    topic : str
        Of this service alone.
    patience_s : float
    """

    def __init__(self, topic: str, patience_s: float = PATIENCE_S) -> None:
        self.topic = topic
        self._patience_s = patience_s
        self._token = b""
        self._passed = asyncio.Event()
        self._usable = True

    def came(self, payload: bytes) -> None:
        """Take a message on the topic; what came before it must be stored by now."""
        if payload == self._token:
            self._passed.set()

    async def pass_through(self, link: Link) -> bool:
        """Return True once the fence has come; False where the broker does not let it.

        Raises
        ------
        aiomqtt.MqttError
            The connection is lost.
        """
        if not self._usable:
            return False
        # One of its own each time: that of a former connection may still be in the session.
        self._token = secrets.token_hex(8).encode()
        self._passed.clear()
        if not await link.mark(self.topic, self._token):
            self._usable = False
            self._say("the broker forbids us to publish there")
            return False
        received = -1
        while received != link.received:
            received = link.received
            try:
                await asyncio.wait_for(self._passed.wait(), self._patience_s)
            except TimeoutError:
                continue
            return True
        self._usable = False
        self._say("what we publish there does not come back")
        return False

    def _say(self, why: str) -> None:
        log.warning(
            "cannot find out which alerts the broker has taken (%s: %s); those in doubt are published again, with the "
            "same id. Let this user read and write that topic, and read its alerts",
            self.topic,
            why,
        )
