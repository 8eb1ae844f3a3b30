from __future__ import annotations

import base64

import pytest

from streamer.auth import Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import ConfigError, load
from streamer.platforms import PATHS
from streamer.platforms.jambonz import PLATFORM
from streamer.wire.events import Role, Start

KEY = Key(id="acme", secret="s3cret", tenant="shop", dialects=("jambonz",))
FIRST = '{"sampleRate":8000,"mixType":"stereo","callSid":"c1","queue":"sales"}'


def upgrade(**headers: str) -> Upgrade:
    return Upgrade(dialect="jambonz", target="/jambonz", headers=headers)


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def test_it_is_found_by_its_path() -> None:
    assert PATHS["/jambonz"] is PLATFORM
    assert PLATFORM.subprotocols[0] == "audio.jambonz.org"


def test_a_key_comes_in_by_basic() -> None:
    decide = PLATFORM.gate(Keyring((KEY,), key_needed=True), load(None, {}, {}))
    assert decide(upgrade(authorization=basic("acme:s3cret"))) == Pass(tenant="shop", key_id="acme")


@pytest.mark.parametrize("value", ["", "Bearer s3cret", basic("acme:wrong"), basic("other:s3cret"), "Basic %%%"])
def test_nothing_else_does(value: str) -> None:
    decide = PLATFORM.gate(Keyring((KEY,), key_needed=True), load(None, {}, {}))
    refusal = decide(upgrade(authorization=value))
    assert isinstance(refusal, Refusal)
    assert "s3cret" not in refusal.message


def test_the_reader_goes_by_the_configuration() -> None:
    flags = {"dialects.jambonz.roles": ["agent", "customer"], "dialects.jambonz.labels": ["queue"]}
    dialect = PLATFORM.reader(load(None, {}, flags))(upgrade())
    (start,) = dialect.receive(FIRST)
    assert isinstance(start, Start)
    assert (start.roles, start.labels) == ((Role.AGENT, Role.CUSTOMER), {"queue": "sales"})


def test_a_flush_of_five_seconds_is_not_too_big() -> None:
    five_seconds = 5 * 48_000 * 2 * 2
    assert PLATFORM.max_message_bytes(load(None, {}, {})) > five_seconds


@pytest.mark.parametrize("roles", [["customer"], ["customer", "agent", "agent"], ["customer", "boss"]])
def test_other_than_two_roles_are_refused_by_name(roles: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"dialects\.jambonz\.roles"):
        load(None, {}, {"dialects.jambonz.roles": roles})
