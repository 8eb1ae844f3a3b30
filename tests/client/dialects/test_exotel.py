from __future__ import annotations

import json

import pytest
from streamer_client.dialects.exotel import speakers
from streamer_client.dialects.speaker import CallOptions
from streamer_client.errors import OptionError


def call(*roles: str, key: str | None = None, token: str | None = None, notice: bool = False) -> CallOptions:
    return CallOptions(
        url="ws://h/exotel", call_id="CAx", roles=roles, stream_id="7", key=key, token=token, notice=notice
    )


def test_a_stream_begins_and_ends_as_the_vendor_describes_it() -> None:
    (one,) = speakers(call("customer"))
    connected, start = map(json.loads, one.open())
    assert connected == {"event": "connected"}
    assert (start["event"], start["sequence_number"], start["stream_sid"]) == ("start", "1", "7")
    assert (start["start"]["call_sid"], start["start"]["stream_sid"]) == ("CAx", "7")
    assert start["start"]["media_format"] == {"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"}
    (stop,) = map(json.loads, one.close())
    assert (stop["event"], stop["sequence_number"], stop["stop"]["reason"]) == ("stop", "2", "callended")
    assert one.waits_for_server
    assert one.frame_ms == 100


@pytest.mark.parametrize(
    ("roles", "channel"), [(("agent", "customer"), 1), (("customer", "agent"), 0), (("unknown",), 0)]
)
def test_the_one_channel_is_the_customers_or_the_only_one(roles: tuple[str, ...], channel: int) -> None:
    assert speakers(call(*roles))[0].channels == (channel,)


@pytest.mark.parametrize("roles", [(), ("agent", "unknown")])
def test_several_channels_without_a_customer_are_refused(roles: tuple[str, ...]) -> None:
    with pytest.raises(OptionError, match="one channel"):
        speakers(call(*roles))


def test_the_key_is_basic_and_the_rest_are_parameters() -> None:
    (one,) = speakers(call("customer", key="id:k", token="t", notice=True))
    assert one.headers == {"Authorization": "Basic aWQ6aw=="}
    assert json.loads(one.open()[1])["start"]["custom_parameters"] == {"token": "t", "notice": "true"}
    with pytest.raises(OptionError, match="colon"):
        speakers(call("customer", key="k"))
