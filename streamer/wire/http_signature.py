"""HTTP message signatures, draft 11: one HMAC over chosen parts of a request, read and held against a key.

References: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-message-signatures-11 (sections 2 and 3) and RFC
8941 (structured fields); of both only what a request with one hmac-sha256 signature needs, everything else is refused.
This file must never read a clock, know a platform, or say whose key it was.

Theory of operation. ``Signature-Input`` lists what is covered and the parameters, ``Signature`` holds the HMAC of the
*signature base*: a line ``"name": value`` for each covered component, and at the end the list itself. That last line is
written anew from what was understood, so that nothing which was read over can be signed. Order of the checks: `parse`,
`flaw_in_time`, `signature_base`, `is_signed_by`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from streamer.wire.reading import shown

INPUT_HEADER: Final = "Signature-Input"
SIGNATURE_HEADER: Final = "Signature"
ALGORITHM: Final = "hmac-sha256"
SKEW_S: Final = 3
"""How far the signer's clock may be ahead; as much is taken from the life of a signature, for ours may be behind."""
MAX_AGE_S: Final = 10
"""From `created` on."""

_KEY: Final = r"[a-z*][a-z0-9_.*-]*"
_STRING: Final = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_PARAMETER: Final = rf"; *({_KEY})=({_STRING}|[0-9]{{1,15}})"
_PARAMETERS: Final = rf"(?:; *{_KEY}=(?:{_STRING}|[0-9]{{1,15}}))*"
_INPUT: Final = re.compile(rf"({_KEY})=\( *((?:{_STRING} +)*{_STRING})? *\)({_PARAMETERS})")
_VALUE: Final = re.compile(rf"({_KEY})=:([A-Za-z0-9+/]*={{0,2}}):")
_KINDS: Final[Mapping[str, type]] = {"alg": str, "created": int, "expires": int, "keyid": str, "nonce": str}


class Flaw(msgspec.Struct, frozen=True):
    """Why a signature is not taken; neither word nor message holds anything secret."""

    reason: str
    """Short and stable, for metrics."""
    message: str
    """For people: what came, what was expected."""


class Signature(msgspec.Struct, frozen=True):
    """What a request says of its signature; nothing of it is proven yet."""

    components: tuple[str, ...]
    """Covered parts of the request, in the order of the base: header names, or derived ones that begin with ``@``."""
    parameters: dict[str, str | int]
    """In the order of the base; only those that the draft knows, each of its kind."""
    value: bytes

    def text(self, name: str) -> str:
        """Return a parameter that is text; empty where it is missing."""
        value = self.parameters.get(name, "")
        return value if isinstance(value, str) else ""

    def seconds(self, name: str) -> int | None:
        """Return a parameter that is a time in seconds since the epoch."""
        value = self.parameters.get(name)
        return value if isinstance(value, int) else None


def parse(signature_input: str, signature: str) -> Signature | Flaw:
    """Read the two headers.

    Parameters
    ----------
    signature_input
        The value of ``Signature-Input``: one member, an inner list with parameters.
    signature
        The value of ``Signature``: one member of the same label, a byte sequence.
    """
    listed, held = _INPUT.fullmatch(signature_input.strip(" \t")), _VALUE.fullmatch(signature.strip(" \t"))
    if listed is None:
        return Flaw("malformed", 'Signature-Input is not one list like sig1=("@authority");created=1')
    if held is None or held[1] != listed[1]:
        return Flaw("malformed", f"Signature is not one byte sequence labelled {shown(listed[1])}")
    components = tuple(map(_unquoted, re.findall(_STRING, listed[2] or "")))
    if len(set(components)) != len(components):
        return Flaw("malformed", "Signature-Input covers a component twice")
    parameters = _parameters(listed[3])
    if isinstance(parameters, Flaw):
        return parameters
    try:
        return Signature(components, parameters, base64.b64decode(held[2], validate=True))
    except binascii.Error:
        return Flaw("malformed", "Signature holds no base64")


def _parameters(text: str) -> dict[str, str | int] | Flaw:
    parameters: dict[str, str | int] = {}
    for name, written in re.findall(_PARAMETER, text):
        value = _unquoted(written) if written.startswith('"') else int(written)
        if name not in _KINDS or name in parameters or not isinstance(value, _KINDS[name]):
            return Flaw("malformed", f"the signature parameter {shown(name)} is unknown, doubled or of another kind")
        parameters[name] = value
    if parameters.get("alg", ALGORITHM) != ALGORITHM:
        return Flaw("algorithm", f"the signature's algorithm is not {ALGORITHM}")
    return parameters


def flaw_in_time(signature: Signature, now_s: float) -> Flaw | None:
    """Return what is wrong with a signature's time, if anything.

    Parameters
    ----------
    now_s
        Seconds since the epoch.
    """
    created, expires = signature.seconds("created"), signature.seconds("expires")
    if created is None:
        return Flaw("malformed", "the signature has no 'created', so its age cannot be told")
    if created > now_s + SKEW_S:
        return Flaw("clock", "the signature was created in the future; do both clocks go right?")
    if now_s > valid_until_s(signature):
        return Flaw("expired", f"the signature has expired: created {now_s - created:.0f} s ago, expires at {expires}")
    return None


def valid_until_s(signature: Signature) -> float:
    """Return when a signature ends to be taken, in seconds since the epoch."""
    created, expires = signature.seconds("created"), signature.seconds("expires")
    limits = [created + MAX_AGE_S] if created is not None else []
    return min([*limits, *([expires] if expires is not None else [])], default=0) - SKEW_S


def signature_base(signature: Signature, value_of: Callable[[str], str | None]) -> bytes | Flaw:
    """Return what must have been signed.

    Parameters
    ----------
    value_of
        Gives the value of a component of the request as we see it; None where the request has none of that name.
    """
    lines = []
    for name in signature.components:
        value = value_of(name)
        if value is None:
            return Flaw("component", f"the signature covers {shown(name)}, which the request does not have")
        lines.append(f"{_quoted(name)}: {value}")
    covered = " ".join(map(_quoted, signature.components))
    parameters = "".join(f";{name}={_written(value)}" for name, value in signature.parameters.items())
    lines.append(f'"@signature-params": ({covered}){parameters}')
    return "\n".join(lines).encode(errors="surrogatepass")


def is_signed_by(key: bytes, base: bytes, signature: Signature) -> bool:
    """Tell whether a key made the signature, in constant time."""
    return hmac.compare_digest(hmac.digest(key, base, "sha256"), signature.value)


def authority(host: str, default_port: int = 443) -> str:
    """Return ``@authority`` of a host, with or without port: small letters, no default port (section 2.2.4)."""
    return host.strip().lower().removesuffix(f":{default_port}")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unquoted(written: str) -> str:
    return re.sub(r"\\(.)", r"\1", written[1:-1])


def _written(value: str | int) -> str:
    return _quoted(value) if isinstance(value, str) else str(value)
