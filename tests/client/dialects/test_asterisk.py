from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from streamer_client.dialects.asterisk import speakers
from streamer_client.dialects.speaker import CallOptions
from streamer_client.errors import OptionError


def options(roles: tuple[str, ...] = ("customer", "agent"), **more: Any) -> CallOptions:
    given = {"url": "ws://127.0.0.1:8765/asterisk", "call_id": "CA 1", "stream_id": 32 * "a", **more}
    return CallOptions(roles=roles, **given)


def test_each_party_has_a_socket_whose_uri_says_which() -> None:
    customer, agent = speakers(options())
    assert customer.url == "ws://127.0.0.1:8765/asterisk?call=CA+1&leg=in"
    assert agent.url == "ws://127.0.0.1:8765/asterisk?call=CA+1&leg=out"
    assert (customer.channels, agent.channels) == ((0,), (1,))
    assert customer.subprotocols == ("media",)
    assert customer.headers == {}


def test_a_query_of_the_url_is_kept() -> None:
    (speaker,) = speakers(options(("unknown",), url="ws://127.0.0.1/asterisk?site=7"))
    assert speaker.url == "ws://127.0.0.1/asterisk?site=7&call=CA+1"


def test_a_socket_begins_as_asterisk_does() -> None:
    _, agent = speakers(options(notice=True))
    (message,) = agent.open()
    assert json.loads(message) == {
        "event": "MEDIA_START",
        "connection_id": "emotion",
        "channel": "WebSocket/emotion/aaaaaaaaaa.1",
        "channel_id": "aaaaaaaaaa.1",
        "format": "slin",
        "optimal_frame_size": 320,
        "ptime": 20,
        "channel_variables": {
            "MEDIA_WEBSOCKET_CONNECTION_ID": "emotion",
            "call": "CA 1",
            "leg": "out",
            "notice": "true",
        },
    }


def test_audio_is_bare_samples_and_the_close_is_the_end() -> None:
    customer, _ = speakers(options())
    assert customer.audio(np.array([[1], [-1]], np.int16), 0) == [b"\x01\x00\xff\xff"]
    assert customer.pause(0) == customer.resume(0, 20) == customer.receive("anything") == customer.close() == []
    assert customer.may_send
    assert not customer.waits_for_server


def test_a_key_is_user_name_and_password() -> None:
    (speaker,) = speakers(options(("customer",), key="pbx:secret"))
    assert speaker.headers == {"Authorization": "Basic " + base64.b64encode(b"pbx:secret").decode()}
    with pytest.raises(OptionError, match="ID:SECRET"):
        speakers(options(key="secret"))


@pytest.mark.parametrize("roles", [(), ("customer", "customer"), ("boss",)])
def test_roles_that_a_snooped_channel_does_not_have_are_refused(roles: Any) -> None:
    with pytest.raises(OptionError, match="leg in and one leg out"):
        speakers(options(roles))
