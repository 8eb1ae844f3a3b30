"""What a call left on the bus, as a plain subscriber hears it.

Nothing here may read the project's event types: an outside party has JSON and topics.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiomqtt

from tests.conftest import Broker, Collector, collect
from tests.end_to_end.speaking import Json


def level(message: aiomqtt.Message) -> str:
    """Return the last level of a message's topic."""
    return str(message.topic).rpartition("/")[2]


class Bus:
    """What a subscriber heard of one call."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    @property
    def messages(self) -> list[aiomqtt.Message]:
        """All messages so far."""
        return self._collector.messages

    def events(self, *kinds: str) -> list[Json]:
        """Return the events so far whose topic ends in one of these words; the empty messages are none."""
        return [json.loads(message.payload) for message in self.messages if message.payload and level(message) in kinds]

    async def utterances(self, least: int) -> list[Json]:
        """Return the utterance events once there are so many."""
        await self._collector.until(lambda _: len(self.events("utterance")) >= least)
        return self.events("utterance")

    async def ended(self) -> Json:
        """Return the summary, once it is there and the state has been cleared."""
        await self._collector.until(lambda _: bool(self.events("ended")))
        await self.cleared()
        return self.events("ended")[0]

    async def cleared(self) -> None:
        """Return once the call's state has been cleared."""
        await self._collector.until(
            lambda messages: any(str(one.topic).endswith("/state") and not one.payload for one in messages)
        )

    async def until(self, enough: Callable[[], bool]) -> None:
        """Return once what was heard is enough."""
        await self._collector.until(lambda _: enough())


@asynccontextmanager
async def listening(broker: Broker, call: str, *, tenant: str = "default") -> AsyncIterator[Bus]:
    """Hear all of one call, or of all with `+`: `async with listening(broker, call_id) as bus`."""
    async with collect(broker, f"emotion/v1/{tenant}/calls/{call}/#") as collector:
        yield Bus(collector)
