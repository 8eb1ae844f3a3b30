"""Who may connect, decided before the upgrade: keys, and the ways to present one.

Each platform has one way (`streamer.platforms` says which); the ways that several share are here. Comparisons take the
same time whether they fail at the first byte or the last. This file must never log or return a secret, and never look
at forwarded headers: the public URL comes from the configuration or not at all.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

import msgspec

from streamer.config import Settings, read_secret


class Key(msgspec.Struct, frozen=True):
    """A credential with its secret read."""

    id: str
    secret: str
    """Empty where a certificate is all that opens; such a key must never match an empty secret."""
    tenant: str
    dialects: tuple[str, ...]
    """Those that it opens; empty = all."""
    certificate: str = ""
    """SHA-256 fingerprint in lower-case hexadecimal digits without colons, or the common name; empty = none opens."""

    def opens(self, dialect: str) -> bool:
        """Whether this key is for that dialect."""
        return not self.dialects or dialect in self.dialects


class Certificate(msgspec.Struct, frozen=True):
    """A client's certificate that TLS has verified already."""

    fingerprint: str
    """SHA-256 of the whole, as 64 lower-case hexadecimal digits."""
    common_name: str
    """Of its subject; empty where there is none, or more than one."""


class Upgrade(msgspec.Struct, frozen=True):
    """What is known of a WebSocket request before it is answered."""

    dialect: str
    target: str
    """Path and query as sent."""
    headers: Mapping[str, str]
    """Names in lower case; a header that came more than once is joined by commas."""
    certificate: Certificate | None = None
    """Of the client, where TLS asked for one."""


class Pass(msgspec.Struct, frozen=True):
    """The peer may come in, as this tenant."""

    tenant: str
    key_id: str
    """Empty where no key was needed."""
    on_trust: Callable[[bool, float], None] | None = None
    """Where the secret comes only after the upgrade: is told whether it was right, and when (monotonic seconds)."""


class Refusal(msgspec.Struct, frozen=True):
    """The peer stays out."""

    status: HTTPStatus
    reason: str
    """Short, for metrics: ``missing``, ``wrong`` ..."""
    message: str
    """For the peer's log: what was expected."""
    after_s: float = 0.0
    """Seconds from the request to this answer: the same for all failures, it says nothing of how far the check got."""


Gate = Callable[[Upgrade], Pass | Refusal]
"""One platform's way of letting in, made once per server, so that it may remember what must not be seen twice."""

_FINGERPRINT = re.compile("[0-9a-f]{64}")

NOBODY = Pass(tenant="default", key_id="")
"""Who comes in where no key is needed."""


class Keyring:
    """The keys of the configuration, and the rule of who needs one."""

    def __init__(self, keys: tuple[Key, ...], *, key_needed: bool, public_url: str = "") -> None:
        self._keys = keys
        self.key_needed = key_needed
        """Whether a peer without a credential stays out."""
        self.public_url = public_url
        """`wss://host[:port]` as platforms know this server; empty where the configuration does not say."""

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
                certificate=fingerprint_of(key.certificate) or key.certificate,
            )
            for key in settings.keys
        )
        server = settings.server
        needed = server.require_key or not (is_loopback(server.host) or server.open)
        return cls(keys, key_needed=needed, public_url=server.public_url)

    def opening(self, dialect: str) -> list[Key]:
        """Return the keys whose secret opens a dialect."""
        return [key for key in self._keys if key.secret and key.opens(dialect)]

    def with_secret(self, dialect: str, secret: str) -> Pass | None:
        """Return as whom a secret lets in; None if it opens nothing here."""
        presented = secret.encode(errors="surrogateescape")
        found = [key for key in self.opening(dialect) if hmac.compare_digest(key.secret.encode(), presented)]
        return Pass(tenant=found[0].tenant, key_id=found[0].id) if found else None

    def with_certificate(self, dialect: str, certificate: Certificate) -> Pass | None:
        """Return as whom a verified certificate lets in; None if no key names it for this dialect."""
        names = {certificate.fingerprint}
        if certificate.common_name and not fingerprint_of(certificate.common_name):
            names.add(certificate.common_name)  # a name that reads like a fingerprint would pass for another's
        found = [key for key in self._keys if key.certificate in names and key.opens(dialect)]
        return Pass(tenant=found[0].tenant, key_id=found[0].id) if found else None

    def bearer(self, upgrade: Upgrade) -> Pass | Refusal:
        """Let in by ``Authorization: Bearer <secret>`` (RFC 6750, section 2.1).

        A key that is presented must be right even where none is needed.
        """
        expected = "Authorization: Bearer <secret>"
        scheme, _, token = upgrade.headers.get("authorization", "").partition(" ")
        if not scheme:
            return self.without(expected)
        if scheme.lower() != "bearer":
            # The scheme is not shown: a client that forgets it sends the secret in its place.
            return Refusal(HTTPStatus.UNAUTHORIZED, "scheme", f"expected {expected}")
        return self.with_secret(upgrade.dialect, token.strip()) or wrong_key(upgrade.dialect)

    def basic(self, upgrade: Upgrade) -> Pass | Refusal:
        """Let in by ``Authorization: Basic`` (RFC 7617): user = a key's id, password = its secret."""
        expected = "Authorization: Basic with a key's id as user and its secret as password"
        scheme, _, encoded = upgrade.headers.get("authorization", "").partition(" ")
        if not scheme:
            return self.without(expected)
        if scheme.lower() != "basic":
            return Refusal(HTTPStatus.UNAUTHORIZED, "scheme", f"expected {expected}")
        try:
            user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return Refusal(HTTPStatus.UNAUTHORIZED, "scheme", f"the credentials are no base64; expected {expected}")
        if not colon:
            return Refusal(HTTPStatus.UNAUTHORIZED, "scheme", f"the credentials have no colon; expected {expected}")
        matches = [
            key
            for key in self.opening(upgrade.dialect)
            if hmac.compare_digest(key.secret.encode(), password.encode())
            & hmac.compare_digest(key.id.encode(), user.encode())  # no `and`: it would tell which of the two is wrong
        ]
        return Pass(tenant=matches[0].tenant, key_id=matches[0].id) if matches else wrong_key(upgrade.dialect)

    def without(self, expected: str) -> Pass | Refusal:
        """Decide on a peer that presents nothing.

        Parameters
        ----------
        expected
            What it should have sent, for its log.
        """
        if self.key_needed:
            return Refusal(HTTPStatus.UNAUTHORIZED, "missing", f"a key is needed: send {expected}")
        return NOBODY


def wrong_key(dialect: str) -> Refusal:
    """Return the refusal of a key that is none of ours, or of another dialect."""
    return Refusal(HTTPStatus.UNAUTHORIZED, "wrong", f"the key is not one that opens {dialect}")


def fingerprint_of(text: str) -> str:
    """Return a SHA-256 fingerprint as 64 lower-case digits; empty where the text is none (then it is a name)."""
    digits = text.replace(":", "").strip().lower()
    return digits if _FINGERPRINT.fullmatch(digits) else ""


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone: nobody elsewhere reaches it, or comes from it."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
