"""The settings of a connection: what a URL may be, what contradicts itself, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.bus.settings import LinkError, MqttSettings, read_secrets
from tests.certificates import authority, locked, signed


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker", ("broker", 1883, False)),
        ("mqtt://broker:1234/", ("broker", 1234, False)),
        ("mqtts://broker", ("broker", 8883, True)),
        ("mqtt://[::1]:1883", ("::1", 1883, False)),
    ],
)
def test_a_url_is_host_port_and_tls(url: str, address: tuple[str, int, bool]) -> None:
    assert MqttSettings(url).address() == address


@pytest.mark.parametrize(
    "url", ["", "broker", "broker:1883", "http://broker", "ws://broker", "mqtt://", "mqtt://b/topic", "mqtt://b:port"]
)
def test_a_url_of_another_form_is_refused_with_the_right_form(url: str) -> None:
    with pytest.raises(LinkError, match="expected mqtt://host:1883"):
        MqttSettings(url).address()


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(LinkError, match=r"use mqtt\.username and mqtt\.password_file") as refused:
        MqttSettings("mqtt://me:hunter2@broker").address()
    assert "hunter2" not in str(refused.value)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(LinkError, match="speaks no TLS"):
        MqttSettings("mqtt://broker", ca_file="ca.pem").address()
    with pytest.raises(LinkError, match=r"without mqtt\.username"):
        MqttSettings("mqtt://broker", password_file="secret").address()
    for files in ({"cert_file": "a"}, {"cert_file": "a", "key_file": "b"}):
        with pytest.raises(LinkError, match=r"mqtt\.cert_file: is set, but mqtt\.url speaks no TLS"):
            MqttSettings("mqtt://broker", **files).address()
    with pytest.raises(LinkError, match=r"mqtt\.key_file: is set without mqtt\.cert_file"):
        MqttSettings("mqtts://broker", key_file="b").address()


def test_the_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    for content in ("hunter2", "hunter2\n", "hunter2\r\nsecond line\n"):
        secret.write_bytes(content.encode())
        assert read_secrets(MqttSettings(username="me", password_file=str(secret)), tls=False).password == "hunter2"


def test_without_files_there_are_no_secrets() -> None:
    secrets = read_secrets(MqttSettings(), tls=False)
    assert secrets.password is None
    assert secrets.tls is None


def test_a_password_file_that_is_missing_is_named(tmp_path: Path) -> None:
    settings = MqttSettings(username="me", password_file=str(tmp_path / "none"))
    with pytest.raises(LinkError, match=r"mqtt\.password_file: cannot read .*none"):
        read_secrets(settings, tls=False)


def test_an_authority_file_that_is_none_is_named(tmp_path: Path) -> None:
    not_pem = tmp_path / "ca.pem"
    not_pem.write_text("no certificate")
    with pytest.raises(LinkError, match=r"mqtt\.ca_file: .*ca\.pem holds no certificate in PEM"):
        read_secrets(MqttSettings("mqtts://127.0.0.1", ca_file=str(not_pem)), tls=True)


def test_a_certificate_of_our_own_is_read_from_two_files_or_from_one_and_each_wrong_one_is_named(
    tmp_path: Path,
) -> None:
    ca = authority(tmp_path, "ca")
    ours, other = signed(ca, tmp_path, "node-1"), signed(ca, tmp_path, "node-2")
    both, none = tmp_path / "both.pem", tmp_path / "none.pem"
    both.write_bytes(ours.cert.read_bytes() + ours.key.read_bytes())

    def read(cert: Path, key: Path | None = None) -> None:
        files = {"ca_file": str(ca.cert), "cert_file": str(cert), "key_file": str(key or "")}
        assert read_secrets(MqttSettings("mqtts://127.0.0.1", **files), tls=True).tls is not None

    read(ours.cert, ours.key)
    read(both)
    for files, words in {
        (none, ours.key): r"^mqtt\.cert_file: cannot read .*none\.pem",
        (ours.cert, none): r"^mqtt\.key_file: cannot read .*none\.pem",
        (ours.cert, other.key): r"^mqtt\.key_file: .* is not that of the certificate",
        (ours.cert, locked(ours, "hunter2")): r"^mqtt\.key_file: .* is encrypted",
        (ours.cert, None): r"^mqtt\.cert_file: .* holds no private key",
    }.items():
        with pytest.raises(LinkError, match=words):
            read(*files)
