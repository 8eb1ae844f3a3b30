"""Vonage, on ``/vonage``: a header from the NCCO, verbatim or as a bearer key, or the token that Vonage signs.

The key's secret is what the NCCO sends (``"type": "custom"``), or the account's signature secret (``"type":
"vonage"``). https://developer.vonage.com/en/voice/voice-api/ncco-reference
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from streamer.auth import Gate, Keyring, Pass, Refusal, Upgrade, wrong_key
from streamer.config import Settings
from streamer.platforms.calls import id_maker
from streamer.platforms.platform import Platform
from streamer.wire.events import Dialect
from streamer.wire.vonage import Vonage
from streamer.wire.vonage_token import looks_signed, signer

log = structlog.get_logger()


def gate(keyring: Keyring, settings: Settings, wall_s: Callable[[], float] = time.time) -> Gate:
    """Return what takes a key as it is, behind ``Bearer``, or as the secret of a signed token."""
    max_age_s = settings.dialects.vonage.token_age_s

    def decide(upgrade: Upgrade) -> Pass | Refusal:
        given = upgrade.headers.get("authorization", "").strip()
        if not given:
            return keyring.without("an authorization in the NCCO: a custom one with a key, or type vonage")
        scheme, _, token = given.partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else given
        if not looks_signed(token):
            return keyring.with_secret(upgrade.dialect, token) or wrong_key(upgrade.dialect)
        keys = {key.id: key for key in keyring.opening(upgrade.dialect)}
        matched = signer(token, {key.id: key.secret for key in keys.values()}, wall_s(), max_age_s)
        if matched is None:
            return wrong_key(upgrade.dialect)
        return Pass(tenant=keys[matched].tenant, key_id=matched)

    return decide


def reader(settings: Settings) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each stream."""
    vonage = settings.dialects.vonage
    new_call_id = id_maker(Vonage.name, f"put {vonage.call_header} into the headers of the NCCO's endpoint")
    unsaid = vonage.role not in settings.emotion.analyse

    def read(_: Upgrade) -> Dialect:
        nonlocal unsaid
        if unsaid:
            unsaid = False
            log.warning(
                "calls of this platform are not analysed: emotion.analyse does not name who is heard on them",
                dialect=Vonage.name,
                role=str(vonage.role),
                remedy=f"emotion.analyse must name {vonage.role!s}, and emotion.lawful_basis say why it may",
            )
        return Vonage(
            new_call_id,
            call_header=vonage.call_header,
            role=vonage.role,
            byte_order=vonage.byte_order,
            label_headers=vonage.labels,
        )

    return read


PLATFORM: Final = Platform(
    name=Vonage.name,
    path="/vonage",
    gate=gate,
    reader=reader,
    ping_interval_s=lambda settings: settings.dialects.vonage.ping_interval_s,
    max_message_bytes=lambda settings: settings.dialects.vonage.max_message_bytes,
    shared_addresses=True,
)
