"""Asterisk's chan_websocket: Basic credentials, the subprotocol, and what the URI says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from streamer.auth import Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import load
from streamer.platforms.asterisk import PLATFORM
from streamer.wire.events import Fault, Role, Start

KEY = Key(id="pbx", secret="pbx-secret", tenant="acme", dialects=("asterisk",))
MEDIA_START = {"event": "MEDIA_START", "channel_id": "1.2", "format": "ulaw"}


def decide(user: str | None, password: str = "") -> Pass | Refusal:
    gate = PLATFORM.gate(Keyring((KEY,), key_needed=True), load(None, {}, {}))
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {} if user is None else {"authorization": f"Basic {encoded}"}
    return gate(Upgrade(dialect="asterisk", target="/asterisk", headers=headers))


def begun(target: str, variables: dict[str, str] | None = None, **settings: Any) -> Start:
    flags = {f"dialects.asterisk.{name}": value for name, value in settings.items()}
    dialect = PLATFORM.reader(load(None, {}, flags))(Upgrade(dialect="asterisk", target=target, headers={}))
    first, *_ = dialect.receive(json.dumps({**MEDIA_START, "channel_variables": variables or {}}))
    assert isinstance(first, Start)
    return first


def test_user_and_password_of_the_connection_are_a_keys_id_and_secret() -> None:
    assert decide("pbx", "pbx-secret") == Pass(tenant="acme", key_id="pbx")


@pytest.mark.parametrize(("user", "password"), [(None, ""), ("pbx", "wrong"), ("other", "pbx-secret"), ("pbx", "")])
def test_nobody_else_comes_in(user: str | None, password: str) -> None:
    assert isinstance(decide(user, password), Refusal)


def test_the_uris_parameters_are_decoded_and_believed_where_the_configuration_says_so() -> None:
    call = begun("/asterisk?call=CA%2F1&leg=in&empty=", identity="uri")
    assert (call.call_id, call.roles) == ("CA/1", (Role.CUSTOMER,))
    assert begun("/asterisk?call=CA1&leg=in").call_id == "1.2"


@pytest.mark.parametrize(
    "target", ["/asterisk", "/asterisk/?", "/asterisk?%FF=%zz&&==&call", "/asterisk?a=" + "b" * 4000]
)
def test_any_query_is_taken(target: str) -> None:
    assert begun(target, identity="uri").call_id == "1.2"


def test_the_configuration_reaches_the_dialect() -> None:
    settings = {"roles": {"a": "agent"}, "role": "customer", "labels": ["queue"]}
    call = begun("/asterisk", {"leg": "a", "queue": "sales"}, **settings)
    assert (call.roles, call.labels) == ((Role.AGENT,), {"queue": "sales"})
    assert begun("/asterisk", **settings).roles == (Role.CUSTOMER,)


def test_the_byte_order_reaches_the_dialect() -> None:
    settings = load(None, {}, {"dialects.asterisk.byte_order": "big"})
    dialect = PLATFORM.reader(settings)(Upgrade(dialect="asterisk", target="/asterisk", headers={}))
    dialect.receive("MEDIA_START channel_id:1.2 format:slin")
    (audio,) = dialect.receive(b"\x01\x02")
    assert not isinstance(audio, Fault)
    assert audio.payload == b"\x02\x01"  # type: ignore[union-attr]


def test_pings_are_off_unless_configured_and_the_subprotocol_is_asterisks() -> None:
    assert PLATFORM.ping_interval_s(load(None, {}, {})) == 0
    assert PLATFORM.ping_interval_s(load(None, {}, {"dialects.asterisk.ping_interval_s": 20})) == 20
    assert PLATFORM.subprotocols == ("media",)
    assert PLATFORM.max_message_bytes(load(None, {}, {})) == 65_536
