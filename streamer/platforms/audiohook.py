"""Genesys Cloud AudioHook, on ``/audiohook``: an API key names the tenant, a signature proves it.

The rules are those of the vendor's reference server (``app/src/authenticator.ts``), and one of our own: a nonce is
taken once. Every refusal takes the same half second, whatever was wrong. This file must never say which of key and
secret was wrong, and never believe forwarded headers.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import msgspec

from streamer.auth import NOBODY, Gate, Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import ConfigError, Settings
from streamer.platforms.platform import Platform
from streamer.wire.audiohook import AudioHook
from streamer.wire.events import Dialect
from streamer.wire.http_signature import (
    INPUT_HEADER,
    SIGNATURE_HEADER,
    Flaw,
    Signature,
    authority,
    flaw_in_time,
    is_signed_by,
    parse,
    signature_base,
    valid_until_s,
)

KEY_HEADER: Final = "x-api-key"
COVERED: Final = (
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    KEY_HEADER,
)
"""What a signature must cover."""
SHORTEST_NONCE: Final = 22
REFUSED_AFTER_S: Final = 0.5

_DEFAULT_PORTS: Final = {"wss": 443, "https": 443, "ws": 80, "http": 80}


class _Front(msgspec.Struct, frozen=True):
    """What the platform sees before the path."""

    authority: str
    """Empty: the Host header is believed."""
    path: str

    @classmethod
    def of(cls, public_url: str) -> _Front:
        parts = urlsplit(public_url)
        if public_url and (parts.scheme not in _DEFAULT_PORTS or not parts.netloc):
            raise ConfigError(f"server.public_url is {public_url!r}; write it like wss://calls.example.com")
        return cls(authority(parts.netloc, _DEFAULT_PORTS.get(parts.scheme, 443)), parts.path.rstrip("/"))


class _Secret(msgspec.Struct, frozen=True):
    """One API key."""

    key: Key
    client_secret: bytes
    """Empty where no signature can be right."""
    may_be_unsigned: bool


class _Signed:
    """Lets in who has signed the request with a client secret of ours, and each signature once."""

    def __init__(self, known: list[_Secret], front: _Front, wall_s: Callable[[], float]) -> None:
        self._known = known
        self._front = front
        self._wall_s = wall_s
        self._seen: dict[tuple[str, str], float] = {}
        """Nonces of signatures that are still good, by API key, and until when they are."""

    def __call__(self, upgrade: Upgrade) -> Pass | Refusal:
        """Decide on a request."""
        decision = self._decide(upgrade)
        if isinstance(decision, Flaw):
            return Refusal(HTTPStatus.UNAUTHORIZED, decision.reason, decision.message, after_s=REFUSED_AFTER_S)
        return decision

    def _decide(self, upgrade: Upgrade) -> Pass | Flaw:
        presented = upgrade.headers.get(KEY_HEADER, "").strip()
        if not presented:
            return Flaw("missing", "the X-API-KEY header is missing")
        known = self._named(presented)
        given = [upgrade.headers.get(name.lower(), "") for name in (INPUT_HEADER, SIGNATURE_HEADER)]
        if not any(given):
            if known is not None and known.may_be_unsigned:
                return Pass(tenant=known.key.tenant, key_id=known.key.id)
            return Flaw("unsigned", "the request is not signed; set a client secret in the integration")
        signature = parse(*given)
        if isinstance(signature, Flaw):
            return signature
        now_s = self._wall_s()
        flaw = _flaw_in_policy(signature, presented) or flaw_in_time(signature, now_s)
        return flaw or self._prove(signature, known, upgrade, now_s)

    def _prove(self, signature: Signature, known: _Secret | None, upgrade: Upgrade, now_s: float) -> Pass | Flaw:
        base = signature_base(signature, lambda name: self._value(name, upgrade))
        if isinstance(base, Flaw):
            return base
        secret = known.client_secret if known is not None else b""
        # A stranger's signature is worked out as well: the time it takes must not tell whether there is such a key.
        is_right = is_signed_by(secret or secrets.token_bytes(32), base, signature)
        if known is None or not secret or not is_right:
            return Flaw(
                "wrong", "the signature does not match; check the API key, the client secret and server.public_url"
            )
        if self._is_replayed(known.key.id, signature, now_s):
            return Flaw("replayed", "this signature's nonce has been used before")
        return Pass(tenant=known.key.tenant, key_id=known.key.id)

    def _named(self, presented: str) -> _Secret | None:
        """Return the API key of that name, in the same time whichever it is."""
        sought = presented.encode(errors="surrogatepass")
        found = [known for known in self._known if hmac.compare_digest(known.key.id.encode(), sought)]
        return found[0] if found else None

    def _value(self, component: str, upgrade: Upgrade) -> str | None:
        """Return a component of the request as the platform sees it."""
        if component == "@request-target":
            return self._front.path + upgrade.target
        if component == "@authority":
            return self._front.authority or authority(upgrade.headers.get("host", "")) or None
        return upgrade.headers.get(component, "").strip() or None

    def _is_replayed(self, key_id: str, signature: Signature, now_s: float) -> bool:
        """Tell whether a good signature has come before; remember it as long as it could come again."""
        self._seen = {nonce: until_s for nonce, until_s in self._seen.items() if until_s >= now_s}
        nonce = (key_id, signature.text("nonce"))
        if nonce in self._seen:
            return True
        self._seen[nonce] = valid_until_s(signature)
        return False


def _flaw_in_policy(signature: Signature, api_key: str) -> Flaw | None:
    """Return what of the platform's own rules a signature does not keep, if any."""
    uncovered = [name for name in COVERED if name not in signature.components]
    if uncovered:
        return Flaw("component", f"the signature does not cover {', '.join(uncovered)}")
    if signature.text("keyid") != api_key:
        return Flaw("keyid", "the signature's keyid is not the X-API-KEY")
    if len(signature.text("nonce")) < SHORTEST_NONCE:
        return Flaw("nonce", f"the signature's nonce is missing or has fewer than {SHORTEST_NONCE} characters")
    return None


