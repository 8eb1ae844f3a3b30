"""Signatures of webhooks by Standard Webhooks 1.0.0, symmetric: HMAC-SHA256 over id, time and body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Signature scheme" and
"Webhook headers". Pure. This file must never put a key into a message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from streamer_client.alerts.output import OutputError

_PREFIX = "whsec_"
_SHORTEST_BYTES = 24
_LONGEST_BYTES = 64
"""The specification asks for 192 to 512 bits."""


def keys(secret: str) -> tuple[bytes, ...]:
    """Return the keys in a secret: one a line, so that an old and a new one can both sign while a receiver changes.

    Raises
    ------
    OutputError
        One of them is no key of the specification.
    """
    return tuple(_key(text) for text in secret.split())


def headers(body: bytes, *, name: str, at_s: float, keys: Sequence[bytes]) -> dict[str, str]:
    """Return the three headers that let a receiver trust a body.

    Parameters
    ----------
    body : bytes
        As it is sent.
    name : str
        The same for each try of the same message, without full stops.
    at_s : float
        When this try is made, in seconds since 1970 (UTC).
    keys : sequence of bytes
        One signature each; none = a message that is not signed, and has no time that could be trusted.
    """
    found = {"webhook-id": name, "webhook-timestamp": str(int(at_s))}
    if keys:
        signed = f"{name}.{int(at_s)}.".encode() + body
        digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
        found["webhook-signature"] = " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
    return found


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not _SHORTEST_BYTES <= len(key) <= _LONGEST_BYTES:
        raise OutputError(
            f"the webhook's secret is not {_PREFIX} and {_SHORTEST_BYTES} to {_LONGEST_BYTES} bytes in base64; make "
            'one with: echo "whsec_$(openssl rand -base64 32)"',
            retry=True,
        )
    return key
