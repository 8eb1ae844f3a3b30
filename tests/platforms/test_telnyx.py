from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from streamer.auth import Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import Settings
from streamer.dialect_settings import DialectSettings, TelnyxSettings
from streamer.platforms.telnyx import PLATFORM
from streamer.wire.events import Fault, Start

KEYS = (
    Key(id="one", secret="s3cret", tenant="acme", dialects=("telnyx",)),
    Key(id="other", secret="elsewhere", tenant="other", dialects=("twilio",)),
)


def configured(**table: Any) -> Settings:
    return msgspec.structs.replace(Settings(), dialects=DialectSettings(telnyx=TelnyxSettings(**table)))


def decide(headers: dict[str, str], *, keys: tuple[Key, ...] = KEYS, **table: Any) -> Pass | Refusal:
    gate = PLATFORM.gate(Keyring(keys, key_needed=True), configured(**table))
    return gate(Upgrade(dialect="telnyx", target="/telnyx", headers=headers))


def test_its_limits_are_those_of_its_table() -> None:
    settings = configured(ping_interval_s=7, max_message_bytes=2048)
    assert (PLATFORM.name, PLATFORM.path) == ("telnyx", "/telnyx")
    assert (PLATFORM.ping_interval_s(settings), PLATFORM.max_message_bytes(settings)) == (7, 2048)


def test_the_streams_token_in_its_header_is_a_keys_secret() -> None:
    assert decide({"x-telnyx-streaming-auth-token": "s3cret"}) == Pass(tenant="acme", key_id="one")
    assert decide({"x-token": " s3cret "}, auth_header="X-Token") == Pass(tenant="acme", key_id="one")
    assert decide({"authorization": "Bearer s3cret"}, auth_header="Authorization") == Pass(tenant="acme", key_id="one")


@pytest.mark.parametrize(
    ("headers", "table"),
    [
        ({}, {}),
        ({"x-telnyx-streaming-auth-token": "elsewhere"}, {}),
        ({"x-telnyx-streaming-auth-token": ""}, {}),
        ({"authorization": "Bearer s3cret"}, {}),
        ({"x-telnyx-streaming-auth-token": "s3cret"}, {"auth_header": "X-Token"}),
        ({"authorization": "Basic s3cret"}, {"auth_header": "Authorization"}),
    ],
)
def test_another_one_or_none_is_refused(headers: dict[str, str], table: dict[str, Any]) -> None:
    refused = decide(headers, **table)
    assert isinstance(refused, Refusal)
    assert refused.status == HTTPStatus.UNAUTHORIZED
    assert "s3cret" not in refused.message


def test_the_reader_decodes_g722_and_logs_of_an_error_its_code_alone() -> None:
    read = PLATFORM.reader(configured(token="c0ffee", labels=("queue",), reorder_ms=0))
    dialect = read(Upgrade(dialect="telnyx", target="/telnyx", headers={}))
    (begun,) = dialect.receive(
        """{"event":"start","start":{"call_control_id":"x","custom_parameters":{"token":"c0ffee","queue":"7"},
        "media_format":{"encoding":"G722","sample_rate":8000}}}"""
    )
    assert isinstance(begun, Start)
    assert (begun.rate_hz, begun.labels) == (16000, {"queue": "7"})
    (heard,) = dialect.receive('{"event":"media","media":{"track":"inbound","chunk":"7","payload":"+vr6+g=="}}')
    assert len(getattr(heard, "payload", b"")) == 16
    with capture_logs() as logged:
        assert dialect.receive('{"event":"error","payload":{"code":100002,"detail":"of +4930123456"}}') == []
    assert [line["code"] for line in logged] == ["100002"]
    assert "4930" not in repr(logged)


def test_a_stream_with_another_token_is_refused() -> None:
    dialect = PLATFORM.reader(configured(token="c0ffee"))(Upgrade(dialect="telnyx", target="/telnyx", headers={}))
    (fault,) = dialect.receive(
        """{"event":"start","start":{"call_control_id":"x","media_format":{"encoding":"PCMU","sample_rate":8000}}}"""
    )
    assert isinstance(fault, Fault)
