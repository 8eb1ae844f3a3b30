"""A subscriber of ours beside an experiment: what is final on the bus, for as long as the experiment lasts.

It has a session that the broker keeps, so that nothing is missed while either of the two is away. This file must never
look at what it hears, nor swallow what ended the hearing too early.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from streamer_client.events import Event
from streamer_client.subscribe import Subscription, subscribe

FINAL: Final = ("utterance", "ended")
REMEMBERED: Final = 1_000_000
"""Ids; more than events come in any experiment, so that each is handed on once."""


@asynccontextmanager
async def hearing_finals(url: str, take: Callable[[Event], None], *, version: str = "5") -> AsyncIterator[Subscription]:
    """Hear utterances and summaries; yields once the subscription stands.

    Parameters
    ----------
    url
        The broker's.
    take
        Is given each event, once, in the order in which they come.
    version
        Of MQTT: ``5`` or ``3.1.1``.

    Raises
    ------
    BrokerError
        The broker cannot be reached; or, at the end, that it forbade us to subscribe again. What `take` raised is
        raised at the end as well.
    """
    subscription = subscribe(
        url, kinds=FINAL, version=version, client_id="the-books", persistent=True, dedupe=REMEMBERED
    )

    async def hear() -> None:
        async for event in subscription:
            take(event)

    async with subscription:
        hearing = asyncio.create_task(hear(), name="subscriber")
        try:
            yield subscription
        finally:
            hearing.cancel()
            await asyncio.wait([hearing])
    if not hearing.cancelled():
        hearing.result()
