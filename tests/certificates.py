"""Certificates of the tests' own, made by the program `openssl`; skips where there is none.

Nothing here is a secret: each test run makes its own and throws them away.
"""

from __future__ import annotations

import hashlib
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Pair(NamedTuple):
    """A certificate and its private key, as PEM files."""

    cert: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as hexadecimal digits."""
        der = ssl.PEM_cert_to_DER_cert(self.cert.read_text(encoding="ascii"))
        return hashlib.sha256(der).hexdigest()


def authority(folder: Path, name: str, days: int = 2) -> Pair:
    """Make an authority that signs others, good for so many days."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    # Said in so many words because clients of Python 3.13 and later insist on it (VERIFY_X509_STRICT).
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    _openssl(
        "req", "-x509", *_new_key(pair), "-subj", f"/CN={name}", *usage, "-days", str(days), "-out", str(pair.cert)
    )
    return pair


def signed(by: Pair, folder: Path, name: str, days: int = 2, good_for: str = "IP:127.0.0.1") -> Pair:
    """Make a certificate with that common name, good for one name and so many days, as server and as client."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(
        f"subjectAltName={good_for}\nbasicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
        encoding="ascii",
    )
    _openssl("req", *_new_key(pair), "-subj", f"/CN={name}", "-out", str(request))
    issuer = ["-CA", str(by.cert), "-CAkey", str(by.key), "-set_serial", str(len(list(folder.iterdir())))]
    _openssl(
        "x509",
        "-req",
        "-in",
        str(request),
        *issuer,
        "-days",
        str(days),
        "-extfile",
        str(extensions),
        "-out",
        str(pair.cert),
    )
    return pair


def dated(by: Pair, folder: Path, name: str, begins: str, ends: str) -> Pair:
    """Make a certificate good for 127.0.0.1 between two times (20200131000000Z), which may both be past or to come."""
    pair = signed(by, folder, name)
    (folder / "index.txt").write_text("", encoding="ascii")
    config = folder / "ca.conf"
    config.write_text(
        "[ca]\ndefault_ca = it\n[it]\npolicy = any\ndefault_md = sha256\nrand_serial = yes\nunique_subject = no\n"
        f"database = {folder / 'index.txt'}\nnew_certs_dir = {folder}\n[any]\ncommonName = supplied\n",
        encoding="utf-8",
    )
    authority_files = ["-cert", str(by.cert), "-keyfile", str(by.key), "-extfile", str(folder / f"{name}.ext")]
    times = ["-startdate", begins, "-enddate", ends]
    request, made = str(folder / f"{name}.csr"), str(pair.cert)
    _openssl("ca", "-batch", "-notext", "-config", str(config), *authority_files, *times, "-in", request, "-out", made)
    return pair


def locked(pair: Pair, password: str) -> Path:
    """Return the same key, encrypted."""
    path = pair.key.with_suffix(".locked")
    _openssl("pkcs8", "-topk8", "-in", str(pair.key), "-passout", f"pass:{password}", "-out", str(path))
    return path


def client_context(trusts: Pair, shows: Pair | None = None) -> ssl.SSLContext:
    """Return what a client does TLS with."""
    context = ssl.create_default_context(cafile=trusts.cert)
    if shows is not None:
        context.load_cert_chain(shows.cert, shows.key)
    return context


def _new_key(pair: Pair) -> list[str]:
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(pair.key)]


def _openssl(*arguments: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the program openssl (Debian: apt-get install openssl)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
