"""Is the server's certificate one that clients will believe: the chain, the name, the days that are left.

Asked of the TLS library itself, by a handshake in memory with what the server would show and what a client here would
believe. This file must never open a connection.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from streamer.access.pem import PemFile, client_context, expires_s, load_pair
from streamer.access.tls import SOON_S
from streamer.checks.outcome import Level, Outcome
from streamer.config import ServerSettings

_DAY_S: Final = 86_400.0
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_OTHER_NAME: Final = frozenset({62, 64})
"""Errors of X509_STORE_CTX_get_error(3): the host name, the IP address."""


def check(server: ServerSettings, now_s: float) -> list[Outcome]:
    """Return one outcome.

    Parameters
    ----------
    server
        Its certificate, and the name under which it is reached.
    now_s
        Seconds since 1970.

    Raises
    ------
    PemError
        A file cannot be used.
    """
    if not server.tls_cert_file:
        text = "none here: TLS, if there is any, ends before this server"
        return [Outcome("certificate", Level.OK, text)]
    name = urlsplit(server.public_url).hostname or ""
    file = PemFile("server.tls_cert_file", server.tls_cert_file)
    return [_judge(server, file, name, expires_s(file) - now_s)]


def _judge(server: ServerSettings, file: PemFile, name: str, left_s: float) -> Outcome:
    shown = context(server)
    for_name = f" for {name}" if name else ""
    if left_s < 0:
        text = f"{file.path} or one of its chain ran out {days(-left_s)} ago: renew it; the server reads it by itself"
        return Outcome("certificate", Level.WRONG, text)
    # Believing the file itself shows name and validity, whoever signed it.
    itself = client_context(file)
    itself.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    problem, seen = shake(shown, itself, name)
    if problem is not None:
        return Outcome("certificate", Level.WRONG, _explain(problem, file, name))
    problem, _ = shake(shown, client_context(None), name)
    if problem is not None:
        level, text = _chain(problem, file, seen)
        return Outcome("certificate", level, text)
    left = f"{days(left_s)} left"
    if left_s < SOON_S:
        return Outcome("certificate", Level.WARN, f"good{for_name}, but only {left}: renew {file.path}")
    unnamed = "" if name else "; server.public_url is not set, so for which name was not looked at"
    return Outcome("certificate", Level.OK, f"good{for_name}, chain complete, {left}{unnamed}")


def _explain(problem: ssl.SSLError, file: PemFile, name: str) -> str:
    code = problem.verify_code if isinstance(problem, ssl.SSLCertVerificationError) else 0
    if code in _OTHER_NAME:
        return f"{file.path} is not for {name}, the host of server.public_url: get one for it, or mend the URL"
    if code == _NOT_YET_VALID:
        return f"{file.path} is not valid yet: check this machine's clock, then the certificate"
    if code == _EXPIRED:
        return f"{file.path} has run out: renew it; the server reads it by itself"
    return f"{file.path}: clients will refuse it ({problem.reason or problem}): get another"


def _chain(problem: ssl.SSLError, file: PemFile, seen: Mapping[str, Any]) -> tuple[Level, str]:
    """Return what it means that no authority of this system leads to the certificate."""
    alone = Path(file.path).read_text(encoding="utf-8", errors="replace").count("-----BEGIN CERTIFICATE-----") == 1
    if alone and seen.get("caIssuers"):
        return Level.WRONG, (
            f"{file.path} holds the certificate alone, without those between it and its authority: clients will refuse "
            "it; put them behind it (certbot: fullchain.pem)"
        )
    why = problem.verify_message if isinstance(problem, ssl.SSLCertVerificationError) else problem.reason
    return Level.WARN, (
        f"{file.path} is signed by nobody whom this system trusts ({why}): platforms on the internet will refuse it; "
        "all is well only if every client knows its authority"
    )


def context(server: ServerSettings) -> ssl.SSLContext:
    """Return a context that shows the server's certificate and asks for none.

    Raises
    ------
    PemError
        A file cannot be used.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert = PemFile("server.tls_cert_file", server.tls_cert_file)
    load_pair(made, cert, PemFile("server.tls_key_file", server.tls_key_file) if server.tls_key_file else cert)
    return made


def shake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> tuple[ssl.SSLError | None, Mapping[str, Any]]:
    """Return why a client refuses the server, or None, and the certificate that it saw.

    Parameters
    ----------
    server, client
        What they do TLS with.
    name
        Of the server; empty = it is not looked at.
    """
    client.check_hostname = bool(name)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(to_server, to_client, server_side=True)
    here = client.wrap_bio(to_client, to_server, server_hostname=name or None)
    while True:
        try:
            here.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as problem:
            return problem, {}
        else:
            return None, here.getpeercert() or {}
        try:
            there.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as problem:
            return problem, {}


def days(seconds: float) -> str:
    """Return a time in whole days."""
    count = math.floor(seconds / _DAY_S)
    return f"{count} day" if count == 1 else f"{count} days"
