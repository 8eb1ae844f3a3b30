"""Who may connect, decided before the upgrade, in one mechanism per dialect.

Native clients present a bearer token; Twilio signs the URL. Comparisons take the same time whether they fail at the
first byte or the last. This file must never log or return a secret, and never look at forwarded headers: the public
URL comes from the configuration or not at all.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from streamer.config import Settings, read_secret
from streamer.wire import twilio_signature
from streamer.wire.twilio import Twilio


class Key(msgspec.Struct, frozen=True):
    """A credential with its secret read."""

    id: str
    secret: str
    tenant: str
    dialects: tuple[str, ...]


class Upgrade(msgspec.Struct, frozen=True):
    """What is known of a WebSocket request before it is answered."""

    dialect: str
    target: str
    """Path and query as sent."""
    headers: Mapping[str, str]
    """Names in lower case."""


class Pass(msgspec.Struct, frozen=True):
    """The peer may come in, as this tenant."""

    tenant: str
    key_id: str
    """Empty where no key was needed."""


class Refusal(msgspec.Struct, frozen=True):
    """The peer stays out."""

    status: HTTPStatus
    reason: str
    """Short, for metrics: ``missing``, ``wrong`` ..."""
    message: str
    """For the peer's log: what was expected."""


class Keyring:
    """The keys of the configuration, and the rule of who needs one."""

    def __init__(self, keys: tuple[Key, ...], *, key_needed: bool, public_url: str = "") -> None:
        self._keys = keys
        self._key_needed = key_needed
        self._public_url = public_url

    @classmethod
    def of(cls, settings: Settings) -> Keyring:
        """Read the secrets of the configuration.

        Raises
        ------
        ConfigError
            A secret's file cannot be read.
        """
        keys = tuple(
            Key(
                id=key.id,
                secret=read_secret(key.secret, key.secret_file, f"keys: {key.id}"),
                tenant=key.tenant,
                dialects=key.dialects,
            )
            for key in settings.keys
        )
        server = settings.server
        needed = server.require_key or not (is_loopback(server.host) or server.open)
        return cls(keys, key_needed=needed, public_url=server.public_url)

    def decide(self, upgrade: Upgrade) -> Pass | Refusal:
        """Say whether a request may be upgraded, and for which tenant."""
        keys = [key for key in self._keys if not key.dialects or upgrade.dialect in key.dialects]
        if upgrade.dialect == Twilio.name:
            return self._by_signature(upgrade, keys)
        return self._by_bearer(upgrade, keys)

    def _by_bearer(self, upgrade: Upgrade, keys: list[Key]) -> Pass | Refusal:
        """RFC 6750, section 2.1. A key that is presented must be right even where none is needed."""
        scheme, _, token = upgrade.headers.get("authorization", "").partition(" ")
        if not scheme:
            if self._key_needed:
                return Refusal(
                    HTTPStatus.UNAUTHORIZED, "missing", "a key is needed: send Authorization: Bearer <secret>"
                )
            return Pass(tenant="default", key_id="")
        if scheme.lower() != "bearer":
            # The scheme is not shown: a client that forgets it sends the secret in its place.
            return Refusal(HTTPStatus.UNAUTHORIZED, "scheme", "expected Authorization: Bearer <secret>")
        found = [key for key in keys if hmac.compare_digest(key.secret.encode(), token.strip().encode())]
        if not found:
            return Refusal(HTTPStatus.UNAUTHORIZED, "wrong", f"the key is not one that opens {upgrade.dialect}")
        return Pass(tenant=found[0].tenant, key_id=found[0].id)

    def _by_signature(self, upgrade: Upgrade, keys: list[Key]) -> Pass | Refusal:
        """Twilio's signature over the URL; asked for as soon as a key for the dialect exists."""
        if not keys:
            if self._key_needed:
                return Refusal(
                    HTTPStatus.UNAUTHORIZED, "missing", "no [[keys]] entry holds the auth token of this Twilio account"
                )
            return Pass(tenant="default", key_id="")
        given = upgrade.headers.get(twilio_signature.SIGNATURE_HEADER.lower(), "")
        if not given:
            return Refusal(HTTPStatus.FORBIDDEN, "missing", "the X-Twilio-Signature header is missing")
        asked_for = upgrade.headers.get(twilio_signature.SETTINGS_HEADER.lower(), "")
        algorithm = twilio_signature.signature_algorithm(asked_for)
        if algorithm is None:
            return Refusal(HTTPStatus.FORBIDDEN, "algorithm", f"signature algorithm not known here: {asked_for[:80]!r}")
        urls = twilio_signature.candidate_urls(self._public_url, upgrade.headers.get("host", ""), upgrade.target)
        tokens = {key.id: key.secret for key in keys}
        matched = twilio_signature.signature_matches(tokens, urls, given, algorithm)
        if matched is None:
            return Refusal(
                HTTPStatus.FORBIDDEN,
                "wrong",
                "the X-Twilio-Signature does not match; check the auth token and server.public_url (as in the TwiML)",
            )
        return Pass(tenant=next(key.tenant for key in keys if key.id == matched), key_id=matched)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
