"""What was in force is said at each start, whole, comparable, and without a secret."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.config import ConfigError, Settings, load, masked
from streamer.emotion.model import ModelCard, locate
from streamer.emotion.model import load as load_model
from streamer.observing.audit import EVENT, append, digest, in_force
from tests.nodes import serve

AT = "2026-11-22T10:15:04.210Z"
TOML = """
node = "node-1"
[server]
tls_cert_file = "chain.pem"
tls_client_ca_file = "clients.pem"
[mqtt]
url = "mqtts://broker.example"
username = "streamer"
password_file = "/run/secrets/broker"
[outbox]
path = "/var/lib/streamer/outbox.sqlite"
max_age_s = 3600
[emotion]
analyse = ["customer", "agent"]
lawful_basis = "works agreement of 3 May"
require_notice = true
[privacy]
salt_file = "/run/secrets/salt"
[dialects.twilio]
labels = ["queue"]
token = "PLANTED-token"
[dialects.audiohook]
unsigned_keys = ["PLANTED-api-key"]
[[keys]]
id = "acme-twilio"
secret = "PLANTED-secret"
tenant = "acme"
dialects = ["twilio"]
[[keys]]
id = "PLANTED-api-key"
secret_file = "/run/secrets/hook"
dialects = ["audiohook"]
[[keys]]
id = "pbx"
certificate = "pbx.example"
max_calls = 3
"""


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return load_model(locate("telephone")).card


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "streamer.toml").write_text(TOML, encoding="utf-8")
    return load(tmp_path / "streamer.toml", {}, {})


def test_what_an_auditor_asks_for_is_there(settings: Settings, card: ModelCard) -> None:
    line = in_force(settings, card, "1.2.3")
    bounds = {"max_rows": 1_000_000, "max_age_s": 3600, "max_bytes": 2 * 2**30}
    expected: dict[str, Any] = {
        "version": "1.2.3",
        "node": "node-1",
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "analysed": ["customer", "agent"],
        "lawful_basis": "works agreement of 3 May",
        "require_notice": True,
        "labels": {"native": ["*"], "twilio": ["queue"]},
        "pseudonyms": "secret in the file /run/secrets/salt",
        "outbox": {"path": "/var/lib/streamer/outbox.sqlite"} | bounds,
        "broker": {"url": "mqtts://broker.example", "username": "streamer", "base": "emotion", "version": "5"},
        "broker_tls": True,
        "tls": "mutual",
    }
    assert {name: line[name] for name in expected} == expected
    assert [(key["id"], key["tenant"], key["dialects"], key["max_calls"]) for key in line["keys"]] == [
        ("acme-twilio", "acme", ["twilio"], 0),
        ("****", "default", ["audiohook"], 0),
        ("pbx", "default", ["all"], 3),
    ]
    assert json.loads(json.dumps(line)) == line


def test_no_secret_is_in_it(settings: Settings, card: ModelCard) -> None:
    assert "PLANTED" not in json.dumps(in_force(settings, card, "1"))


@pytest.mark.parametrize(
    ("flags", "who"),
    [
        ({}, "loopback"),
        ({"server.require_key": True}, "nobody"),
        ({"server.host": "0.0.0.0"}, "nobody"),
        ({"server.host": "0.0.0.0", "server.open": True}, "everybody"),
    ],
)
def test_it_says_who_comes_in_without_a_key(card: ModelCard, flags: dict[str, object], who: str) -> None:
    line = in_force(load(None, {}, flags), card, "1")
    assert (line["without_key"], line["tls"], line["broker_tls"]) == (who, "off", False)
    assert line["pseudonyms"] == "secret in the outbox's file"


def test_two_starts_that_were_set_alike_have_one_digest(settings: Settings, tmp_path: Path) -> None:
    again = tmp_path / "again.toml"
    again.write_text(TOML.replace("PLANTED-secret", "another").replace("PLANTED-token", "too"), encoding="utf-8")
    assert digest(settings) == digest(load(again, {}, {}))


OTHER = {"speech.hangover_ms": 401, "emotion.require_notice": False, "log.level": "debug", "node": "node-2"}


@pytest.mark.parametrize("key", OTHER)
def test_any_setting_that_differs_changes_it(settings: Settings, tmp_path: Path, key: str) -> None:
    assert digest(load(tmp_path / "streamer.toml", {}, {key: OTHER[key]})) != digest(settings)


@given(st.integers(0, 3_600_000), st.integers(0, 3_600_000))
def test_the_digest_is_one_exactly_where_the_settings_are(one_ms: int, other_ms: int) -> None:
    one, other = (load(None, {}, {"node": "n", "speech.hangover_ms": each}) for each in (one_ms, other_ms))
    assert (digest(one) == digest(other)) == (masked(one) == masked(other))


def test_the_file_keeps_every_start_and_is_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for version in ("1", "2"):
        append(str(path), {"version": version}, AT)
    lines = list(map(json.loads, path.read_text(encoding="utf-8").splitlines()))
    assert lines == [{"time": AT, "event": EVENT, "version": version} for version in ("1", "2")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_server_whose_audit_file_cannot_be_written_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"privacy\.audit_file: cannot write .*missing.*No such file"):
        append(str(tmp_path / "missing" / "audit.jsonl"), {}, AT)


async def test_a_start_is_in_the_file_and_in_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "audit.jsonl"
    async with serve(tmp_path, privacy__audit_file=str(path)):
        pass
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["configuration_sha256"] in capsys.readouterr().out
