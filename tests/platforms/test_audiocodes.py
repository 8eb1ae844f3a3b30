"""AudioCodes: the bot's token, and conversations that outlive a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.auth import Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import ConfigError, load
from streamer.platforms.audiocodes import PLATFORM
from streamer.wire.events import Dialect, Fault, Role, Start

KEY = Key(id="vaic", secret="bot-token", tenant="acme", dialects=("audiocodes",))
UPGRADE = Upgrade(dialect="audiocodes", target="/audiocodes", headers={})
RESUME = json.dumps({"type": "session.resume", "conversationId": "C1"})


def initiate(*formats: str) -> str:
    offer = {"botName": "listen", "supportedMediaFormats": formats or ("raw/mulaw",)}
    return json.dumps({"type": "session.initiate", "conversationId": "C1", **offer})


def sockets(**settings: Any) -> tuple[Dialect, Dialect]:
    reader = PLATFORM.reader(load(None, {}, {f"dialects.audiocodes.{name}": value for name, value in settings.items()}))
    return reader(UPGRADE), reader(UPGRADE)


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic Ym90LXRva2Vu", "bot-token"])
def test_the_bots_token_is_a_bearer_key(header: str | None) -> None:
    gate = PLATFORM.gate(Keyring((KEY,), key_needed=True), load(None, {}, {}))
    headers = {} if header is None else {"authorization": header}
    assert isinstance(gate(Upgrade(dialect="audiocodes", target="/audiocodes", headers=headers)), Refusal)
    right = Upgrade(dialect="audiocodes", target="/audiocodes", headers={"authorization": "Bearer bot-token"})
    assert gate(right) == Pass(tenant="acme", key_id="vaic")


def test_all_sockets_of_a_server_know_each_others_conversations() -> None:
    lost, next_one = sockets()
    lost.receive(initiate("raw/lpcm16"))
    lost.closed()
    first, *_ = next_one.receive(RESUME)
    assert isinstance(first, Start)
    assert first.rate_hz == 16_000


def test_those_of_another_server_do_not() -> None:
    lost, _ = sockets()
    lost.receive(initiate())
    (fault,) = sockets()[0].receive(RESUME)
    assert isinstance(fault, Fault)


def test_the_configuration_reaches_the_dialect() -> None:
    dialect, _ = sockets(participants={"a": "agent", "b": "customer"}, labels=["botName"], byte_order="big")
    first, *_ = dialect.receive(initiate("raw/lpcm16"))
    assert isinstance(first, Start)
    assert (first.roles, first.labels) == ((Role.AGENT, Role.CUSTOMER), {"botName": "listen"})
    dialect.receive(json.dumps({"type": "userStream.start"}))
    (audio,) = dialect.receive(json.dumps({"type": "userStream.chunk", "audioChunk": "AQI="}))
    assert audio.payload == b"\x02\x01"  # type: ignore[union-attr]


def test_a_configuration_without_participants_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"dialects\.audiocodes\.participants names nobody"):
        load(None, {}, {"dialects.audiocodes.participants": {}})


def test_its_limits_are_those_of_its_table() -> None:
    settings = load(None, {}, {"dialects.audiocodes.ping_interval_s": 7})
    assert (PLATFORM.ping_interval_s(settings), PLATFORM.max_message_bytes(settings)) == (7, 262_144)
