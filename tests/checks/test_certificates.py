"""The server's certificate, as clients will see it."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from streamer.access.pem import PemError, PemFile, client_context
from streamer.checks import certificates
from streamer.checks.certificates import check, days, shake
from streamer.checks.outcome import Level, Outcome
from streamer.config import ServerSettings
from tests.certificates import Pair, authority, dated, signed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def root(folder: Path) -> Pair:
    return authority(folder, "root", days=400)


def found(pair: Pair, public_url: str = "") -> Outcome:
    server = ServerSettings(tls_cert_file=str(pair.cert), tls_key_file=str(pair.key), public_url=public_url)
    (outcome,) = check(server, time.time())
    return outcome


@pytest.fixture
def system_trusts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the system trust an authority of the test's."""

    def trust(root: Pair) -> None:
        def context(authorities: PemFile | None) -> ssl.SSLContext:
            return client_context(authorities or PemFile("system", str(root.cert)))

        monkeypatch.setattr(certificates, "client_context", context)

    return trust


def test_without_a_certificate_there_is_nothing_to_look_at() -> None:
    (outcome,) = check(ServerSettings(), time.time())
    assert outcome.ok
    assert "ends before this server" in outcome.says


def test_one_that_clients_believe_is_well(folder: Path, root: Pair, system_trusts: Any) -> None:
    system_trusts(root)
    pair = signed(root, folder, "good", days=90)
    outcome = found(pair, "wss://127.0.0.1:8765")
    assert outcome.level is Level.OK
    assert outcome.says.startswith("good for 127.0.0.1, chain complete, 89 days left")
    assert "server.public_url is not set" in found(pair).says


def test_one_that_runs_out_soon_is_warned_of(folder: Path, root: Pair, system_trusts: Any) -> None:
    system_trusts(root)
    outcome = found(signed(root, folder, "soon", days=20), "wss://127.0.0.1")
    assert outcome.level is Level.WARN
    assert "but only 19 days left: renew" in outcome.says


def test_one_for_another_host_is_wrong(folder: Path, root: Pair) -> None:
    pair = signed(root, folder, "here", good_for="DNS:calls.example.com")
    outcome = found(pair, "wss://voice.example.com/twilio")
    assert outcome.level is Level.WRONG
    assert "is not for voice.example.com, the host of server.public_url" in outcome.says
    assert "is not for" not in found(pair, "wss://calls.example.com").says


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [
        ("20200101000000Z", "20200201000000Z", "ran out"),
        ("20900101000000Z", "20910201000000Z", "is not valid yet: check this machine's clock"),
    ],
)
def test_one_of_another_time_is_wrong(folder: Path, root: Pair, begins: str, ends: str, words: str) -> None:
    outcome = found(dated(root, folder, f"of-{begins}", begins, ends), "wss://127.0.0.1")
    assert outcome.level is Level.WRONG
    assert words in outcome.says


def test_a_private_authority_is_warned_of(folder: Path, root: Pair) -> None:
    outcome = found(signed(root, folder, "private", days=90), "wss://127.0.0.1")
    assert outcome.level is Level.WARN
    assert "platforms on the internet will refuse it" in outcome.says


def test_a_certificate_without_its_chain_is_wrong_where_its_authority_publishes_one(
    folder: Path, root: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = shake

    def published(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> Any:
        problem, seen = honest(server, client, name)
        return problem, {**seen, "caIssuers": ("http://example.com/intermediate.der",)}

    monkeypatch.setattr(certificates, "shake", published)
    pair = signed(root, folder, "alone", days=90)
    outcome = found(pair)
    assert outcome.level is Level.WRONG
    assert "without those between it and its authority" in outcome.says
    chain = Pair(folder / "chain.pem", pair.key)
    chain.cert.write_bytes(pair.cert.read_bytes() + root.cert.read_bytes())
    assert found(chain).level is Level.WARN


def test_one_that_the_library_refuses_for_another_reason_is_wrong(
    folder: Path, root: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = ssl.SSLError(1, "no")
    problem.reason = "EE_KEY_TOO_SMALL"
    monkeypatch.setattr(certificates, "shake", lambda *_: (problem, {}))
    outcome = found(signed(root, folder, "odd", days=90))
    assert outcome.level is Level.WRONG
    assert "clients will refuse it (EE_KEY_TOO_SMALL)" in outcome.says


def test_a_client_that_speaks_nothing_the_server_does_is_no_endless_loop(folder: Path, root: Pair) -> None:
    pair = signed(root, folder, "modern")
    server = certificates.context(ServerSettings(tls_cert_file=str(pair.cert), tls_key_file=str(pair.key)))
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    client = client_context(PemFile("x", str(root.cert)))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    problem, _ = shake(server, client, "")
    assert problem is not None


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(PemError, match=r"server\.tls_cert_file: cannot read none\.pem"):
        check(ServerSettings(tls_cert_file="none.pem"), time.time())


def test_key_and_certificate_may_be_one_file(folder: Path, root: Pair) -> None:
    pair = signed(root, folder, "both", days=90)
    both = folder / "both-in-one.pem"
    both.write_bytes(pair.cert.read_bytes() + pair.key.read_bytes())
    (outcome,) = check(ServerSettings(tls_cert_file=str(both)), time.time())
    assert outcome.level is Level.WARN


def test_days_are_whole() -> None:
    assert [days(hours * 3600) for hours in (0, 23, 24, 47, 48)] == ["0 days", "0 days", "1 day", "1 day", "2 days"]
