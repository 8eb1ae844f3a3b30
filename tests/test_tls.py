"""TLS of the listener: what may stand in the files, and what is said where something else does."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

import pytest

from streamer.config import ConfigError, ServerSettings
from streamer.tls import client_certificate, server_context
from tests.certificates import Pair, authority, client_context, locked, signed


class Files(NamedTuple):
    """Certificates that all tests of this file share."""

    ca: Pair
    server: Pair
    client: Pair


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    ca = authority(folder, "ca")
    return Files(ca, signed(ca, folder, "calls.example.com"), signed(ca, folder, "pbx.example.com"))


def settings(cert: Path, key: Path | None = None, ca: Path | None = None) -> ServerSettings:
    return ServerSettings(
        tls_cert_file=str(cert), tls_key_file=str(key or ""), tls_client_ca_file=str(ca) if ca else ""
    )


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """Shake hands in memory; return the server's side."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
    ]
    waiting = list(ends)
    for _ in range(10):
        for end in tuple(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    return ends[0]


def test_without_a_certificate_there_is_no_tls() -> None:
    assert server_context(ServerSettings()) is None
    assert client_certificate(None) is None


def test_a_certificate_and_its_key_make_tls_that_asks_nobody_for_a_certificate(files: Files) -> None:
    context = server_context(settings(*files.server))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_certificate(shaken(context, client_context(files.ca, files.client))) is None


def test_both_may_stand_in_one_file(files: Files, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(files.server.key.read_bytes() + files.server.cert.read_bytes())
    context = server_context(settings(both))
    assert context is not None
    shaken(context, client_context(files.ca))


def test_a_client_is_known_by_fingerprint_and_name(files: Files) -> None:
    context = server_context(settings(*files.server, files.ca.cert))
    assert context is not None
    found = client_certificate(shaken(context, client_context(files.ca, files.client)))
    assert found is not None
    assert (found.fingerprint, found.common_name) == (files.client.fingerprint, "pbx.example.com")


def test_where_authorities_are_named_who_shows_no_certificate_or_anothers_stays_out(
    files: Files, tmp_path: Path
) -> None:
    context = server_context(settings(*files.server, files.ca.cert))
    assert context is not None
    stranger = signed(authority(tmp_path, "other-ca"), tmp_path, "pbx.example.com")
    for shows in (None, stranger):
        with pytest.raises(ssl.SSLError):
            shaken(context, client_context(files.ca, shows))


def test_what_is_wrong_with_a_file_is_said_with_its_name(files: Files, tmp_path: Path) -> None:
    text, broken, none = tmp_path / "text.pem", tmp_path / "broken.pem", tmp_path / "none.pem"
    text.write_text("hello\n", encoding="utf-8")
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", encoding="utf-8")
    cert, key = files.server
    for wrong, names in {
        settings(none, key): ("tls_cert_file", str(none), "No such file"),
        settings(tmp_path, key): ("tls_cert_file", str(tmp_path), "directory"),
        settings(text, key): ("tls_cert_file", str(text), "no certificate"),
        settings(cert, none): ("tls_key_file", str(none), "No such file"),
        settings(cert, text): ("tls_key_file", str(text), "no private key"),
        settings(cert): ("tls_cert_file", str(cert), "no private key"),
        settings(cert, files.client.key): ("tls_key_file", str(files.client.key), "is not that of the certificate"),
        settings(cert, locked(files.server, "hunter2")): ("tls_key_file", "encrypted"),
        settings(broken, key): ("tls_cert_file", str(broken)),
        settings(cert, key, none): ("tls_client_ca_file", str(none), "No such file"),
        settings(cert, key, text): ("tls_client_ca_file", str(text), "no certificate"),
        settings(cert, key, broken): ("tls_client_ca_file", str(broken), "cannot be read"),
    }.items():
        with pytest.raises(ConfigError) as caught:
            server_context(wrong)
        assert [name for name in names if name not in str(caught.value)] == []
        assert "\n" not in str(caught.value)
