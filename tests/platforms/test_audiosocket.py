"""AudioSocket has no credentials: the address of the peer decides."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from streamer.auth import Certificate, Keyring, Pass, Refusal
from streamer.config import ConfigError, load
from streamer.platforms import audiosocket
from streamer.wire.events import Role, Start

UUID = bytes.fromhex("010010") + bytes(range(16))
AUDIO = bytes.fromhex("100004") + bytes(4)


def decide(address: str, certificate: Certificate | None = None, **flags: Any) -> Pass | Refusal:
    settings = load(None, {}, {name.replace("__", "."): value for name, value in flags.items()})
    return audiosocket.gate(Keyring.of(settings), settings)(address, certificate)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_connect(address: str) -> None:
    assert decide(address) == Pass(tenant="default", key_id="")
    assert decide(address, server__host="0.0.0.0") == Pass(tenant="default", key_id="")


def test_this_machine_may_not_where_others_come_through_it() -> None:
    assert isinstance(decide("127.0.0.1", server__require_key=True), Refusal)
    both = {"server__require_key": True, "dialects__audiosocket__allow": ["127.0.0.1"]}
    assert isinstance(decide("127.0.0.1", **both), Pass)


@pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7", "192.0.2.9", "2001:db8::7", "fe80::1%eth0"])
def test_what_the_configuration_names_may_connect_as_its_tenant(address: str) -> None:
    allow = ["10.0.0.0/24", "192.0.2.9", "2001:db8::/64", "fe80::/10"]
    flags = {"dialects__audiosocket__allow": allow, "dialects__audiosocket__tenant": "acme"}
    assert decide(address, **flags) == Pass(tenant="acme", key_id="")


@pytest.mark.parametrize("address", ["10.0.1.7", "192.0.2.10", "::ffff:10.0.1.7", "2001:db8:1::7", "", "unix"])
@pytest.mark.parametrize("is_open", [True, False])
def test_nobody_else_may_also_where_the_server_is_open(address: str, is_open: bool) -> None:
    flags = {"dialects__audiosocket__allow": ["10.0.0.0/24", "192.0.2.9", "2001:db8::/64"], "server__open": is_open}
    refusal = decide(address, server__host="0.0.0.0", **flags)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.reason) == (HTTPStatus.FORBIDDEN, "address")
    assert "dialects.audiosocket.allow" in refusal.message


def test_a_certificate_that_a_key_names_opens_as_its_tenant_and_any_other_leaves_it_to_the_address() -> None:
    flags = {
        "server__tls_cert_file": "c",
        "server__tls_client_ca_file": "c",
        "dialects__audiosocket__allow": ["10.0.0.0/24"],
        "keys": [
            {"id": "pbx", "certificate": "pbx.example.com", "tenant": "acme", "dialects": ["audiosocket"]},
            {"id": "desk", "certificate": "desk", "dialects": ["native"]},
        ],
    }
    pbx, desk = Certificate("ab" * 32, "pbx.example.com"), Certificate("cd" * 32, "desk")
    assert decide("192.0.2.1", pbx, **flags) == Pass(tenant="acme", key_id="pbx")
    assert decide("10.0.0.7", pbx, **flags) == Pass(tenant="acme", key_id="pbx")
    assert isinstance(decide("192.0.2.1", desk, **flags), Refusal)
    assert decide("10.0.0.7", desk, **flags) == Pass(tenant="default", key_id="")


@pytest.mark.parametrize("entry", ["pbx.example.com", "10.0.0.0/33", "10.0.0", ""])
def test_an_entry_that_is_no_network_is_said(entry: str) -> None:
    with pytest.raises(ConfigError, match=r"dialects\.audiosocket\.allow"):
        decide("127.0.0.1", dialects__audiosocket__allow=[entry])


def test_each_connection_has_a_dialect_of_its_own_that_knows_who_is_heard() -> None:
    make = audiosocket.reader(load(None, {}, {"dialects.audiosocket.role": "agent"}))
    first, second = make(), make()
    (started, *_) = first.receive(UUID + AUDIO)
    assert isinstance(started, Start)
    assert started.roles == (Role.AGENT,)
    assert second.closed() == []
