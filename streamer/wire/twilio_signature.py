"""The signature of Twilio's requests, checked before the upgrade to a WebSocket is answered.

Reference: https://www.twilio.com/docs/usage/security and `RequestValidator` of the vendor's Python package (9.13).
For an upgrade there are no POST parameters, so the signature is an HMAC of the URL alone, written as in TwiML: with
the scheme ``wss``. This file must never believe ``X-Forwarded-*`` headers: anyone can send them.

Unverified against the platform itself: whether ``X-Twilio-Webhooks-Signature-Settings`` (HMAC-SHA256 with a shared
key) comes on upgrades at all; whether the URL is ever signed with its default port (the vendor's validator tries
both, "sig generation on back end is inconsistent", so both are tried here).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

SIGNATURE_HEADER: Final = "X-Twilio-Signature"
SETTINGS_HEADER: Final = "X-Twilio-Webhooks-Signature-Settings"

_DEFAULT_PORTS: Final = {"wss": "443", "ws": "80"}
_SCHEMES: Final = {"wss": "wss", "https": "wss", "ws": "ws", "http": "ws"}
_ALGORITHMS: Final = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}


def signature(auth_token: str, url: str, algorithm: str = "sha1") -> str:
    """Return the signature of an upgrade request.

    Parameters
    ----------
    auth_token
        The account's auth token, or the shared key.
    url
        The whole URL as written in TwiML, scheme ``wss`` included.
    algorithm
        ``sha1`` or ``sha256``.

    Returns
    -------
    str
        Base64 of HMAC(auth_token, url).
    """
    return base64.b64encode(hmac.digest(auth_token.encode(), url.encode(errors="replace"), algorithm)).decode()


def signature_algorithm(settings: str = "") -> str | None:
    """Return the hash that the settings header asks for.

    Parameters
    ----------
    settings
        ``key=...,algorithm=HMAC_SHA256`` as it came; empty where the header is missing.

    Returns
    -------
    str or None
        ``sha1`` where nothing is asked for; None for an algorithm not known here: refuse the request.
    """
    if not settings.strip():
        return "sha1"
    fields = dict(field.strip().partition("=")[::2] for field in settings.split(","))
    return _ALGORITHMS.get(fields.get("algorithm", "").strip().upper())


def candidate_urls(public_url: str, host: str, target: str) -> list[str]:
    """Return the URLs that the platform may have signed, likeliest first.

    Parameters
    ----------
    public_url
        What stands in TwiML before the path, from the configuration (``wss://calls.example.com``); empty: take the
        Host header's word, which is enough where no other service shares the token.
    host
        The request's Host header.
    target
        Path and query of the request line, ``/twilio``.

    Raises
    ------
    ValueError
        When `public_url` is no URL with a scheme and a host.
    """
    if not public_url:
        return [url for scheme in ("wss", "ws") for url in _with_and_without_port(scheme, host, target)]
    parts = urlsplit(public_url)
    if parts.scheme not in _SCHEMES or not parts.netloc:
        raise ValueError(f"server.public_url is {public_url!r}; write it like wss://calls.example.com")
    return _with_and_without_port(_SCHEMES[parts.scheme], parts.netloc, parts.path.rstrip("/") + target)


def signature_matches(
    auth_tokens: Mapping[str, str], urls: Iterable[str], header: str, algorithm: str = "sha1"
) -> str | None:
    """Tell whose signature a request carries, in constant time.

    Parameters
    ----------
    auth_tokens
        Key id to auth token; an empty token never matches.
    urls
        From `candidate_urls`.
    header
        The value of ``X-Twilio-Signature``; empty where it is missing.
    algorithm
        From `signature_algorithm`.

    Returns
    -------
    str or None
        The id of the key that signed, None where none did. All keys and URLs are tried, whichever matches.
    """
    got = header.strip().encode(errors="replace")
    found: str | None = None
    tried = list(urls)
    for key, auth_token in auth_tokens.items():
        for url in tried:
            matches = hmac.compare_digest(signature(auth_token, url, algorithm).encode(), got)
            if matches and auth_token:
                found = key
    return found


def _with_and_without_port(scheme: str, authority: str, target: str) -> list[str]:
    bare, colon, port = authority.rpartition(":")
    if colon and port.isdecimal():
        return [f"{scheme}://{authority}{target}", f"{scheme}://{bare}{target}"]
    return [f"{scheme}://{authority}{target}", f"{scheme}://{authority}:{_DEFAULT_PORTS[scheme]}{target}"]
