"""Who may connect: keys, the ways to present one that platforms share, and the rule of who needs one."""

from __future__ import annotations

import base64
from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.auth import Certificate, Key, Keyring, Pass, Refusal, Upgrade, fingerprint_of, is_loopback
from streamer.config import ConfigError, load

ACME = Key(id="acme", secret="acme-secret", tenant="acme", dialects=("native",))
SHOP = Key(id="shop", secret="shop-secret", tenant="shop", dialects=("native",))
TWILIO = Key(id="tw", secret="auth-token", tenant="shop", dialects=("twilio",))
SECRETS = ("acme-secret", "shop-secret", "auth-token")
PRINT = "ab" * 32


def native(authorization: str | None = None) -> Upgrade:
    headers = {} if authorization is None else {"authorization": authorization}
    return Upgrade(dialect="native", target="/v1/stream", headers=headers)


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def refusal_of(decision: Pass | Refusal) -> Refusal:
    assert isinstance(decision, Refusal)
    assert decision.status is HTTPStatus.UNAUTHORIZED
    assert not any(secret in decision.message for secret in SECRETS)
    return decision


def test_on_loopback_no_key_is_needed() -> None:
    ring = Keyring((ACME,), key_needed=False)
    assert ring.bearer(native()) == Pass(tenant="default", key_id="")
    assert ring.basic(native()) == Pass(tenant="default", key_id="")


def test_elsewhere_a_key_is_needed_and_the_refusal_says_how_to_show_it() -> None:
    ring = Keyring((ACME,), key_needed=True)
    missing = refusal_of(ring.bearer(native()))
    assert missing.reason == "missing"
    assert "Authorization: Bearer" in missing.message
    assert "Authorization: Basic" in refusal_of(ring.basic(native())).message


@pytest.mark.parametrize("shown", ["Bearer acme-secret", "bearer  acme-secret", "BEARER acme-secret "])
def test_the_right_bearer_key_opens_as_its_tenant(shown: str) -> None:
    ring = Keyring((TWILIO, SHOP, ACME), key_needed=True)
    assert ring.bearer(native(shown)) == Pass(tenant="acme", key_id="acme")


@pytest.mark.parametrize("key_needed", [True, False])
@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer ", "Bearer auth-token", "Basic acme-secret", "acme-secret"])
def test_a_bearer_key_must_be_right_even_where_none_is_needed(value: str, key_needed: bool) -> None:
    refusal_of(Keyring((TWILIO, ACME), key_needed=key_needed).bearer(native(value)))


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_the_right_user_and_password_open_as_their_tenant(scheme: str) -> None:
    ring = Keyring((TWILIO, SHOP, ACME), key_needed=True)
    assert ring.basic(native(basic("acme:acme-secret").replace("Basic", scheme))) == Pass("acme", "acme")


def test_a_password_may_hold_colons_and_two_keys_may_share_one() -> None:
    ring = Keyring((Key("a", "x:y", "one", ()), Key("b", "x:y", "two", ())), key_needed=True)
    assert ring.basic(native(basic("a:x:y"))) == Pass("one", "a")
    assert ring.basic(native(basic("b:x:y"))) == Pass("two", "b")


@pytest.mark.parametrize("key_needed", [True, False])
@pytest.mark.parametrize(
    "value",
    [
        basic("acme:shop-secret"),
        basic("shop:acme-secret"),
        basic("tw:auth-token"),
        basic("acme:"),
        basic(":acme-secret"),
        basic(":"),
        basic("acme-secret"),
        basic("ACME:acme-secret"),
        "Basic acme:acme-secret",
        "Basic " + base64.b64encode(b"acme:\xff\xfe").decode(),
        "Basic",
        "Bearer acme-secret",
        "acme-secret",
    ],
)
def test_user_and_password_must_be_right_together_even_where_none_is_needed(value: str, key_needed: bool) -> None:
    refusal_of(Keyring((TWILIO, SHOP, ACME), key_needed=key_needed).basic(native(value)))


@settings(deadline=None)
@given(st.text(st.characters(codec="latin-1")) | st.text(st.characters(codec="latin-1")).map(basic))
def test_whatever_is_shown_there_is_a_decision_and_it_is_no(value: str) -> None:
    ring = Keyring((ACME,), key_needed=True)
    for decision in (ring.bearer(native(value)), ring.basic(native(value))):
        refusal_of(decision)


