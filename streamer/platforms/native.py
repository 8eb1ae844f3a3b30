"""Our own clients, on ``/v1/stream``: a bearer key, and the limits of the server.

A program sends the key as ``Authorization: Bearer``. A web page cannot set that header; it offers the subprotocols
``emotion-streamer.v1`` and ``bearer.<key>`` instead, of which the server selects the first and never says the other.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from streamer.auth import Gate, Keyring, Pass, Refusal, Upgrade, wrong_key
from streamer.config import Settings
from streamer.platforms.platform import Platform
from streamer.wire.events import Dialect
from streamer.wire.native import Native

SUBPROTOCOL: Final = "emotion-streamer.v1"
"""What a web page must offer beside its key: browsers hang up where the server selects none of several."""
_TOKEN: Final = "bearer."  # noqa: S105 - in front of the secret, not one


def gate(keyring: Keyring, settings: Settings) -> Gate:  # noqa: ARG001 - one interface for all platforms
    """Return what looks for a key in ``Authorization`` or, where that is missing, among the subprotocols."""

    def decide(upgrade: Upgrade) -> Pass | Refusal:
        offered = [name.strip() for name in upgrade.headers.get("sec-websocket-protocol", "").split(",")]
        tokens = [name.removeprefix(_TOKEN) for name in offered if name.startswith(_TOKEN)]
        if not tokens or upgrade.headers.get("authorization"):
            return keyring.bearer(upgrade)
        if SUBPROTOCOL not in offered or len(tokens) > 1:
            return Refusal(
                HTTPStatus.UNAUTHORIZED, "scheme", f"expected two subprotocols, {SUBPROTOCOL} and {_TOKEN}<secret>"
            )
        return keyring.with_secret(upgrade.dialect, tokens[0]) or wrong_key(upgrade.dialect)

    return decide


def reader(settings: Settings) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each stream."""
    labels = frozenset(settings.dialects.native.labels)
    return lambda _: Native(labels)


PLATFORM: Final = Platform(
    name=Native.name,
    path="/v1/stream",
    gate=gate,
    reader=reader,
    ping_interval_s=lambda settings: settings.server.ping_interval_s,
    max_message_bytes=lambda settings: settings.server.max_message_bytes,
    subprotocols=(SUBPROTOCOL,),
)
