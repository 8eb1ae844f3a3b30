"""aiomqtt's client, mended where it loses a cancellation, and able to acknowledge by hand; all MQTT builds on this.

aiomqtt 2.5 acknowledges a message as soon as it has come in, which is before anything of it is on the disk; paho below
it can leave that to us (`manual_ack_set`, `ack`), and this is the only file that reaches through to those. This file
must never know a topic or an event.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

import aiomqtt

T = TypeVar("T")


class MqttClient(aiomqtt.Client):
    """A client whose waiting can be cancelled at any moment.

    aiomqtt waits by `asyncio.wait_for`. Until Python 3.12 that swallows a cancellation which comes in the same turn of
    the loop as what is waited for (https://github.com/python/cpython/issues/86296), and whoever had cancelled, at the
    end of a program for instance, waited for ever.
    """

    def acknowledge_by_hand(self) -> None:
        """Leave acknowledging to :meth:`acknowledge`; to be said before connecting.

        What a lost connection leaves unacknowledged comes again on the next one of a session that the broker keeps, in
        its order (MQTT 5, section 4.4).
        """
        self._client.manual_ack_set(on=True)

    def acknowledge(self, messages: Iterable[aiomqtt.Message]) -> None:
        """Tell the broker that it may forget these; in the order in which they came (MQTT 5, section 4.6).

        On a connection that is lost meanwhile nothing happens, and they come again.
        """
        for message in messages:
            if message.qos:
                self._client.ack(message.mid, message.qos)

    def _on_subscribe(self, client: Any, userdata: Any, mid: int, *rest: Any) -> None:  # noqa: ANN401 - as aiomqtt's
        """Take the broker's answer to a subscription; one that nobody waits for any more is no defect.

        Whoever is told to end at that moment has given up waiting. aiomqtt would log a traceback for it.
        """
        if mid in self._pending_subscribes:
            super()._on_subscribe(client, userdata, mid, *rest)

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109 - as in aiomqtt
        limit_s = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(None if limit_s == math.inf else limit_s):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None
