"""Asterisk's AudioSocket, on a TCP port of its own: no path, no header and no secret, so the address decides.

The UUID in the first packet is chosen by whoever connects and opens nothing. This file must never let in an address
beyond this machine that the configuration does not name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from streamer.auth import Keyring, Pass, Refusal, is_loopback
from streamer.config import ConfigError, Settings
from streamer.wire.audiosocket import AudioSocket
from streamer.wire.events import Dialect

NAME: Final = AudioSocket.name


def gate(keyring: Keyring, settings: Settings) -> Callable[[str], Pass | Refusal]:  # noqa: ARG001 - as all platforms
    """Return what decides on a peer's IP address.

    This machine may connect, unless `server.require_key` says that others come through it; else what `allow` names.
    `server.open` opens nothing here: what checks WebSocket requests in front of the server does not see this port.

    Raises
    ------
    ConfigError
        An entry of `dialects.audiosocket.allow` is no address or network.
    """
    mine = settings.dialects.audiosocket
    networks = [_network(text) for text in mine.allow]
    allowed = Pass(tenant=mine.tenant, key_id="")

    def decide(address: str) -> Pass | Refusal:
        if (is_loopback(address) and not settings.server.require_key) or _is_in(address, networks):
            return allowed
        return Refusal(
            HTTPStatus.FORBIDDEN, "address", f"{address} is not in dialects.audiosocket.allow; add it if it is your PBX"
        )

    return decide


def reader(settings: Settings) -> Callable[[], Dialect]:
    """Return what makes a dialect for each connection."""
    mine = settings.dialects.audiosocket
    return lambda: AudioSocket(mine.role, is_part=mine.join)


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as problem:
        raise ConfigError(
            f'dialects.audiosocket.allow: {text!r} is no address or network; write "10.0.0.5" or "10.0.0.0/24"'
        ) from problem


def _is_in(address: str, networks: list[_Network]) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    # A socket that takes both families shows IPv4 peers as ::ffff:a.b.c.d.
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return any((mapped or ip) in network for network in networks)
