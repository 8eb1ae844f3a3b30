"""SignalWire, on ``/signalwire``: the bearer token that its markup's ``authBearerToken`` sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamer.auth import Upgrade
from streamer.config import Settings, read_secret
from streamer.platforms.platform import Platform
from streamer.wire.events import Dialect
from streamer.wire.signalwire import SignalWire


def reader(settings: Settings) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each stream."""
    table = settings.dialects.signalwire
    token = read_secret(table.token, table.token_file, "dialects.signalwire.token_file")
    return lambda _: SignalWire(
        roles=table.roles, token=token, label_parameters=table.labels, byte_order=table.byte_order
    )


PLATFORM: Final = Platform(
    name=SignalWire.name,
    path="/signalwire",
    gate=lambda keyring, _: keyring.bearer,
    reader=reader,
    ping_interval_s=lambda settings: settings.dialects.signalwire.ping_interval_s,
    max_message_bytes=lambda settings: settings.dialects.signalwire.max_message_bytes,
    shared_addresses=True,
)
