"""PEM files of certificates and keys: read with the file's name in every error, and when a certificate runs out.

For both sides of TLS: our listeners and the connection to the broker. The TLS library's own words do not tell which of
several files is wrong. This file must never ask anybody for a password, and never put a key into a message.
"""

from __future__ import annotations

import calendar
import ssl
import time
from pathlib import Path
from typing import Final

import msgspec

from streamer.errors import StreamerError

_CERTIFICATE: Final = "CERTIFICATE-----"
_PRIVATE_KEY: Final = "PRIVATE KEY-----"
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_SEQUENCE: Final = 0x30
_EXPLICIT_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18


class PemError(StreamerError):
    """A file cannot be used; the message begins with the key of the configuration that names it."""


class PemFile(msgspec.Struct, frozen=True):
    """A file and the key of the configuration that names it."""

    name: str
    """Dotted, as in ``server.tls_cert_file``."""
    path: str


def load_pair(context: ssl.SSLContext, cert: PemFile, key: PemFile) -> None:
    """Have a context show a certificate.

    Parameters
    ----------
    context
        Of either side.
    cert
        The certificate, then those between it and an authority.
    key
        Its private key; may stand in the same file.

    Raises
    ------
    PemError
        A file cannot be read, is none of its kind, is encrypted, or the key is another certificate's.
    """
    _expect(cert, _CERTIFICATE, "certificate")
    _expect(key, _PRIVATE_KEY, "private key")

    def password() -> str:
        raise PemError(f"{key.name}: the key in {key.path} is encrypted; give one that is not, for this server's eyes")

    try:
        context.load_cert_chain(cert.path, key.path, password=password)
    except ssl.SSLError as problem:
        if problem.reason == "KEY_VALUES_MISMATCH":
            raise PemError(
                f"{key.name}: the key in {key.path} is not that of the certificate in {cert.path}"
            ) from problem
        names = cert.name if cert == key else f"{cert.name}, {key.name}"
        files = cert.path if cert.path == key.path else f"{cert.path} and {key.path}"
        raise PemError(f"{names}: {files} cannot be used: {problem.reason or 'one of them is damaged'}") from problem


def trust(context: ssl.SSLContext, authorities: PemFile) -> None:
    """Have a context believe what these authorities sign, beside those that it believes already.

    Raises
    ------
    PemError
        The file cannot be read, holds no certificate, or one that is damaged.
    """
    _expect(authorities, _CERTIFICATE, "certificate")
    try:
        context.load_verify_locations(authorities.path)
    except ssl.SSLError as problem:
        raise _damaged(authorities) from problem


def client_context(authorities: PemFile | None) -> ssl.SSLContext:
    """Return what a client does TLS with: certificate and name of the other side are checked, always.

    Parameters
    ----------
    authorities
        The only ones that are believed; None = those of the system.

    Raises
    ------
    PemError
        The file cannot be read, holds no certificate, or one that is damaged.
    """
    if authorities is None:
        return ssl.create_default_context()
    content = _expect(authorities, _CERTIFICATE, "certificate")
    try:
        return ssl.create_default_context(cadata=content.encode("ascii", "ignore").decode("ascii"))
    except ssl.SSLError as problem:
        raise _damaged(authorities) from problem


def expires_s(file: PemFile) -> float:
    """Return when the first of a file's certificates runs out, in seconds since the epoch.

    The whole chain counts: a client refuses an intermediate that has run out as it does our own.

    Raises
    ------
    PemError
        The file cannot be read, holds no certificate, or one that is damaged.
    """
    content = _expect(file, _CERTIFICATE, "certificate")
    ends = []
    for part in content.split(_BEGIN)[1:]:
        try:
            ends.append(_not_after_s(ssl.PEM_cert_to_DER_cert(_BEGIN + part.partition(_END)[0] + _END)))
        except (ValueError, IndexError) as problem:
            raise _damaged(file) from problem
    if not ends:  # another kind of certificate than the usual, which the TLS library may know
        raise _damaged(file)
    return min(ends)


def _damaged(file: PemFile) -> PemError:
    return PemError(f"{file.name}: {file.path} holds a certificate that cannot be read; it is damaged")


def _not_after_s(der: bytes) -> float:
    """Return the end of a certificate's validity (RFC 5280, section 4.1), which the library tells of a peer's only."""
    inside, _ = _open(_open(der, _SEQUENCE)[0], _SEQUENCE)
    if inside[0] == _EXPLICIT_VERSION:
        inside = _after(inside)
    for _ in ("serial number", "signature", "issuer"):
        inside = _after(inside)
    end = _after(_open(inside, _SEQUENCE)[0])
    text = _open(end, end[0])[0].decode("ascii")
    if end[0] == _UTC_TIME:
        text = ("20" if text < "50" else "19") + text  # RFC 5280, section 4.1.2.5.1
    elif end[0] != _GENERALIZED_TIME:
        raise ValueError(f"got type {end[0]:#x} where a time was expected")
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


def _open(der: bytes, kind: int) -> tuple[bytes, bytes]:
    """Return what is in the element in front, which must be of a kind, and what comes after it."""
    if der[0] != kind:
        raise ValueError(f"got type {der[0]:#x}, expected {kind:#x}")
    start, length = 2, der[1]
    if length >= 0x80:  # as many bytes of length follow
        start = 2 + (length & 0x7F)
        length = int.from_bytes(der[2:start])
    if len(der) < start + length:
        raise ValueError("it ends too early")
    return der[start : start + length], der[start + length :]


def _after(der: bytes) -> bytes:
    return _open(der, der[0])[1]


def _expect(file: PemFile, mark: str, what: str) -> str:
    """Return the text of a file in which there is something of the kind."""
    try:
        content = Path(file.path).read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        raise PemError(f"{file.name}: cannot read {file.path}: {problem.strerror}") from problem
    if mark not in content:
        raise PemError(f"{file.name}: {file.path} holds no {what} in PEM (-----BEGIN ...-----)")
    return content
