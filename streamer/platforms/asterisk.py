"""Asterisk's chan_websocket, on ``/asterisk``: user name and password of the connection are a key's id and secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

from streamer.auth import Upgrade
from streamer.config import Settings
from streamer.platforms.platform import Platform
from streamer.wire.asterisk import Asterisk
from streamer.wire.events import Dialect


def reader(settings: Settings) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each socket, from the parameters of its URI."""
    mine = settings.dialects.asterisk

    def make(upgrade: Upgrade) -> Dialect:
        return Asterisk(
            dict(parse_qsl(upgrade.target.partition("?")[2])),
            identity=mine.identity,
            roles=mine.roles,
            role=mine.role,
            byte_order=mine.byte_order,
            label_variables=mine.labels,
        )

    return make


PLATFORM: Final = Platform(
    name=Asterisk.name,
    path="/asterisk",
    gate=lambda keyring, _: keyring.basic,
    reader=reader,
    ping_interval_s=lambda settings: settings.dialects.asterisk.ping_interval_s,
    max_message_bytes=lambda settings: settings.dialects.asterisk.max_message_bytes,
    subprotocols=("media",),
)
