from __future__ import annotations

import base64
from http import HTTPStatus
from typing import Any

import msgspec
import pytest

from streamer.auth import Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import Settings
from streamer.dialect_settings import DialectSettings, ExotelSettings
from streamer.platforms.exotel import PLATFORM
from streamer.wire.events import Fault, Start

KEYS = (
    Key(id="one", secret="s3cret", tenant="acme", dialects=("exotel",)),
    Key(id="other", secret="elsewhere", tenant="other", dialects=("twilio",)),
)


def configured(**table: Any) -> Settings:
    return msgspec.structs.replace(Settings(), dialects=DialectSettings(exotel=ExotelSettings(**table)))


def decide(headers: dict[str, str], *, keys: tuple[Key, ...] = KEYS, **table: Any) -> Pass | Refusal:
    gate = PLATFORM.gate(Keyring(keys, key_needed=True), configured(**table))
    return gate(Upgrade(dialect="exotel", target="/exotel", headers=headers))


def test_its_limits_are_those_of_its_table() -> None:
    settings = configured(ping_interval_s=7, max_message_bytes=2048)
    assert (PLATFORM.name, PLATFORM.path) == ("exotel", "/exotel")
    assert (PLATFORM.ping_interval_s(settings), PLATFORM.max_message_bytes(settings)) == (7, 2048)


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_basic_of_the_url_is_a_key() -> None:
    assert decide(basic("one", "s3cret")) == Pass(tenant="acme", key_id="one")


def test_a_token_to_come_lets_in_for_the_tables_tenant() -> None:
    assert decide({}, auth="token", token="c0ffee", tenant="acme") == Pass(tenant="acme", key_id="")


def test_behind_a_proxy_that_lets_in_nothing_more_is_asked() -> None:
    assert decide({}, auth="proxy", tenant="acme") == Pass(tenant="acme", key_id="")


@pytest.mark.parametrize(
    ("headers", "table"),
    [({}, {}), (basic("two", "s3cret"), {}), ({}, {"token": "c0ffee"}), (basic("one", "s3cret"), {"auth": "token"})],
)
def test_nobody_comes_in_without_what_is_configured(headers: dict[str, str], table: dict[str, Any]) -> None:
    refused = decide(headers, **table)
    assert isinstance(refused, Refusal)
    assert refused.status == HTTPStatus.UNAUTHORIZED


def test_the_reader_has_what_the_table_says() -> None:
    read = PLATFORM.reader(configured(role="customer", token="c0ffee", byte_order="big"))
    start = """{"event":"start","start":{"call_sid":"x","custom_parameters":{"token":"%s"},
      "media_format":{"encoding":"raw"}}}"""
    dialect = read(Upgrade(dialect="exotel", target="/exotel", headers={}))
    (begun,) = dialect.receive(start % "c0ffee")
    assert isinstance(begun, Start)
    assert begun.roles == ("customer",)
    (heard,) = dialect.receive('{"event":"media","media":{"payload":"AQI="}}')
    assert getattr(heard, "payload", None) == b"\x02\x01"
    (fault,) = read(Upgrade(dialect="exotel", target="/exotel", headers={})).receive(start % "tea")
    assert isinstance(fault, Fault)
    both = PLATFORM.reader(configured(roles={"inbound": "customer", "outbound": "agent"}))
    (tracks,) = both(Upgrade(dialect="exotel", target="/exotel", headers={})).receive(start % "")
    assert getattr(tracks, "roles", None) == ("customer", "agent")
