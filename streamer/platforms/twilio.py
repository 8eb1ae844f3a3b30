"""Twilio Media Streams, on ``/twilio``: signed URLs.

The signature is asked for as soon as a key for the dialect exists. https://www.twilio.com/docs/usage/security
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from streamer.auth import NOBODY, Gate, Keyring, Pass, Refusal, Upgrade
from streamer.config import Settings, read_secret
from streamer.platforms.platform import Platform
from streamer.wire import twilio_signature
from streamer.wire.events import Dialect
from streamer.wire.twilio import Twilio


def gate(keyring: Keyring, settings: Settings) -> Gate:  # noqa: ARG001 - one interface for all platforms
    """Return what checks ``X-Twilio-Signature``."""

    def decide(upgrade: Upgrade) -> Pass | Refusal:
        keys = keyring.opening(Twilio.name)
        if not keys:
            if not keyring.key_needed:
                return NOBODY
            return Refusal(
                HTTPStatus.UNAUTHORIZED, "missing", "no [[keys]] entry holds the auth token of this Twilio account"
            )
        given = upgrade.headers.get(twilio_signature.SIGNATURE_HEADER.lower(), "")
        if not given:
            return Refusal(HTTPStatus.FORBIDDEN, "missing", "the X-Twilio-Signature header is missing")
        asked_for = upgrade.headers.get(twilio_signature.SETTINGS_HEADER.lower(), "")
        algorithm = twilio_signature.signature_algorithm(asked_for)
        if algorithm is None:
            return Refusal(HTTPStatus.FORBIDDEN, "algorithm", f"signature algorithm not known here: {asked_for[:80]!r}")
        urls = twilio_signature.candidate_urls(keyring.public_url, upgrade.headers.get("host", ""), upgrade.target)
        tokens = {key.id: key.secret for key in keys}
        matched = twilio_signature.signature_matches(tokens, urls, given, algorithm)
        if matched is None:
            return Refusal(
                HTTPStatus.FORBIDDEN,
                "wrong",
                "the X-Twilio-Signature does not match; check the auth token and server.public_url (as in the TwiML)",
            )
        return Pass(tenant=next(key.tenant for key in keys if key.id == matched), key_id=matched)

    return decide


def reader(settings: Settings) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each stream."""
    twilio = settings.dialects.twilio
    token = read_secret(twilio.token, twilio.token_file, "dialects.twilio.token_file")
    return lambda _: Twilio(roles=twilio.roles, token=token, label_parameters=twilio.labels)


PLATFORM: Final = Platform(
    name=Twilio.name,
    path="/twilio",
    gate=gate,
    reader=reader,
    ping_interval_s=lambda settings: settings.dialects.twilio.ping_interval_s,
    max_message_bytes=lambda settings: settings.dialects.twilio.max_message_bytes,
    shared_addresses=True,
)
