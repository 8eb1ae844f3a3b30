"""TLS of the WebSocket listener, and who a client's certificate says it is.

Made once, when the server starts; every error names the file and what is wrong with it. This file must never accept
a certificate that the configured authorities did not sign, and never ask anybody for a password.
"""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import Any

from streamer.auth import Certificate
from streamer.config import ConfigError, ServerSettings


def server_context(server: ServerSettings) -> ssl.SSLContext | None:
    """Return what the listener does TLS with; None where the configuration names no certificate.

    TLS 1.2 or newer. With `tls_client_ca_file` a client without a certificate of these authorities gets no connection.

    Raises
    ------
    ConfigError
        A file cannot be read, is none of its kind, or the key is another certificate's.
    """
    if not server.tls_cert_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    key_name = "tls_key_file" if server.tls_key_file else "tls_cert_file"
    key_file = server.tls_key_file or server.tls_cert_file
    _expect("tls_cert_file", server.tls_cert_file, "CERTIFICATE-----", "a certificate")
    _expect(key_name, key_file, "PRIVATE KEY-----", "a private key")

    def password() -> str:
        raise ConfigError(
            f"server.{key_name}: the key in {key_file} is encrypted; give one that is not, for this server's eyes"
        )

    try:
        context.load_cert_chain(server.tls_cert_file, key_file, password=password)
    except ssl.SSLError as problem:
        if problem.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(
                f"server.{key_name}: the key in {key_file} is not that of the certificate in {server.tls_cert_file}"
            ) from problem
        raise ConfigError(
            f"server.tls_cert_file, server.{key_name}: {server.tls_cert_file} and {key_file} cannot be used: "
            f"{problem.reason or 'one of them is damaged'}"
        ) from problem
    if server.tls_client_ca_file:
        _expect("tls_client_ca_file", server.tls_client_ca_file, "CERTIFICATE-----", "a certificate")
        try:
            context.load_verify_locations(server.tls_client_ca_file)
        except ssl.SSLError as problem:
            raise ConfigError(
                f"server.tls_client_ca_file: {server.tls_client_ca_file} holds a certificate that cannot be read: "
                f"{problem.reason or 'it is damaged'}"
            ) from problem
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_certificate(connection: ssl.SSLObject | None) -> Certificate | None:
    """Return the certificate that a client proved to have; None without TLS, or where none was asked for."""
    encoded = connection.getpeercert(binary_form=True) if connection is not None else None
    if connection is None or not encoded:
        return None
    # Typeshed knows the values of this dictionary as text or tuples; of `subject` they are tuples of pairs.
    subject: Any = (connection.getpeercert() or {}).get("subject", ())
    names = [str(value) for part in subject for kind, value in part if kind == "commonName"]
    return Certificate(hashlib.sha256(encoded).hexdigest(), names[0] if len(names) == 1 else "")


def _expect(name: str, path: str, mark: str, what: str) -> None:
    """Refuse a file in which there is nothing of the kind; the TLS library's own words do not tell which file it is."""
    try:
        content = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        raise ConfigError(f"server.{name}: cannot read {path}: {problem.strerror}") from problem
    if mark not in content:
        raise ConfigError(f"server.{name}: {path} holds no {what.removeprefix('a ')} in PEM (-----BEGIN ...-----)")
