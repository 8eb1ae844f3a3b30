from __future__ import annotations

import base64
from http import HTTPStatus
from typing import Any

import msgspec
import pytest

from streamer.auth import Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import Settings
from streamer.dialect_settings import DialectSettings, PlivoSettings
from streamer.platforms.plivo import PLATFORM
from streamer.wire.events import Fault, Start

KEYS = (
    Key(id="one", secret="s3cret", tenant="acme", dialects=("plivo",)),
    Key(id="other", secret="elsewhere", tenant="other", dialects=("twilio",)),
)


def configured(**table: Any) -> Settings:
    return msgspec.structs.replace(Settings(), dialects=DialectSettings(plivo=PlivoSettings(**table)))


def decide(headers: dict[str, str], *, keys: tuple[Key, ...] = KEYS, **table: Any) -> Pass | Refusal:
    gate = PLATFORM.gate(Keyring(keys, key_needed=True), configured(**table))
    return gate(Upgrade(dialect="plivo", target="/plivo", headers=headers))


def test_its_limits_are_those_of_its_table() -> None:
    settings = configured(ping_interval_s=7, max_message_bytes=2048)
    assert (PLATFORM.name, PLATFORM.path) == ("plivo", "/plivo")
    assert (PLATFORM.ping_interval_s(settings), PLATFORM.max_message_bytes(settings)) == (7, 2048)


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_a_token_to_come_lets_in_for_the_tables_tenant() -> None:
    assert decide({}, token="c0ffee", tenant="acme") == Pass(tenant="acme", key_id="")


def test_keys_let_in_where_that_is_configured() -> None:
    assert decide({"authorization": "Bearer s3cret"}, auth="bearer") == Pass(tenant="acme", key_id="one")
    assert decide(basic("one", "s3cret"), auth="basic") == Pass(tenant="acme", key_id="one")


@pytest.mark.parametrize(
    ("headers", "table"),
    [
        ({}, {}),
        ({"authorization": "Bearer s3cret"}, {}),
        ({}, {"auth": "bearer", "token": "c0ffee"}),
        (basic("two", "s3cret"), {"auth": "basic", "token": "c0ffee"}),
    ],
)
def test_nobody_comes_in_without_what_is_configured(headers: dict[str, str], table: dict[str, Any]) -> None:
    refused = decide(headers, **table)
    assert isinstance(refused, Refusal)
    assert refused.status == HTTPStatus.UNAUTHORIZED


def test_the_reader_has_what_the_table_says() -> None:
    read = PLATFORM.reader(configured(roles={"inbound": "agent"}, token="c0ffee", byte_order="big"))
    start = """{"event":"start","start":{"callId":"x","tracks":["inbound"],
      "mediaFormat":{"encoding":"audio/x-l16","sampleRate":8000}},"extra_headers":"token=%s"}"""
    dialect = read(Upgrade(dialect="plivo", target="/plivo", headers={}))
    (begun,) = dialect.receive(start % "c0ffee")
    assert isinstance(begun, Start)
    assert begun.roles == ("agent",)
    (heard,) = dialect.receive('{"event":"media","media":{"track":"inbound","payload":"AQI="}}')
    assert getattr(heard, "payload", None) == b"\x02\x01"
    (fault,) = read(Upgrade(dialect="plivo", target="/plivo", headers={})).receive(start % "tea")
    assert isinstance(fault, Fault)
