from __future__ import annotations

import base64
import hmac
import json

import pytest
from structlog.testing import capture_logs

from streamer.auth import NOBODY, Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import load
from streamer.platforms import PATHS
from streamer.platforms.vonage import PLATFORM, gate
from streamer.wire.events import Role, Start

SECRET = "signature-secret"
KEY = Key(id="acme", secret=SECRET, tenant="shop", dialects=("vonage",))
PASS = Pass(tenant="shop", key_id="acme")
NOW_S = 1_795_000_000.0
CONNECTED = '{"event":"websocket:connected","content-type":"audio/l16;rate=16000","call-id":"c1"}'
BASIS = {"emotion.analyse": ["customer", "unknown"], "emotion.lawful_basis": "medical safety, file 7"}


def upgrade(authorization: str = "") -> Upgrade:
    return Upgrade(
        dialect="vonage", target="/vonage", headers={"authorization": authorization} if authorization else {}
    )


def signed(iat: float = NOW_S, secret: str = SECRET) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "HS256", "typ": "JWT"}, {"iat": iat})
    ]
    signature = hmac.digest(secret.encode(), ".".join(parts).encode(), "sha256")
    return ".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=").decode()])


def decide(request: Upgrade, *, key_needed: bool = True) -> Pass | Refusal:
    return gate(Keyring((KEY,), key_needed=key_needed), load(None, {}, {}), lambda: NOW_S)(request)


def test_it_is_found_by_its_path() -> None:
    assert PATHS["/vonage"] is PLATFORM


@pytest.mark.parametrize("value", [SECRET, f"Bearer {SECRET}", f"bearer  {SECRET}", f"Bearer {signed()}", signed()])
def test_a_key_comes_in_as_it_is_and_as_what_signed_a_token(value: str) -> None:
    assert decide(upgrade(value)) == PASS


@pytest.mark.parametrize(
    "value",
    [
        "wrong",
        "Bearer wrong",
        f"Basic {SECRET}",
        f"Bearer {signed(secret='another')}",
        f"Bearer {signed(NOW_S - 361)}",
        f"Bearer {signed(NOW_S + 61)}",
        f"Bearer {signed()}x",
    ],
)
@pytest.mark.parametrize("key_needed", [True, False])
def test_a_wrong_one_does_not_even_where_none_is_needed(value: str, key_needed: bool) -> None:
    refusal = decide(upgrade(value), key_needed=key_needed)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "wrong"
    assert SECRET not in refusal.message


def test_who_presents_nothing_stays_out_where_a_key_is_needed() -> None:
    assert isinstance(decide(upgrade()), Refusal)
    assert decide(upgrade(), key_needed=False) == NOBODY


def test_a_key_for_another_platform_signs_nothing_here() -> None:
    other = Key(id="other", secret=SECRET, tenant="shop", dialects=("twilio",))
    check = gate(Keyring((other,), key_needed=True), load(None, {}, {}), lambda: NOW_S)
    assert isinstance(check(upgrade(f"Bearer {signed()}")), Refusal)


def test_the_reader_goes_by_the_configuration() -> None:
    flags = {"dialects.vonage.role": "customer", "dialects.vonage.call_header": "conversation"}
    dialect = PLATFORM.reader(load(None, {}, flags))(upgrade())
    (start,) = dialect.receive(CONNECTED.replace("call-id", "conversation"))
    assert isinstance(start, Start)
    assert (start.roles, start.call_id) == ((Role.CUSTOMER,), "c1")


def test_a_mix_that_is_not_analysed_is_said_once_with_what_to_do() -> None:
    with capture_logs() as log:
        make = PLATFORM.reader(load(None, {}, {}))
        for _ in range(2):
            make(upgrade()).receive(CONNECTED)
    (line,) = log
    assert line["role"] == "unknown"
    assert "emotion.analyse" in line["remedy"]
    assert "emotion.lawful_basis" in line["remedy"]


def test_one_that_is_analysed_needs_no_word() -> None:
    with capture_logs() as log:
        PLATFORM.reader(load(None, {}, BASIS))(upgrade()).receive(CONNECTED)
    assert log == []


def test_a_call_without_an_id_is_in_the_log_with_what_to_do() -> None:
    with capture_logs() as log:
        PLATFORM.reader(load(None, {}, BASIS))(upgrade()).receive(CONNECTED.replace("call-id", "x"))
    (line,) = log
    assert "call-id" in line["remedy"]
