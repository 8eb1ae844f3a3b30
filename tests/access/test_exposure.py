"""What must not be within reach of others: open ports are refused, readable secrets are said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamer.access import exposure
from streamer.access.exposure import readable_secrets, refuse_open_ports
from streamer.config import ConfigError, Settings, load

HERE = ["127.0.0.1", "127.8.8.8", "::1", "localhost", "::ffff:127.0.0.1"]
BEYOND = ["0.0.0.0", "::", "", "10.0.0.5", "2001:db8::5", "::ffff:10.0.0.5", "calls.example.com", "0", "127.1", "*"]
KEY = {"id": "crm", "secret": "of-the-crm"}
PBX = {"id": "pbx", "certificate": "pbx.example.com"}
MUTUAL = {"server__tls_cert_file": "c", "server__tls_client_ca_file": "c"}


def settings(**flags: Any) -> Settings:
    return load(None, {}, {name.replace("__", "."): value for name, value in flags.items()})


def refused(**flags: Any) -> str:
    with pytest.raises(ConfigError) as problem:
        refuse_open_ports(settings(**flags))
    return str(problem.value)


@pytest.mark.parametrize("host", HERE)
def test_on_this_machine_nothing_is_asked(host: str) -> None:
    refuse_open_ports(settings(server__host=host, dialects__audiosocket__port=8766))


@pytest.mark.parametrize("host", BEYOND)
def test_everywhere_else_a_server_without_a_key_does_not_start_and_says_the_ways_out(host: str) -> None:
    said = refused(server__host=host)
    assert said.startswith(f"server.host: {host!r} ")
    assert all(way in said for way in ("[[keys]]", "127.0.0.1", "server.open = true"))


@pytest.mark.parametrize(
    "flags",
    [
        {"server__open": True},
        {"keys": [KEY]},
        {"dialects__plivo__token": "x"},
        {"dialects__plivo__token_file": "x"},
        {"dialects__exotel__auth": "token", "dialects__exotel__token": "x"},
        {"dialects__exotel__auth": "proxy"},
    ],
)
@pytest.mark.parametrize("host", BEYOND)
def test_it_starts_where_something_lets_in_or_it_is_said_in_so_many_words(host: str, flags: dict[str, Any]) -> None:
    refuse_open_ports(settings(server__host=host, **flags))


@pytest.mark.parametrize(
    "flags",
    [
        {"server__require_key": True},
        {"dialects__plivo__token": "x", "dialects__plivo__auth": "basic"},
        {"dialects__exotel__token": "x"},
        {"dialects__twilio__token": "x"},
        {"dialects__audiosocket__port": 8766, "dialects__audiosocket__allow": ["10.0.0.5"]},
    ],
)
def test_what_lets_nobody_in_by_itself_is_no_key(flags: dict[str, Any]) -> None:
    assert refused(server__host="0.0.0.0", **flags).startswith("server.host")


@pytest.mark.parametrize("host", [host for host in BEYOND if host])
@pytest.mark.parametrize("is_open", [True, False])
def test_audiosocket_beyond_this_machine_needs_its_list_also_where_the_server_is_open(host: str, is_open: bool) -> None:
    flags = {"server__open": is_open, "dialects__audiosocket__host": host, "dialects__audiosocket__port": 8766}
    said = refused(**flags)
    assert said.startswith(f"dialects.audiosocket.host: {host!r} ")
    assert "dialects.audiosocket.allow" in said
    refuse_open_ports(settings(**flags | {"dialects__audiosocket__port": 0}))
    refuse_open_ports(settings(**flags | {"dialects__audiosocket__allow": ["10.0.0.5"]}))


def test_audiosocket_without_a_host_of_its_own_goes_by_the_servers() -> None:
    assert refused(server__host="::", keys=[KEY], dialects__audiosocket__port=8766).startswith("dialects.audiosocket")


def test_for_audiosocket_a_certificate_is_enough_where_tls_asks_for_one() -> None:
    flags = {"dialects__audiosocket__host": "0.0.0.0", "dialects__audiosocket__port": 8766, "keys": [PBX], **MUTUAL}
    refused(**flags)
    refuse_open_ports(settings(dialects__audiosocket__tls=True, **flags))


def test_each_file_with_a_secret_that_others_may_read_is_said_and_none_that_they_may_not(tmp_path: Path) -> None:
    names = ["key", "password", "salt", "secret", "token", "broker-key"]
    files = {name: tmp_path / name for name in names}
    for path in files.values():
        path.write_text("hunter2\n", encoding="utf-8")
        path.chmod(0o640)
    config = tmp_path / "streamer.toml"
    config.write_text("", encoding="utf-8")
    config.chmod(0o600)
    flags = {
        "server__tls_cert_file": "c",
        "server__tls_key_file": str(files["key"]),
        "mqtt__password_file": str(files["password"]),
        "mqtt__cert_file": "c",
        "mqtt__key_file": str(files["broker-key"]),
        "privacy__salt_file": str(files["salt"]),
        "dialects__twilio__token_file": str(files["token"]),
        "keys": [KEY, {"id": "a", "secret_file": str(files["secret"])}],
    }
    found = settings(**flags)
    assert readable_secrets(found, config) == []
    for path in (*files.values(), config):
        mode = path.stat().st_mode
        path.chmod(0o644)
        (said,) = readable_secrets(found, config)
        assert str(path) in said
        assert "mode 0644" in said
        assert "hunter2" not in said
        path.chmod(mode)


def test_a_key_in_the_certificates_file_counts_and_a_file_that_is_not_there_is_anothers_business(
    tmp_path: Path,
) -> None:
    both = tmp_path / "both.pem"
    both.write_text("", encoding="utf-8")
    both.chmod(0o604)
    assert len(readable_secrets(settings(server__tls_cert_file=str(both)), None)) == 1
    assert len(readable_secrets(settings(mqtt__cert_file=str(both)), None)) == 1
    assert readable_secrets(settings(privacy__salt_file=str(tmp_path / "none")), None) == []


def test_a_configuration_without_a_secret_may_be_read_by_all(tmp_path: Path) -> None:
    config = tmp_path / "streamer.toml"
    config.write_text("", encoding="utf-8")
    config.chmod(0o644)
    assert readable_secrets(settings(), config) == []
    assert len(readable_secrets(settings(dialects__plivo__token="x"), config)) == 1


def test_where_files_have_no_mode_that_means_something_none_is_held_against_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "streamer.toml"
    config.write_text("", encoding="utf-8")
    config.chmod(0o644)
    monkeypatch.setattr(exposure, "_HAS_MODES", False)
    assert readable_secrets(settings(dialects__plivo__token="x"), config) == []
