"""Our own clients: a key in a header, or, for web pages, among the subprotocols."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest

from streamer.auth import Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import Settings, load
from streamer.platforms.native import PLATFORM, SUBPROTOCOL
from streamer.wire.events import Start

ACME = Key(id="acme", secret="acme-secret", tenant="acme", dialects=("native",))
OTHER = Key(id="tw", secret="auth-token", tenant="shop", dialects=("twilio",))
IN = Pass(tenant="acme", key_id="acme")


def decide(key_needed: bool = True, **headers: str) -> Pass | Refusal:
    gate = PLATFORM.gate(Keyring((OTHER, ACME), key_needed=key_needed), Settings())
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gate(Upgrade(dialect="native", target="/v1/stream", headers=named))


def test_a_program_shows_its_key_in_a_header() -> None:
    assert decide(authorization="Bearer acme-secret") == IN


@pytest.mark.parametrize(
    "offered",
    [
        f"{SUBPROTOCOL}, bearer.acme-secret",
        f"bearer.acme-secret,{SUBPROTOCOL}",
        f"soap,  {SUBPROTOCOL} ,bearer.acme-secret",
    ],
)
def test_a_page_shows_its_key_among_the_subprotocols(offered: str) -> None:
    assert decide(sec_websocket_protocol=offered) == IN


@pytest.mark.parametrize("key_needed", [True, False])
@pytest.mark.parametrize(
    "offered",
    [
        f"{SUBPROTOCOL}, bearer.acme-secre",
        f"{SUBPROTOCOL}, bearer.acme-secret-",
        f"{SUBPROTOCOL}, bearer.",
        f"{SUBPROTOCOL}, bearer.auth-token",
        f"{SUBPROTOCOL}, bearer.auth-token, bearer.acme-secret",
        "bearer.acme-secret",
    ],
    ids=["short", "long", "empty", "of another dialect", "two", "alone"],
)
def test_a_key_of_a_page_must_be_right_even_where_none_is_needed(offered: str, key_needed: bool) -> None:
    refusal = decide(key_needed, sec_websocket_protocol=offered)
    assert isinstance(refusal, Refusal)
    assert refusal.status is HTTPStatus.UNAUTHORIZED
    assert "acme-secret" not in refusal.message
    assert "auth-token" not in refusal.message


def test_a_page_that_shows_none_is_asked_for_one_only_where_it_is_needed() -> None:
    assert isinstance(decide(sec_websocket_protocol=SUBPROTOCOL), Refusal)
    assert isinstance(decide(key_needed=False, sec_websocket_protocol=SUBPROTOCOL), Pass)


def test_of_two_keys_the_header_decides() -> None:
    both = {"sec_websocket_protocol": f"{SUBPROTOCOL}, bearer.acme-secret"}
    assert isinstance(decide(authorization="Bearer wrong", **both), Refusal)
    assert decide(authorization="Bearer acme-secret", **both | {"sec_websocket_protocol": "bearer.wrong"}) == IN


def test_the_subprotocol_with_the_key_is_never_selected() -> None:
    assert PLATFORM.subprotocols == (SUBPROTOCOL,)
    assert not SUBPROTOCOL.startswith("bearer.")


@pytest.mark.parametrize(
    ("allowed", "kept"),
    [
        (("*",), {"queue": "billing", "name": "Ann"}),
        (("queue", "desk"), {"queue": "billing"}),
        ((), {}),
    ],
)
def test_the_configuration_says_which_labels_of_a_client_are_kept(
    allowed: tuple[str, ...], kept: dict[str, str]
) -> None:
    settings = load(None, {}, {"dialects.native.labels": list(allowed)})
    dialect = PLATFORM.reader(settings)(Upgrade(dialect="native", target="/v1/stream", headers={}))
    first = {"type": "start", "version": 1, "call_id": "CA1", "channels": [{"role": "customer"}]}
    audio = {"encoding": "pcmu", "sample_rate": 8000, "labels": {"queue": "billing", "name": "Ann"}}
    (start,) = dialect.receive(json.dumps(first | audio))
    assert isinstance(start, Start)
    assert start.labels == kept


def test_its_limits_are_those_of_the_server() -> None:
    settings = load(None, {}, {"server.ping_interval_s": 3, "server.max_message_bytes": 5000})
    assert (PLATFORM.ping_interval_s(settings), PLATFORM.max_message_bytes(settings)) == (3, 5000)
