"""What outputs that speak to another machine share: what counts as this machine, and whom TLS trusts.

Nothing here may switch a check of certificates off.
"""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path

from streamer_client.alerts.tables import KeyProblem


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address, as it is written, can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return what to do TLS with, as a client; `ca_file` names an authority that the system does not know.

    Raises
    ------
    KeyProblem
        The file is not there, or holds no certificate.
    """
    if ca_file and not Path(ca_file).is_file():
        raise KeyProblem("ca_file", f"there is no file {ca_file}")
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as problem:
        raise KeyProblem("ca_file", f"cannot read a certificate in PEM from {ca_file}") from problem
