from __future__ import annotations

import json
from typing import Any

import pytest
from streamer_client.dialects.jambonz import PATH, speakers
from streamer_client.dialects.speaker import CallOptions

from streamer.wire.events import Role, Start
from streamer.wire.jambonz import Jambonz

URL = f"ws://127.0.0.1:8765{PATH}"


def options(roles: tuple[str, ...] = ("customer", "agent"), **more: Any) -> CallOptions:
    return CallOptions(url=URL, call_id="c1", roles=roles, **more)


def test_one_socket_carries_the_call() -> None:
    (speaker,) = speakers(options(key="acme:s3cret"))
    assert speaker.url == URL
    assert speaker.subprotocols == ("audio.jambonz.org",)
    assert speaker.headers == {"Authorization": "Basic YWNtZTpzM2NyZXQ="}
    assert speaker.channels == (0, 1)


def test_the_first_message_is_as_the_vendor_describes_it() -> None:
    (first,) = map(json.loads, speakers(options())[0].open())
    assert first == {
        "sampleRate": 8000,
        "mixType": "stereo",
        "callSid": "c1",
        "direction": "inbound",
        "callStatus": "in-progress",
    }


@pytest.mark.parametrize(
    "roles", [("customer", "agent"), ("agent", "customer"), ("customer",), ("agent",), ("unknown", "customer")]
)
def test_the_server_hears_who_is_meant(roles: tuple[str, ...]) -> None:
    (first,) = speakers(options(roles, notice=True))[0].open()
    (start,) = Jambonz().receive(first)
    assert isinstance(start, Start)
    assert start.roles == tuple(map(Role, roles))
    assert start.notice
