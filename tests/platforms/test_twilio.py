"""Twilio is let in by its signature and by nothing else."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import pytest

from streamer.auth import Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import ConfigError, Settings, load
from streamer.platforms.twilio import PLATFORM
from streamer.wire.events import Fault, Role, Start
from streamer.wire.twilio_signature import signature

ACME = Key(id="acme", secret="acme-secret", tenant="acme", dialects=("native",))
TWILIO = Key(id="tw", secret="auth-token", tenant="shop", dialects=("twilio",))


def upgrade(**headers: str) -> Upgrade:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Upgrade(dialect="twilio", target="/twilio", headers={"host": "calls.example.com", **named})


def decide(ring: Keyring, **headers: str) -> Pass | Refusal:
    return PLATFORM.gate(ring, Settings())(upgrade(**headers))


def test_without_any_key_everybody_comes_in_on_loopback_and_nobody_elsewhere() -> None:
    assert decide(Keyring((), key_needed=False)) == Pass(tenant="default", key_id="")
    assert isinstance(decide(Keyring((), key_needed=True)), Refusal)


@pytest.mark.parametrize("key_needed", [True, False])
def test_it_is_let_in_by_its_signature_and_by_nothing_else(key_needed: bool) -> None:
    ring = Keyring((TWILIO,), key_needed=key_needed, public_url="wss://public.example.com")
    right = signature("auth-token", "wss://public.example.com/twilio")
    assert decide(ring, x_twilio_signature=right) == Pass(tenant="shop", key_id="tw")
    for headers in (
        {},
        {"x_twilio_signature": ""},
        {"x_twilio_signature": "AAAA"},
        {"x_twilio_signature": signature("auth-token", "wss://calls.example.com/twilio")},
        {"x_twilio_signature": signature("other", "wss://public.example.com/twilio")},
        {"x_twilio_signature": right, "x_twilio_webhooks_signature_settings": "algorithm=MD5"},
        {"authorization": "Bearer auth-token"},
    ):
        refusal = decide(ring, **headers)
        assert isinstance(refusal, Refusal)
        assert refusal.status is HTTPStatus.FORBIDDEN


def test_a_key_without_dialects_opens_it_too() -> None:
    ring = Keyring((Key(id="k", secret="s", tenant="t", dialects=()),), key_needed=True)
    signed = signature("s", "wss://calls.example.com/twilio")
    assert decide(ring, x_twilio_signature=signed) == Pass(tenant="t", key_id="k")


def test_a_key_without_a_secret_signs_nothing() -> None:
    by_certificate = Key(id="k", secret="", tenant="t", dialects=(), certificate="pbx")
    ring = Keyring((by_certificate, TWILIO), key_needed=True)
    forged = signature("", "wss://calls.example.com/twilio")
    assert isinstance(decide(ring, x_twilio_signature=forged), Refusal)


def test_forwarded_headers_are_not_believed() -> None:
    forged = signature("auth-token", "wss://evil.example.com/twilio")
    refusal = decide(
        Keyring((TWILIO,), key_needed=True), x_twilio_signature=forged, x_forwarded_host="evil.example.com"
    )
    assert isinstance(refusal, Refusal)


def test_elsewhere_without_a_key_in_the_configuration_it_is_refused() -> None:
    refusal = decide(Keyring((ACME,), key_needed=True), x_twilio_signature="x")
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "missing"


def test_what_the_configuration_says_reaches_the_dialect(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("c0ffee\n", encoding="utf-8")
    settings = load(
        None,
        {},
        {
            "dialects.twilio.token_file": str(tmp_path / "token"),
            "dialects.twilio.roles": {"inbound": "agent", "outbound": "customer"},
            "dialects.twilio.labels": ["queue"],
        },
    )
    make = PLATFORM.reader(settings)

    def begin(token: str) -> object:
        (event,) = make(upgrade()).receive(
            '{"event":"start","streamSid":"MZ1","start":{"callSid":"CA1","tracks":["inbound","outbound"],'
            '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
            f'"customParameters":{{"token":"{token}","queue":"sales","name":"x"}}}}}}'
        )
        return event

    started = begin("c0ffee")
    assert isinstance(started, Start)
    assert (started.roles, started.labels) == ((Role.AGENT, Role.CUSTOMER), {"queue": "sales"})
    assert isinstance(begin("guessed"), Fault)


def test_a_token_that_cannot_be_read_is_said_when_the_server_starts(tmp_path: Path) -> None:
    settings = load(None, {}, {"dialects.twilio.token_file": str(tmp_path / "none")})
    with pytest.raises(ConfigError, match=r"dialects\.twilio\.token_file"):
        PLATFORM.reader(settings)


def test_its_limits_are_its_own() -> None:
    settings = load(None, {}, {"dialects.twilio.ping_interval_s": 0, "dialects.twilio.max_message_bytes": 2000})
    assert (PLATFORM.ping_interval_s(settings), PLATFORM.max_message_bytes(settings)) == (0, 2000)


def test_a_stranger_with_an_account_there_cannot_lock_us_out() -> None:
    assert PLATFORM.shared_addresses
