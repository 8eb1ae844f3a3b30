"""aiomqtt's client, mended where it loses a cancellation; what follows the bus and what publishes on it build on this.

This file must never know a topic or an event.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import TypeVar

import aiomqtt

T = TypeVar("T")


class MqttClient(aiomqtt.Client):
    """A client whose waiting can be cancelled at any moment.

    aiomqtt waits by `asyncio.wait_for`. Until Python 3.12 that swallows a cancellation which comes in the same turn of
    the loop as what is waited for (https://github.com/python/cpython/issues/86296), and whoever had cancelled, at the
    end of a program for instance, waited for ever.
    """

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109 - as in aiomqtt
        limit_s = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(None if limit_s == math.inf else limit_s):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None
