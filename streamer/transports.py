"""Which library takes WebSockets off their sockets (`server.transport`): one that all have, or a faster one.

What is asked before an upgrade, what a session sees and what bounds a peer is the same with both. picows is imported
only where it is asked for. This file must never fall back to another library than the one asked for.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Protocol

from streamer.config import ConfigError, ServerSettings
from streamer.entrance import Entrance, Serve
from streamer.listener import WebSocketListener
from streamer.load.guarded import Guard
from streamer.load.pacing import Pacer


class CallListener(Protocol):
    """Takes WebSockets at the paths of all platforms, and has each one served."""

    def __init__(
        self,
        server: ServerSettings,
        entrance: Entrance,
        tls: ssl.SSLContext | None,
        serve_stream: Serve,
        *,
        guard: Guard,
        new_pacer: Callable[[], Pacer],
    ) -> None:
        """Make one; see :class:`streamer.listener.WebSocketListener`."""
        ...

    @property
    def port(self) -> int:
        """The port that was bound."""
        ...

    async def listen(self) -> None:
        """Begin to listen; OSError where the port is taken or not allowed."""
        ...

    async def close(self) -> None:
        """Listen no more, and close what is still open with 1001."""
        ...


def listener_of(server: ServerSettings) -> type[CallListener]:
    """Return the class of listener that the configuration asks for.

    Raises
    ------
    ConfigError
        Its library is not installed.
    """
    if server.transport == "websockets":
        return WebSocketListener
    try:
        from streamer.picows_listener import PicowsListener  # noqa: PLC0415 - only where asked for
    except ImportError as problem:
        raise ConfigError(
            f"server.transport: picows is not installed ({problem.name}); pip install 'emotion-streamer[picows]', or "
            'leave "websockets"'
        ) from problem
    return PicowsListener
