"""Who comes in where: what is asked of a WebSocket request before it is answered, in one order for all platforms.

Too many failures from this address (429, unseen); a web page that is not listed (403); a client certificate that a key
names (in, and nothing else is asked); what the platform's own gate says. This file must never read a clock, know a
socket, or ask more than the platform's gate of a peer without browser and certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import msgspec

from streamer.access.exposure import refuse_open_ports
from streamer.access.throttle import Throttle
from streamer.auth import Certificate, Gate, Keyring, Pass, Refusal, Upgrade, is_loopback
from streamer.config import ConfigError, Settings
from streamer.platforms import PATHS, Platform, audiosocket, in_band
from streamer.wire.events import Dialect

THROTTLED: Final = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    "throttled",
    "too many wrong credentials came from this address; wait a minute (server.auth_failures_per_minute)",
)
_SAID: Final = 120
"""Characters of an `Origin` that are shown."""


class Door(msgspec.Struct, frozen=True):
    """One platform's way in, with the configuration read."""

    platform: Platform
    gate: Gate
    reader: Callable[[Upgrade], Dialect]
    token_follows: bool
    """Whether the first message is held to a token."""


class Doors:
    """Every platform's way in.

    Parameters
    ----------
    settings
        The configuration; secrets are read here, once.

    Raises
    ------
    ConfigError
        A secret's file cannot be read, a key names a dialect that there is not, a list of addresses holds none, or a
        port is open to other machines while nothing says who may come in.
    """

    def __init__(self, settings: Settings) -> None:
        refuse_open_ports(settings)
        server = settings.server
        names = {audiosocket.NAME, *(platform.name for platform in PATHS.values())}
        for key in settings.keys:
            for name in key.dialects:
                if name == audiosocket.NAME and not key.certificate:
                    raise ConfigError(
                        f"keys: {key.id!r} opens audiosocket, which can show no secret; name a certificate, or the "
                        "address in dialects.audiosocket.allow"
                    )
                if name not in names:
                    known = ", ".join(sorted(names))
                    raise ConfigError(f"keys: {key.id!r} opens the dialect {name!r}, which there is not; use {known}")
        self.keyring = Keyring.of(settings)
        self._doors = {
            path: Door(
                platform,
                platform.gate(self.keyring, settings),
                platform.reader(settings),
                in_band.asks(settings, platform.name),
            )
            for path, platform in PATHS.items()
        }
        self._audiosocket = audiosocket.gate(self.keyring, settings)
        self._throttle = Throttle(server.auth_failures_per_minute)
        self._throttle_audiosocket = Throttle(server.auth_failures_per_minute)
        """Of its own: a PBX that the list lacks must not lock out what else comes from its address."""
        self._throttle_tokens = Throttle(server.auth_failures_per_minute)
        """Of secrets that come in the first message, from addresses that all customers of a platform share."""
        self._origins = frozenset(server.origins)
        self._own_pages = not server.origins and is_loopback(server.host) and not server.require_key

    def at(self, target: str) -> Door | None:
        """Return the door at a request's path, whatever its query; None if there is none."""
        return self._doors.get(target.partition("?")[0].rstrip("/"))

    def read_by(self, path: str, reader: Callable[[Upgrade], Dialect]) -> None:
        """Have the requests at a path read by another reader than the platform's own."""
        self._doors[path] = msgspec.structs.replace(self._doors[path], reader=reader)

    def knock(self, door: Door, upgrade: Upgrade, address: str, now_s: float) -> Pass | Refusal:
        """Decide on a request.

        Parameters
        ----------
        door
            Where it came.
        upgrade
            What it presents.
        address
            Of the socket; no header can change it.
        now_s
            On a clock that never goes back.
        """
        counts = not door.platform.shared_addresses
        if counts and self._throttle.holds_back(address, now_s):
            return THROTTLED
        stranger = self._strange_page(upgrade.headers.get("origin"))
        if stranger is not None:
            return stranger
        if upgrade.certificate is not None:
            known = self.keyring.with_certificate(upgrade.dialect, upgrade.certificate)
            if known is not None:
                return known
        decision = door.gate(upgrade)
        if isinstance(decision, Pass) and door.token_follows and not decision.key_id:
            return self._on_trust(decision, address, now_s)
        if counts and isinstance(decision, Refusal):
            return _counted(self._throttle, decision, address, now_s)
        return decision

    def knock_by_audiosocket(
        self, address: str, now_s: float, certificate: Certificate | None = None
    ) -> Pass | Refusal:
        """Decide on an AudioSocket connection, of which nothing is known but the address and, by TLS, a certificate."""
        if self._throttle_audiosocket.holds_back(address, now_s):
            return THROTTLED
        decision = self._audiosocket(address, certificate)
        if isinstance(decision, Refusal):
            return _counted(self._throttle_audiosocket, decision, address, now_s)
        return decision

    def _on_trust(self, decision: Pass, address: str, now_s: float) -> Pass | Refusal:
        """Let in a stream whose secret is yet to come, unless too many from there had none."""
        if self._throttle_tokens.holds_back(address, now_s):
            return THROTTLED
        return msgspec.structs.replace(decision, on_trust=partial(self._heard_token, address))

    def _heard_token(self, address: str, right: bool, now_s: float) -> None:
        """Take note of what became of a stream that was let in before its secret was seen."""
        if right:
            self._throttle_tokens.proved(address)
        else:
            self._throttle_tokens.failed(address, now_s)

    def _strange_page(self, origin: str | None) -> Refusal | None:
        """Refuse a web page that is not listed: a browser would knock for it in the name of whoever sits there."""
        if origin is None or origin in self._origins or (self._own_pages and _is_own(origin)):
            return None
        said = f"the Origin {origin[:_SAID]!r} is not in server.origins; add it if it is yours"
        return Refusal(HTTPStatus.FORBIDDEN, "origin", said)


def _counted(throttle: Throttle, refusal: Refusal, address: str, now_s: float) -> Refusal:
    """Count a failure; return the refusal, with a word more where it was the last one before silence."""
    if not throttle.failed(address, now_s):
        return refusal
    said = f"{refusal.message}; this was one too many: for a while this address gets 429 unseen"
    return msgspec.structs.replace(refusal, message=said)


def _is_own(origin: str) -> bool:
    """Whether a page was served by this machine to itself."""
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False