def gate(keyring: Keyring, settings: Settings, wall_s: Callable[[], float] = time.time) -> Gate:
    """Return what checks the API key and the signature.

    Parameters
    ----------
    wall_s
        Seconds since the epoch.

    Raises
    ------
    ConfigError
        A client secret is no base64, an unsigned key is none, or the public URL has no scheme or host.
    """
    unsigned = settings.dialects.audiohook.unsigned_keys
    keys = keyring.opening(AudioHook.name)
    strangers = sorted(set(unsigned) - {key.id for key in keys})
    if strangers:
        # Which one is not said: it is a secret.
        raise ConfigError(
            f"dialects.audiohook.unsigned_keys: for {len(strangers)} of its {len(unsigned)} ids there is no [[keys]] "
            "entry that opens audiohook"
        )
    known = [_Secret(key, _client_secret(key, key.id in unsigned), key.id in unsigned) for key in keys]
    if known:
        return _Signed(known, _Front.of(keyring.public_url), wall_s)
    if keyring.key_needed:
        nobody = Refusal(
            HTTPStatus.UNAUTHORIZED,
            "missing",
            "no [[keys]] entry holds the API key and client secret of this integration",
            after_s=REFUSED_AFTER_S,
        )
        return lambda _: nobody
    return lambda _: NOBODY


def _client_secret(key: Key, may_be_unsigned: bool) -> bytes:
    """Return the secret's bytes; none for a key of other dialects, whose secret need not be base64."""
    try:
        return base64.b64decode(key.secret, validate=True)
    except (binascii.Error, ValueError) as problem:
        if may_be_unsigned or AudioHook.name not in key.dialects:
            return b""
        raise ConfigError(
            f"keys: the secret of {key.id!r} is no base64; write the client secret as the integration shows it"
        ) from problem


def reader(settings: Settings) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each session."""
    audiohook = settings.dialects.audiohook
    roles: Mapping[str, str] = audiohook.roles

    def read(upgrade: Upgrade) -> Dialect:
        return AudioHook(
            upgrade.headers.get("audiohook-session-id", "").strip(),
            upgrade.headers.get("audiohook-organization-id", "").strip(),
            roles=roles,
            formats=audiohook.formats,
            byte_order=audiohook.byte_order,
            wants_events=audiohook.events,
            event_type=audiohook.event_type,
            labels=audiohook.labels,
        )

    AudioHook(roles=roles, formats=audiohook.formats, labels=audiohook.labels)  # what cannot be right shall fail now
    return read


PLATFORM: Final = Platform(
    name=AudioHook.name,
    path="/audiohook",
    gate=gate,
    reader=reader,
    ping_interval_s=lambda settings: settings.dialects.audiohook.ping_interval_s,
    max_message_bytes=lambda settings: settings.dialects.audiohook.max_message_bytes,
    shared_addresses=True,
)
