from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
import pytest

from streamer.auth import Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import Settings
from streamer.dialect_settings import DialectSettings, SignalWireSettings
from streamer.platforms.signalwire import PLATFORM
from streamer.wire.events import Fault, Start

KEYS = (
    Key(id="one", secret="s3cret", tenant="acme", dialects=("signalwire",)),
    Key(id="other", secret="elsewhere", tenant="other", dialects=("twilio",)),
)


def configured(**table: Any) -> Settings:
    return msgspec.structs.replace(Settings(), dialects=DialectSettings(signalwire=SignalWireSettings(**table)))


def decide(headers: dict[str, str], *, keys: tuple[Key, ...] = KEYS, **table: Any) -> Pass | Refusal:
    gate = PLATFORM.gate(Keyring(keys, key_needed=True), configured(**table))
    return gate(Upgrade(dialect="signalwire", target="/signalwire", headers=headers))


def test_its_limits_are_those_of_its_table() -> None:
    settings = configured(ping_interval_s=7, max_message_bytes=2048)
    assert (PLATFORM.name, PLATFORM.path) == ("signalwire", "/signalwire")
    assert (PLATFORM.ping_interval_s(settings), PLATFORM.max_message_bytes(settings)) == (7, 2048)


def test_the_bearer_token_of_the_markup_is_a_keys_secret() -> None:
    assert decide({"authorization": "Bearer s3cret"}) == Pass(tenant="acme", key_id="one")


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer elsewhere"}, {"authorization": "Bearer "}, {"authorization": "s3cret"}]
)
def test_another_one_or_none_is_refused(headers: dict[str, str]) -> None:
    refused = decide(headers)
    assert isinstance(refused, Refusal)
    assert refused.status == HTTPStatus.UNAUTHORIZED
    assert "s3cret" not in refused.message


def test_the_reader_has_what_the_table_says() -> None:
    read = PLATFORM.reader(configured(roles={"inbound": "agent"}, token="c0ffee", labels=("queue",), byte_order="big"))
    start = """{"event":"start","start":{"callSid":"CA1","tracks":["inbound"],"customParameters":{"queue":"7",%s},
      "mediaFormat":{"encoding":"audio/x-l16","sampleRate":16000,"channels":1}}}"""
    dialect = read(Upgrade(dialect="signalwire", target="/signalwire", headers={}))
    (begun,) = dialect.receive(start % '"token":"c0ffee"')
    assert isinstance(begun, Start)
    assert (begun.roles, begun.labels) == (("agent",), {"queue": "7"})
    (heard,) = dialect.receive('{"event":"media","media":{"track":"inbound","payload":"AQI="}}')
    assert getattr(heard, "payload", None) == b"\x02\x01"
    (fault,) = read(Upgrade(dialect="signalwire", target="/signalwire", headers={})).receive(start % '"token":"tea"')
    assert isinstance(fault, Fault)
