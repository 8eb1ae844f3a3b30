"""Letting in before a secret is seen: for platforms that can carry one only in their first message.

The upgrade is accepted on trust that the dialect asks for the token before anything else counts. This file must never
let in without one where a key is needed and none is configured.
"""

from __future__ import annotations

from streamer.auth import NOBODY, Gate, Keyring, Pass, Refusal, Upgrade
from streamer.config import Settings


def asks(settings: Settings, platform: str) -> bool:
    """Whether a platform's first message is held to a token."""
    table = getattr(settings.dialects, platform, None)
    return bool(getattr(table, "token", "") or getattr(table, "token_file", ""))


def gate(keyring: Keyring, *, tenant: str, has_token: bool, expected: str) -> Gate:
    """Return what lets the upgrade pass because its first message will be held to the token.

    Parameters
    ----------
    keyring
        Says whether a secret is needed at all.
    tenant
        Whose calls these are.
    has_token
        Whether the dialect asks for one.
    expected
        What to configure, for the log of who is refused.
    """

    def decide(_upgrade: Upgrade) -> Pass | Refusal:
        if has_token:
            return Pass(tenant=tenant, key_id="")
        return keyring.without(expected) if keyring.key_needed else NOBODY

    return decide
