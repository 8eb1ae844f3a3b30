from __future__ import annotations

from http import HTTPStatus

import pytest

from streamer.auth import NOBODY, Keyring, Pass, Refusal, Upgrade
from streamer.config import load
from streamer.platforms import in_band

UPGRADE = Upgrade(dialect="plivo", target="/plivo", headers={})


@pytest.mark.parametrize("key_needed", [True, False])
def test_with_a_token_to_come_the_upgrade_passes_for_the_tenant(key_needed: bool) -> None:
    keyring = Keyring((), key_needed=key_needed)
    gate = in_band.gate(keyring, tenant="acme", has_token=True, expected="the token")
    assert gate(UPGRADE) == Pass(tenant="acme", key_id="")


def test_without_a_token_only_who_needs_no_key_comes_in() -> None:
    gate = in_band.gate(Keyring((), key_needed=False), tenant="acme", has_token=False, expected="the token")
    assert gate(UPGRADE) == NOBODY
    refused = in_band.gate(Keyring((), key_needed=True), tenant="acme", has_token=False, expected="the token")(UPGRADE)
    assert isinstance(refused, Refusal)
    assert refused.status == HTTPStatus.UNAUTHORIZED
    assert "the token" in refused.message


def test_a_platform_asks_for_a_token_where_one_is_configured() -> None:
    settings = load(None, {}, {"dialects.plivo.token": "x", "dialects.twilio.token_file": "y"})
    asked = [name for name in ("plivo", "twilio", "exotel", "native", "jambonz") if in_band.asks(settings, name)]
    assert asked == ["plivo", "twilio"]
