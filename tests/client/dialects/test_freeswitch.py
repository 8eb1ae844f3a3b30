from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from streamer_client.dialects.freeswitch import PATH, speakers
from streamer_client.dialects.speaker import CallOptions

from streamer.wire.events import Role, Start
from streamer.wire.freeswitch import FreeSwitch

URL = f"ws://127.0.0.1:8765{PATH}"


def options(roles: tuple[str, ...] = ("customer", "agent"), **more: Any) -> CallOptions:
    return CallOptions(**({"url": URL, "call_id": "c 1&x", "roles": roles} | more))


def test_the_address_says_everything() -> None:
    (speaker,) = speakers(options())
    assert speaker.url.startswith(f"{URL}?")
    assert parse_qs(urlsplit(speaker.url).query) == {
        "call": ["c 1&x"],
        "rate": ["8000"],
        "channels": ["2"],
        "roles": ["customer,agent"],
    }
    assert speaker.subprotocols == ("audio.drachtio.org",)
    assert speaker.open() == []


def test_what_the_address_says_already_stays() -> None:
    (speaker,) = speakers(options(url=f"{URL}?queue=sales"))
    assert parse_qs(urlsplit(speaker.url).query)["queue"] == ["sales"]


@pytest.mark.parametrize(
    ("key", "header"),
    [("acme:s3cret", "Basic YWNtZTpzM2NyZXQ="), ("s3cret", "Bearer s3cret")],
)
def test_a_key_goes_out_as_either_module_sends_it(key: str, header: str) -> None:
    (speaker,) = speakers(options(key=key))
    assert speaker.headers == {"Authorization": header}


@pytest.mark.parametrize("roles", [("customer", "agent"), ("agent", "customer"), ("customer",), ("unknown",)])
def test_the_server_hears_who_is_meant(roles: tuple[str, ...]) -> None:
    (speaker,) = speakers(options(roles, notice=True))
    dialect = FreeSwitch(speaker.url, lambda: "made")
    (start,) = dialect.receive(*speaker.open())
    assert isinstance(start, Start)
    assert (start.call_id, start.roles, start.notice) == ("c 1&x", tuple(map(Role, roles)), True)
