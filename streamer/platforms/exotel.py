"""Exotel, on ``/exotel``: HTTP Basic from the URL's user and password, a token, or a list of addresses in front of us.

https://developer.exotel.com/docs/agentstream/stream-voicebot-applet describes Basic and the list of addresses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamer.auth import Gate, Keyring, Pass, Upgrade
from streamer.config import Settings, read_secret
from streamer.platforms import in_band
from streamer.platforms.platform import Platform
from streamer.wire.events import Dialect
from streamer.wire.exotel import Exotel


def gate(keyring: Keyring, settings: Settings) -> Gate:
    """Return what lets in by the configured means."""
    table = settings.dialects.exotel
    if table.auth == "basic":
        return keyring.basic
    if table.auth == "proxy":
        # Who is in front of this server lets in by address; here nobody is left to ask.
        return lambda _: Pass(tenant=table.tenant, key_id="")
    return in_band.gate(
        keyring,
        tenant=table.tenant,
        has_token=bool(table.token or table.token_file),
        expected="the custom parameter token, and set the same in dialects.exotel.token",
    )


def reader(settings: Settings) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each stream."""
    table = settings.dialects.exotel
    token = read_secret(table.token, table.token_file, "dialects.exotel.token_file")
    return lambda _: Exotel(
        role=table.role,
        roles=table.roles,
        token=token,
        label_parameters=table.labels,
        byte_order=table.byte_order,
    )


PLATFORM: Final = Platform(
    name=Exotel.name,
    path="/exotel",
    gate=gate,
    reader=reader,
    ping_interval_s=lambda settings: settings.dialects.exotel.ping_interval_s,
    max_message_bytes=lambda settings: settings.dialects.exotel.max_message_bytes,
    shared_addresses=True,
)
