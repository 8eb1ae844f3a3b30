"""Telnyx, on ``/telnyx``: the ``stream_auth_token`` in a header of the upgrade, and a decoder for G.722.

https://developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket names the header.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from streamer.audio.g722 import G722Decoder
from streamer.auth import Gate, Keyring, Pass, Refusal, Upgrade, wrong_key
from streamer.config import Settings, read_secret
from streamer.platforms.platform import Platform
from streamer.wire.events import Dialect
from streamer.wire.telnyx import Telnyx

log = structlog.get_logger()


def gate(keyring: Keyring, settings: Settings) -> Gate:
    """Return what holds the configured header against the keys."""
    header = settings.dialects.telnyx.auth_header.lower()
    if header == "authorization":
        return keyring.bearer

    def decide(upgrade: Upgrade) -> Pass | Refusal:
        given = upgrade.headers.get(header, "").strip()
        if not given:
            return keyring.without(f"the stream_auth_token, which Telnyx puts into the header {header}")
        return keyring.with_secret(upgrade.dialect, given) or wrong_key(upgrade.dialect)

    return decide


def reader(settings: Settings) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each stream."""
    table = settings.dialects.telnyx
    token = read_secret(table.token, table.token_file, "dialects.telnyx.token_file")
    return lambda _: Telnyx(
        roles=table.roles,
        token=token,
        label_parameters=table.labels,
        byte_order=table.byte_order,
        reorder_ms=table.reorder_ms,
        new_g722=lambda: G722Decoder().decode,
        on_error=_note_error,
    )


def _note_error(code: str) -> None:
    """Log that the platform reports an error; what it says in words may hold anything and stays out."""
    log.warning("the platform reports an error in a stream", dialect=Telnyx.name, code=code)


PLATFORM: Final = Platform(
    name=Telnyx.name,
    path="/telnyx",
    gate=gate,
    reader=reader,
    ping_interval_s=lambda settings: settings.dialects.telnyx.ping_interval_s,
    max_message_bytes=lambda settings: settings.dialects.telnyx.max_message_bytes,
    shared_addresses=True,
)
