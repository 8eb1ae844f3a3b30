"""Who may connect: keys, signatures, and the rule of who needs one."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from streamer.auth import Key, Keyring, Pass, Refusal, Upgrade, is_loopback
from streamer.config import load
from streamer.wire.twilio_signature import signature

ACME = Key(id="acme", secret="acme-secret", tenant="acme", dialects=("native",))
TWILIO = Key(id="tw", secret="auth-token", tenant="shop", dialects=("twilio",))


def native(**headers: str) -> Upgrade:
    return Upgrade(dialect="native", target="/v1/stream", headers=headers)


def twilio(**headers: str) -> Upgrade:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Upgrade(dialect="twilio", target="/twilio", headers={"host": "calls.example.com", **named})


def test_on_loopback_no_key_is_needed() -> None:
    ring = Keyring((ACME,), key_needed=False)
    assert ring.decide(native()) == Pass(tenant="default", key_id="")
    assert Keyring((), key_needed=False).decide(twilio()) == Pass(tenant="default", key_id="")


def test_elsewhere_a_key_is_needed() -> None:
    ring = Keyring((ACME,), key_needed=True)
    refusal = ring.decide(native())
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.reason) == (HTTPStatus.UNAUTHORIZED, "missing")
    assert isinstance(Keyring((ACME,), key_needed=True).decide(twilio()), Refusal)


def test_the_right_key_opens_as_its_tenant() -> None:
    ring = Keyring((TWILIO, ACME), key_needed=True)
    assert ring.decide(native(authorization="Bearer acme-secret")) == Pass(tenant="acme", key_id="acme")
    assert ring.decide(native(authorization="bearer  acme-secret")) == Pass(tenant="acme", key_id="acme")


@pytest.mark.parametrize("key_needed", [True, False])
@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer ", "Bearer auth-token", "Basic acme-secret", "acme-secret"])
def test_a_key_that_is_presented_must_be_right_even_where_none_is_needed(value: str, key_needed: bool) -> None:
    refusal = Keyring((TWILIO, ACME), key_needed=key_needed).decide(native(authorization=value))
    assert isinstance(refusal, Refusal)
    assert refusal.status is HTTPStatus.UNAUTHORIZED
    assert "acme-secret" not in refusal.message
    assert "auth-token" not in refusal.message


def test_a_key_without_dialects_opens_all() -> None:
    ring = Keyring((Key(id="k", secret="s", tenant="t", dialects=()),), key_needed=True)
    assert isinstance(ring.decide(native(authorization="Bearer s")), Pass)
    signed = signature("s", "wss://calls.example.com/twilio")
    assert isinstance(ring.decide(twilio(x_twilio_signature=signed)), Pass)


@pytest.mark.parametrize("key_needed", [True, False])
def test_twilio_is_let_in_by_its_signature_and_by_nothing_else(key_needed: bool) -> None:
    ring = Keyring((TWILIO,), key_needed=key_needed, public_url="wss://public.example.com")
    right = signature("auth-token", "wss://public.example.com/twilio")
    assert ring.decide(twilio(x_twilio_signature=right)) == Pass(tenant="shop", key_id="tw")
    for headers in (
        {},
        {"x_twilio_signature": ""},
        {"x_twilio_signature": "AAAA"},
        {"x_twilio_signature": signature("auth-token", "wss://calls.example.com/twilio")},
        {"x_twilio_signature": signature("other", "wss://public.example.com/twilio")},
        {"x_twilio_signature": right, "x_twilio_webhooks_signature_settings": "algorithm=MD5"},
        {"authorization": "Bearer auth-token"},
    ):
        refusal = ring.decide(twilio(**headers))
        assert isinstance(refusal, Refusal)
        assert refusal.status is HTTPStatus.FORBIDDEN


def test_forwarded_headers_are_not_believed() -> None:
    ring = Keyring((TWILIO,), key_needed=True)
    forged = signature("auth-token", "wss://evil.example.com/twilio")
    refusal = ring.decide(twilio(x_twilio_signature=forged, x_forwarded_host="evil.example.com"))
    assert isinstance(refusal, Refusal)


def test_twilio_elsewhere_without_a_key_in_the_configuration_is_refused() -> None:
    refusal = Keyring((ACME,), key_needed=True).decide(twilio(x_twilio_signature="x"))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "missing"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("192.168.1.2", False), ("example.com", False), ("", False)],
)  # fmt: skip
def test_loopback_is_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_ring_follows_the_configuration(tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-file\n", encoding="utf-8")
    config = tmp_path / "streamer.toml"
    config.write_text(
        f'[server]\nhost = "0.0.0.0"\n[[keys]]\nid = "a"\nsecret_file = "{secret}"\ntenant = "acme"\n', encoding="utf-8"
    )
    ring = Keyring.of(load(config, {}, {}))
    assert isinstance(ring.decide(native()), Refusal)
    assert ring.decide(native(authorization="Bearer from-file")) == Pass(tenant="acme", key_id="a")
    assert isinstance(Keyring.of(load(config, {}, {"server.open": True})).decide(native()), Pass)
    assert isinstance(Keyring.of(load(config, {}, {"server.host": "127.0.0.1"})).decide(native()), Pass)
    behind_proxy = load(config, {}, {"server.host": "127.0.0.1", "server.require_key": True})
    assert isinstance(Keyring.of(behind_proxy).decide(native()), Refusal)
