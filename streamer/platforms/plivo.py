"""Plivo, on ``/plivo``: a token among its extra headers, which come in the first message, or ``Authorization``.

The platform documents nothing that it would send with the upgrade, so the token is the default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamer.auth import Gate, Keyring, Upgrade
from streamer.config import Settings, read_secret
from streamer.platforms import in_band
from streamer.platforms.platform import Platform
from streamer.wire.events import Dialect
from streamer.wire.plivo import Plivo


def gate(keyring: Keyring, settings: Settings) -> Gate:
    """Return what lets in by the configured means."""
    table = settings.dialects.plivo
    if table.auth == "basic":
        return keyring.basic
    if table.auth == "bearer":
        return keyring.bearer
    return in_band.gate(
        keyring,
        tenant=table.tenant,
        has_token=bool(table.token or table.token_file),
        expected="a token in extraHeaders, and set the same in dialects.plivo.token",
    )


def reader(settings: Settings) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each stream."""
    table = settings.dialects.plivo
    token = read_secret(table.token, table.token_file, "dialects.plivo.token_file")
    return lambda _: Plivo(roles=table.roles, token=token, label_parameters=table.labels, byte_order=table.byte_order)


PLATFORM: Final = Platform(
    name=Plivo.name,
    path="/plivo",
    gate=gate,
    reader=reader,
    ping_interval_s=lambda settings: settings.dialects.plivo.ping_interval_s,
    max_message_bytes=lambda settings: settings.dialects.plivo.max_message_bytes,
    shared_addresses=True,
)
