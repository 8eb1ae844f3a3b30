"""TLS of the listener: what may stand in the files, and what is said where something else does."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streamer.access import tls as tls_module
from streamer.access.pem import PemFile, expires_s
from streamer.access.tls import ServerTls, client_certificate, server_context
from streamer.config import ConfigError, ServerSettings
from streamer.metrics import Metrics
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


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


class Kept:
    """A server's TLS on files of its own, which a test may change."""

    def __init__(self, folder: Path, files: Files) -> None:
        self.cert, self.key, self.ca = folder / "cert.pem", folder / "key.pem", folder / "clients.pem"
        self.write(files.server, files.ca)
        self.metrics = Metrics(CollectorRegistry())
        self.clock = Clock()
        self.clock.now_s = expires_s(PemFile("", str(files.server.cert))) - 40 * 86_400
        self.tls = ServerTls(settings(self.cert, self.key, self.ca), self.metrics, wall_s=self.clock)

    def write(self, pair: Pair, ca: Pair) -> None:
        for path, source in ((self.cert, pair.cert), (self.key, pair.key), (self.ca, ca.cert)):
            new = path.with_suffix(".new")
            new.write_bytes(source.read_bytes())
            new.replace(path)

    def shows(self, client: ssl.SSLContext) -> None:
        assert self.tls.context is not None
        shaken(self.tls.context, client)

    def reloads(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("streamer_tls_reloads_total", {"outcome": outcome}) or 0


@pytest.fixture
def kept(tmp_path: Path, files: Files) -> Kept:
    return Kept(tmp_path, files)


def test_files_that_changed_are_used_by_the_next_handshake_authorities_included(
    kept: Kept, files: Files, tmp_path: Path
) -> None:
    kept.shows(client_context(files.ca, files.client))
    other_ca = authority(tmp_path, "other-ca")
    renewed, client = signed(other_ca, tmp_path, "renewed"), signed(other_ca, tmp_path, "client")
    kept.write(renewed, other_ca)
    kept.shows(client_context(files.ca, files.client))
    kept.tls.look()
    kept.shows(client_context(other_ca, client))
    with pytest.raises(ssl.SSLError):
        kept.shows(client_context(other_ca, files.client))
    assert kept.reloads("done") == 1
    kept.tls.look()
    assert kept.reloads("done") == 1


def test_a_call_that_is_on_keeps_the_tls_it_has(kept: Kept, files: Files, tmp_path: Path) -> None:
    assert kept.tls.context is not None
    before = shaken(kept.tls.context, client_context(files.ca, files.client))
    other_ca = authority(tmp_path, "other-ca")
    kept.write(signed(other_ca, tmp_path, "renewed"), other_ca)
    kept.tls.look()
    with pytest.raises(ssl.SSLWantReadError):  # nothing to read yet, and nothing broken
        before.read(1)


def test_a_new_file_that_is_broken_is_said_once_and_the_former_stays_in_force(
    kept: Kept, files: Files, tmp_path: Path
) -> None:
    kept.key.write_bytes(files.client.key.read_bytes())
    with capture_logs() as logs:
        kept.tls.look()
        kept.tls.look()
    (line,) = logs
    assert line["log_level"] == "error"
    assert "is not that of the certificate" in line["problem"]
    kept.shows(client_context(files.ca, files.client))
    kept.key.unlink()
    kept.tls.look()
    assert (kept.reloads("failed"), kept.reloads("done")) == (2, 0)
    kept.write(signed(files.ca, tmp_path, "renewed"), files.ca)
    kept.tls.look()
    assert kept.reloads("done") == 1


def test_the_end_of_the_certificate_is_a_metric_and_a_warning_a_day_below_thirty_days(kept: Kept) -> None:
    end_s = kept.metrics.registry.get_sample_value("streamer_tls_certificate_expiry_timestamp_seconds")
    assert end_s == kept.clock.now_s + 40 * 86_400

    def warnings(days_left: float) -> list[tuple[str, int]]:
        kept.clock.now_s = end_s - days_left * 86_400
        with capture_logs() as logs:
            kept.tls.look()
        return [(line["event"], line["days_left"]) for line in logs]

    assert warnings(30) == []
    assert warnings(29.5) == [("the TLS certificate runs out soon", 29)]
    assert warnings(29) == []
    assert warnings(28.5) == [("the TLS certificate runs out soon", 28)]
    assert warnings(-0.5) == [("the TLS certificate has run out", -1)]


def test_at_the_start_a_certificate_near_its_end_is_warned_of_and_one_with_time_is_not(files: Files) -> None:
    end_s = expires_s(PemFile("", str(files.server.cert)))
    for left_s, lines in ((31 * 86_400, 0), (86_400, 1)):
        with capture_logs() as logs:
            ServerTls(settings(*files.server), Metrics(CollectorRegistry()), wall_s=lambda left=left_s: end_s - left)
        assert len(logs) == lines


def test_without_a_certificate_there_is_nothing_to_look_after() -> None:
    tls = ServerTls(ServerSettings(), Metrics(CollectorRegistry()))
    tls.look()
    assert tls.context is None


async def test_the_files_are_looked_at_again_and_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_module, "LOOK_S", 0.0)
    looks: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(kept.tls, "look", lambda: loop.call_soon_threadsafe(looks.put_nowait, None))
    running = asyncio.create_task(kept.tls.run())
    await looks.get()
    await looks.get()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
