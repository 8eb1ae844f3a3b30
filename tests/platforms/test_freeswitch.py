from __future__ import annotations

import base64
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamer.auth import Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import ConfigError, load
from streamer.platforms import PATHS
from streamer.platforms.freeswitch import PLATFORM
from streamer.wire.events import Dialect, Role, Start

KEY = Key(id="acme", secret="s3cret", tenant="shop", dialects=("freeswitch",))
PASS = Pass(tenant="shop", key_id="acme")
BASIC = f"Basic {base64.b64encode(b'acme:s3cret').decode()}"


def upgrade(target: str = "/freeswitch", **headers: str) -> Upgrade:
    return Upgrade(dialect="freeswitch", target=target, headers=headers)


def dialect_for(request: Upgrade, **flags: Any) -> Dialect:
    given = {f"dialects.freeswitch.{name}": value for name, value in flags.items()}
    return PLATFORM.reader(load(None, {}, given))(request)


def start_of(dialect: Dialect) -> Start:
    found = dialect.receive("text")
    assert isinstance(found[0], Start)
    return found[0]


def test_it_is_found_by_its_path() -> None:
    assert PATHS["/freeswitch"] is PLATFORM
    assert PLATFORM.subprotocols[0] == "audio.drachtio.org"


@pytest.mark.parametrize("value", [BASIC, BASIC.replace("Basic", "basic"), "Bearer s3cret"])
def test_a_key_comes_in_by_basic_and_as_a_bearer(value: str) -> None:
    decide = PLATFORM.gate(Keyring((KEY,), key_needed=True), load(None, {}, {}))
    assert decide(upgrade(authorization=value)) == PASS


@pytest.mark.parametrize("value", ["", "Bearer wrong", "Basic wrong", "s3cret", BASIC[:-2]])
def test_nothing_else_comes_in(value: str) -> None:
    decide = PLATFORM.gate(Keyring((KEY,), key_needed=True), load(None, {}, {}))
    assert isinstance(decide(upgrade(authorization=value)), Refusal)


def test_a_key_in_the_address_is_none() -> None:
    decide = PLATFORM.gate(Keyring((KEY,), key_needed=True), load(None, {}, {}))
    assert isinstance(decide(upgrade("/freeswitch?key=s3cret&token=s3cret")), Refusal)


def test_the_reader_goes_by_address_header_and_configuration() -> None:
    named = start_of(dialect_for(upgrade("/freeswitch?call=c1&roles=customer,agent")))
    assert (named.call_id, named.roles) == ("c1", (Role.CUSTOMER, Role.AGENT))
    by_header = dialect_for(upgrade(**{"x-call": "c2"}), call_header="X-Call", mono_role="customer", sample_rate=16000)
    start = start_of(by_header)
    assert (start.call_id, start.roles, start.rate_hz) == ("c2", (Role.CUSTOMER,), 16000)


def test_an_id_that_had_to_be_made_is_in_the_log_with_what_to_do() -> None:
    with capture_logs() as log:
        start = start_of(dialect_for(upgrade()))
    (line,) = log
    assert line["log_level"] == "warning"
    assert line["call"] == start.call_id
    assert "?call=" in line["remedy"]


def test_two_calls_without_an_id_are_two_calls() -> None:
    make = PLATFORM.reader(load(None, {}, {}))
    assert start_of(make(upgrade())).call_id != start_of(make(upgrade())).call_id


@pytest.mark.parametrize(
    ("key", "value"),
    [("sample_rate", 11_025), ("sample_rate", 64_000), ("channels", 3), ("roles", ["agent"]), ("mono_role", "boss")],
)
def test_what_cannot_be_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"dialects\.freeswitch\.{key}"):
        load(None, {}, {f"dialects.freeswitch.{key}": value})
