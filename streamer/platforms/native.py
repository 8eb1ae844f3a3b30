"""Our own clients, on ``/v1/stream``: a bearer key, and the limits of the server."""

from __future__ import annotations

from typing import Final

from streamer.platforms.platform import Platform
from streamer.wire.native import Native

PLATFORM: Final = Platform(
    name=Native.name,
    path="/v1/stream",
    gate=lambda keyring, _: keyring.bearer,
    reader=lambda _: lambda _: Native(),
    ping_interval_s=lambda settings: settings.server.ping_interval_s,
    max_message_bytes=lambda settings: settings.server.max_message_bytes,
)
