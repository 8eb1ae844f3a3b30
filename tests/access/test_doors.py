"""What is asked of a request, and in which order."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import Any

import pytest

from streamer.access.doors import THROTTLED, Doors
from streamer.auth import Certificate, Pass, Refusal, Upgrade
from streamer.config import ConfigError, load
from streamer.platforms import PATHS

STRANGER = "192.0.2.1"
SECRET = "of-the-crm"
CRM = {"id": "crm", "secret": SECRET, "tenant": "acme"}
PBX = {"id": "pbx", "certificate": "pbx.example.com", "tenant": "acme"}
MUTUAL = {"server__tls_cert_file": "c", "server__tls_client_ca_file": "c"}


def doors(**flags: Any) -> Doors:
    return Doors(load(None, {}, {name.replace("__", "."): value for name, value in flags.items()}))


def knock(
    at: Doors,
    path: str = "/v1/stream",
    *,
    address: str = STRANGER,
    now_s: float = 0,
    certificate: Certificate | None = None,
    **headers: str,
) -> Pass | Refusal:
    door = at.at(path)
    assert door is not None
    return at.knock(door, Upgrade(door.platform.name, path, headers, certificate), address, now_s)


def reason(decision: Pass | Refusal) -> str:
    assert isinstance(decision, Refusal)
    assert SECRET not in decision.message
    return decision.reason


def test_every_platform_has_its_door_whatever_the_query() -> None:
    at = doors()
    for path, platform in PATHS.items():
        for target in (path, f"{path}/", f"{path}?a=b", f"{path}/?a=/x"):
            door = at.at(target)
            assert door is not None
            assert door.platform is platform
    for target in ("/", "", "/v1", "/v1/stream/x", "/V1/STREAM", "/?/v1/stream"):
        assert at.at(target) is None


def test_a_key_for_a_dialect_that_there_is_not_is_said_before_anybody_knocks() -> None:
    with pytest.raises(ConfigError, match=r"'crm' opens the dialect 'natvie'.*native.*twilio"):
        doors(keys=[CRM | {"dialects": ["natvie"]}])


PAGE = "https://desk.example.com"


@pytest.mark.parametrize(
    ("flags", "origin", "comes_in"),
    [
        ({}, "http://localhost:8080", True),
        ({}, "http://127.0.0.1:9", True),
        ({}, "https://[::1]", True),
        ({}, PAGE, False),
        ({}, "http://localhost.example.com", False),
        ({}, "null", False),
        ({}, "", False),
        ({}, "http://[", False),
        ({"server__require_key": True}, "http://localhost:8080", False),
        ({"server__host": "0.0.0.0", "server__open": True}, "http://localhost:8080", False),
        ({"server__host": "0.0.0.0", "server__open": True}, PAGE, False),
        ({"server__host": "0.0.0.0", "server__open": True, "server__origins": [PAGE]}, PAGE, True),
        ({"server__origins": [PAGE]}, PAGE, True),
        ({"server__origins": [PAGE]}, "http://localhost:8080", False),
        ({"server__origins": [PAGE]}, f"{PAGE}:8443", False),
        ({"server__origins": [PAGE]}, f"{PAGE}.evil.example", False),
        ({"server__origins": [PAGE]}, f"{PAGE}, {PAGE}", False),
    ],
)
@pytest.mark.parametrize("path", ["/v1/stream", "/twilio"])
def test_a_web_page_comes_in_where_it_is_listed_or_is_this_machines_own(
    path: str, flags: dict[str, Any], origin: str, comes_in: bool
) -> None:
    shown = {"authorization": f"Bearer {SECRET}"} if flags.get("server__require_key") and path != "/twilio" else {}
    keys = [CRM | {"dialects": ["native"]}] if shown else []
    decision = knock(doors(keys=keys, **flags), path, origin=origin, **shown)
    if comes_in:
        assert isinstance(decision, Pass)
    else:
        assert isinstance(decision, Refusal)
        assert (decision.status, decision.reason) == (HTTPStatus.FORBIDDEN, "origin")
        assert "server.origins" in decision.message


def test_a_page_that_may_come_needs_a_key_all_the_same() -> None:
    at = doors(server__host="0.0.0.0", server__origins=[PAGE], keys=[CRM])
    offered = "emotion-streamer.v1, bearer.of-the-"
    assert reason(knock(at, origin=PAGE)) == "missing"
    assert reason(knock(at, origin=PAGE, **{"sec-websocket-protocol": offered + "shop"})) == "wrong"
    assert knock(at, origin=PAGE, **{"sec-websocket-protocol": offered + "crm"}) == Pass("acme", "crm")


def test_a_certificate_that_a_key_names_opens_with_no_other_secret() -> None:
    at = doors(server__host="0.0.0.0", keys=[CRM, PBX | {"dialects": ["native"]}], **MUTUAL)
    theirs, other = Certificate("ab" * 32, "pbx.example.com"), Certificate("cd" * 32, "stranger")
    assert knock(at, certificate=theirs) == Pass("acme", "pbx")
    assert reason(knock(at, certificate=other)) == "missing"
    assert knock(at, certificate=other, authorization=f"Bearer {SECRET}") == Pass("acme", "crm")
    assert reason(knock(at, "/twilio", certificate=theirs)) == "missing"


def test_a_page_cannot_come_in_by_the_certificate_of_the_browser_it_is_seen_in() -> None:
    at = doors(server__host="0.0.0.0", keys=[PBX], **MUTUAL)
    theirs = Certificate("ab" * 32, "pbx.example.com")
    assert reason(knock(at, certificate=theirs, origin="https://evil.example")) == "origin"


def exhausted(**flags: Any) -> Doors:
    at = doors(server__host="0.0.0.0", server__auth_failures_per_minute=3, keys=[CRM], **flags)
    for _ in range(3):
        knock(at, authorization="Bearer guessed")
    return at


def test_who_was_wrong_too_often_is_not_looked_at_for_a_while() -> None:
    at = exhausted()
    right = {"authorization": f"Bearer {SECRET}"}
    assert knock(at, **right) is THROTTLED
    assert THROTTLED.status is HTTPStatus.TOO_MANY_REQUESTS
    assert knock(at, "/jambonz") is THROTTLED
    assert knock(at, now_s=21, **right) == Pass("acme", "crm")


def test_a_header_is_no_other_address() -> None:
    at = exhausted()
    for name in ("x-forwarded-for", "x-real-ip", "forwarded"):
        assert knock(at, **{name: "198.51.100.1"}) is THROTTLED
    assert reason(knock(at, address="198.51.100.1")) == "missing"


def test_the_last_failure_that_is_looked_at_says_so() -> None:
    at = doors(server__host="0.0.0.0", server__auth_failures_per_minute=2, keys=[CRM])
    first, last = knock(at), knock(at)
    assert isinstance(first, Refusal)
    assert isinstance(last, Refusal)
    assert "429" not in first.message
    assert last.message.startswith(first.message)
    assert "429" in last.message


def test_right_ones_and_pages_do_not_count_as_failures() -> None:
    at = doors(server__host="0.0.0.0", server__auth_failures_per_minute=1, keys=[CRM])
    for _ in range(5):
        assert isinstance(knock(at, authorization=f"Bearer {SECRET}"), Pass)
        assert reason(knock(at, origin=PAGE)) == "origin"


def test_on_platforms_whose_addresses_all_customers_share_a_stranger_locks_nobody_out() -> None:
    at = doors(server__host="0.0.0.0", server__auth_failures_per_minute=1, keys=[CRM])
    for _ in range(5):
        assert reason(knock(at, "/twilio")) == "missing"
    assert isinstance(knock(at, authorization=f"Bearer {SECRET}"), Pass)
    # Nor by having the platform connect elsewhere.
    assert reason(knock(at, authorization="Bearer guessed")) == "wrong"
    assert knock(at) is THROTTLED
    assert reason(knock(at, "/twilio")) == "missing"


def test_audiosocket_goes_by_the_address_alone_and_its_failures_are_its_own() -> None:
    at = doors(
        server__host="0.0.0.0",
        server__auth_failures_per_minute=2,
        dialects__audiosocket__allow=["10.0.0.0/24"],
        keys=[CRM],
    )
    assert isinstance(at.knock_by_audiosocket("10.0.0.7", 0), Pass)
    assert [reason(at.knock_by_audiosocket(STRANGER, 0)) for _ in range(3)] == ["address", "address", "throttled"]
    assert isinstance(knock(at, authorization=f"Bearer {SECRET}"), Pass)
    assert isinstance(at.knock_by_audiosocket("10.0.0.7", 0), Pass)
    assert reason(at.knock_by_audiosocket(STRANGER, 31)) == "address"


def test_a_key_of_audiosocket_needs_a_certificate_for_there_is_no_way_to_show_a_secret() -> None:
    with pytest.raises(ConfigError, match="'crm' opens audiosocket, which can show no secret"):
        doors(keys=[CRM | {"dialects": ["audiosocket"]}])
    at = doors(keys=[PBX | {"dialects": ["audiosocket"]}], **MUTUAL)
    assert at.knock_by_audiosocket(STRANGER, 0, Certificate("ab" * 32, "pbx.example.com")) == Pass("acme", "pbx")


def test_a_port_open_to_others_with_nothing_that_says_who_may_come_is_refused_before_it_is_opened() -> None:
    with pytest.raises(ConfigError, match=r"server\.host: '0\.0\.0\.0' can be reached from other machines"):
        doors(server__host="0.0.0.0")


PLIVO = {"server__host": "0.0.0.0", "server__auth_failures_per_minute": 3, "dialects__plivo__token": "of-plivo"}


def tell(admitted: Pass | Refusal, *, right: bool) -> None:
    """Say what became of the token of a stream that was let in on trust."""
    assert isinstance(admitted, Pass)
    assert admitted.on_trust is not None
    admitted.on_trust(right, 0)


def wrong(at: Doors, address: str, times: int, path: str = "/plivo") -> None:
    for _ in range(times):
        admitted = knock(at, path, address=address)
        tell(admitted, right=False)


def test_a_wrong_token_in_a_first_message_counts_against_its_address_on_that_way_only() -> None:
    at = doors(keys=[CRM], dialects__exotel__auth="token", dialects__exotel__token="of-exotel", **PLIVO)
    wrong(at, STRANGER, 2)
    wrong(at, STRANGER, 1, "/exotel")
    assert knock(at, "/plivo") is THROTTLED
    assert knock(at, "/exotel") is THROTTLED
    assert isinstance(knock(at, "/plivo", address="198.51.100.1"), Pass)
    assert isinstance(knock(at, authorization=f"Bearer {SECRET}"), Pass)
    assert isinstance(knock(at, "/plivo", now_s=21), Pass)


def test_an_address_from_which_a_right_token_came_is_the_platforms_and_never_held_back() -> None:
    at = doors(**PLIVO)
    admitted = knock(at, "/plivo")
    tell(admitted, right=True)
    wrong(at, STRANGER, 50)
    assert isinstance(knock(at, "/plivo"), Pass)


def test_who_has_shown_a_key_already_is_not_let_in_on_trust() -> None:
    theirs = Certificate("ab" * 32, "pbx.example.com")
    at = doors(keys=[PBX], **MUTUAL, **PLIVO)
    assert knock(at, "/plivo", certificate=theirs) == Pass("acme", "pbx")
    assert knock(doors(), "/plivo") == Pass("default", "")
    at = doors(keys=[CRM], dialects__plivo__auth="basic", **PLIVO)
    shown = "Basic " + base64.b64encode(f"crm:{SECRET}".encode()).decode()
    assert knock(at, "/plivo", authorization=shown) == Pass("acme", "crm")


def test_a_list_of_addresses_that_holds_none_is_said_before_anybody_connects() -> None:
    with pytest.raises(ConfigError, match=r"dialects\.audiosocket\.allow"):
        doors(dialects__audiosocket__allow=["pbx"])
