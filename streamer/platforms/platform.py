"""What the server knows of a platform before its first message: path, credentials, reader.

This file must never know a platform by name: each has a file of its own in this folder.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from streamer.auth import Gate, Keyring, Upgrade
from streamer.config import Settings
from streamer.wire.events import Dialect


class Platform(msgspec.Struct, frozen=True):
    """One platform."""

    name: str
    """As in `[dialects.<name>]`, in keys and in events."""
    path: str
    """Where its calls come in, without trailing slash."""
    gate: Callable[[Keyring, Settings], Gate]
    """Makes what decides who may come in; called once per server. Raises ConfigError where a secret cannot be read."""
    reader: Callable[[Settings], Callable[[Upgrade], Dialect]]
    """Makes what makes a dialect for each accepted request; called once per server, raises likewise."""
    ping_interval_s: Callable[[Settings], float]
    """Seconds between WebSocket pings; 0 = none."""
    max_message_bytes: Callable[[Settings], int]
    """Larger messages end the stream with 1009."""
    subprotocols: tuple[str, ...] = ()
    """WebSocket subprotocols that are selected where the peer offers one; first match wins."""
    shared_addresses: bool = False
    """Its calls come from addresses that all customers of the platform share: failures do not count, and they are
    never held back, or a stranger with an account there could lock us out."""