def test_bytes_that_are_no_text_are_no_key() -> None:
    refusal_of(Keyring((ACME,), key_needed=True).bearer(native("Bearer \udcff")))
    refusal_of(Keyring((ACME,), key_needed=True).basic(native("Basic \udcff")))


def test_a_key_without_dialects_opens_all() -> None:
    ring = Keyring((Key(id="k", secret="s", tenant="t", dialects=()),), key_needed=True)
    assert isinstance(ring.bearer(native("Bearer s")), Pass)
    assert [key.id for key in ring.opening("twilio")] == ["k"]


def test_a_key_that_only_a_certificate_opens_is_opened_by_no_empty_secret() -> None:
    ring = Keyring((Key(id="k", secret="", tenant="t", dialects=(), certificate="pbx"),), key_needed=True)
    assert ring.opening("native") == []
    for decision in (ring.bearer(native("Bearer ")), ring.basic(native(basic("k:"))), ring.basic(native(basic(":")))):
        refusal_of(decision)


def test_a_certificate_opens_by_its_fingerprint_or_its_name() -> None:
    by_print = Key(id="a", secret="", tenant="one", dialects=(), certificate=PRINT)
    by_name = Key(id="b", secret="", tenant="two", dialects=("native",), certificate="pbx.example.com")
    ring = Keyring((ACME, by_print, by_name), key_needed=True)
    assert ring.with_certificate("native", Certificate(PRINT, "anybody")) == Pass("one", "a")
    assert ring.with_certificate("native", Certificate("cd" * 32, "pbx.example.com")) == Pass("two", "b")
    assert ring.with_certificate("twilio", Certificate("cd" * 32, "pbx.example.com")) is None
    assert ring.with_certificate("native", Certificate("cd" * 32, "PBX.example.com")) is None
    assert ring.with_certificate("native", Certificate("cd" * 32, "")) is None


def test_a_certificate_whose_name_reads_like_a_fingerprint_is_not_taken_for_the_other() -> None:
    ring = Keyring((Key(id="a", secret="", tenant="one", dialects=(), certificate=PRINT),), key_needed=True)
    assert ring.with_certificate("native", Certificate("cd" * 32, PRINT)) is None


def test_a_fingerprint_is_known_in_every_way_of_writing_it() -> None:
    colons = ":".join(["AB"] * 32)
    assert fingerprint_of(colons) == fingerprint_of(PRINT) == fingerprint_of(f" {PRINT.upper()} ") == PRINT
    assert fingerprint_of("pbx.example.com") == fingerprint_of("ab" * 31) == fingerprint_of("") == ""


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("::ffff:127.0.0.1", True),
     ("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("::ffff:192.168.1.2", False), ("example.com", False),
     ("", False)],
)  # fmt: skip
def test_loopback_is_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_ring_follows_the_configuration(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-file\n", encoding="utf-8")
    config = tmp_path / "streamer.toml"
    config.write_text(
        f'[server]\nhost = "0.0.0.0"\ntls_cert_file = "c"\ntls_client_ca_file = "c"\n'
        f'[[keys]]\nid = "a"\nsecret_file = "{secret}"\ntenant = "acme"\n'
        f'[[keys]]\nid = "b"\ncertificate = "{":".join(["AB"] * 32)}"\n',
        encoding="utf-8",
    )
    ring = Keyring.of(load(config, {}, {}))
    assert isinstance(ring.bearer(native()), Refusal)
    assert ring.bearer(native("Bearer from-file")) == Pass(tenant="acme", key_id="a")
    assert ring.with_certificate("native", Certificate(PRINT, "")) == Pass(tenant="default", key_id="b")
    assert isinstance(Keyring.of(load(config, {}, {"server.open": True})).bearer(native()), Pass)
    assert isinstance(Keyring.of(load(config, {}, {"server.host": "127.0.0.1"})).bearer(native()), Pass)
    behind_proxy = load(config, {}, {"server.host": "127.0.0.1", "server.require_key": True})
    assert isinstance(Keyring.of(behind_proxy).bearer(native()), Refusal)


def test_a_secret_that_cannot_be_read_is_said_with_its_key(tmp_path: Path) -> None:
    config = tmp_path / "streamer.toml"
    config.write_text(f'[[keys]]\nid = "a"\nsecret_file = "{tmp_path}/none"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="keys: a"):
        Keyring.of(load(config, {}, {}))
