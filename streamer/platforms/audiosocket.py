"""Asterisk's AudioSocket, on a TCP port of its own: no path, no header and no secret, so the address decides.

Asterisk speaks it in clear text only. Where a tunnel in front of it speaks TLS, the tunnel's certificate decides, too.

The UUID in the first packet is chosen by whoever connects and opens nothing. This file must never let in an address
beyond this machine that the configuration does not name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from streamer.auth import Certificate, Keyring, Pass, Refusal, is_loopback
from streamer.config import ConfigError, Settings
from streamer.wire.audiosocket import AudioSocket
from streamer.wire.events import Dialect

NAME: Final = AudioSocket.name


Gate = Callable[[str, Certificate | None], Pass | Refusal]
"""Decides on a peer's IP address and, where TLS asked for one, its certificate."""


def gate(keyring: Keyring, settings: Settings) -> Gate:
    """Return what decides on a peer.

    A certificate that a key names opens as that key, wherever it comes from; without one the address decides.

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

    def decide(address: str, certificate: Certificate | None) -> Pass | Refusal:
        known = keyring.with_certificate(NAME, certificate) if certificate is not None else None
        if known is not None:
            return known
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
