"""Server-sent events: what has changed since a page's cursor, for as long as the page listens.

A page that reads slowly holds up nobody: what it missed is put together when it comes to read, and where too much was
missed it is told to begin anew. (https://html.spec.whatwg.org/multipage/server-sent-events.html)
This file must never queue anything for a page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from streamer_client.dashboard.api import Reset
from streamer_client.dashboard.hub import Hub

HEARTBEAT_S = 15.0
GATHER_S = 0.2
"""So long are changes gathered before they are sent: nobody reads faster."""


async def news(
    hub: Hub,
    cursor: int,
    *,
    still_in: Callable[[], bool],
    heartbeat_s: float = HEARTBEAT_S,
    gather_s: float = GATHER_S,
) -> AsyncIterator[bytes]:
    """Yield the stream's messages until the session is over or the dashboard stops.

    Parameters
    ----------
    hub : Hub
    cursor : int
        Where the page is.
    still_in : callable
        Whether the page's session goes on.
    heartbeat_s : float
        How often something is said where nothing happens.
    gather_s : float
        See :data:`GATHER_S`.
    """
    yield b"retry: 2000\n\n"
    while still_in() and not hub.closed:
        found = hub.since(cursor)
        if found is None:
            yield message(hub.cursor, "reset", msgspec.json.encode(Reset(hub.cursor)))
            return
        messages, cursor = found
        if messages:
            yield b"".join(message(one.cursor, one.kind, one.data) for one in messages)
            await asyncio.sleep(gather_s)
        elif not await hub.wait(cursor, heartbeat_s):
            yield b": still here\n\n"


def message(cursor: int, event: str, data: bytes) -> bytes:
    """Return one message of the stream; JSON has no line breaks of its own."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (cursor, event.encode(), data)
