"""The token that Vonage signs an upgrade with where the NCCO says ``"authorization": {"type": "vonage"}``.

Reference: https://developer.vonage.com/en/getting-started/concepts/webhooks (signed webhooks: a JWT, HS256, with the
account's signature secret as key; the NCCO reference says that a WebSocket gets "the same"). RFC 7515 and 7519 for the
form. This file must never accept another algorithm than it names, whatever the token asks for.

Unverified against the platform itself: that the token of an upgrade is made as those of webhooks are; how long after
its ``iat`` it may come (`max_age_s` is configured); whether it carries ``exp`` at all (it counts where it does).
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from typing import Final

import msgspec

SKEW_S: Final = 60.0
"""How far the two clocks may be apart."""
_LONGEST: Final = 8192
_ALPHABET: Final = re.compile("[A-Za-z0-9_-]*")
"""Checked first: the library's decoder drops what does not belong there, and two texts must not be one signature."""


class _Header(msgspec.Struct, frozen=True):
    alg: str


class _Claims(msgspec.Struct, frozen=True):
    iat: float
    exp: float | None = None


_headers: Final = msgspec.json.Decoder(_Header)
_claims: Final = msgspec.json.Decoder(_Claims)


def looks_signed(token: str) -> bool:
    """Whether this is a token of three parts, and not a secret sent as it is."""
    return token.count(".") == 2 and token.startswith("ey")


def signer(token: str, secrets: Mapping[str, str], now_s: float, max_age_s: float) -> str | None:
    """Return whose secret a token was signed with; None where none was, or where it is out of date.

    Parameters
    ----------
    token
        ``header.claims.signature``, as it came behind ``Bearer``.
    secrets
        Signature secrets by the id of their key; all are tried, so that time tells nothing.
    now_s
        Wall-clock time, seconds since the epoch.
    max_age_s
        How long after ``iat`` a token is good.
    """
    signed, _, given = token.rpartition(".")
    if len(token) > _LONGEST or not signed:
        return None
    try:
        signature = _decoded(given)
        header, _, claims = signed.partition(".")
        algorithm = _headers.decode(_decoded(header)).alg
        said = _claims.decode(_decoded(claims))
    except (msgspec.DecodeError, ValueError):  # base64's own error is a ValueError
        return None
    matched = [
        key_id
        for key_id, secret in secrets.items()
        if hmac.compare_digest(hmac.digest(secret.encode(), signed.encode(), "sha256"), signature)
    ]
    if algorithm != "HS256" or not matched:
        return None
    if not -SKEW_S <= now_s - said.iat <= max_age_s + SKEW_S or (said.exp is not None and now_s > said.exp + SKEW_S):
        return None
    return matched[0]


def _decoded(part: str) -> bytes:
    """Return base64url without padding (RFC 7515, section 2) as bytes. Raises ValueError where it is none."""
    if not _ALPHABET.fullmatch(part):
        raise ValueError("no base64url")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
