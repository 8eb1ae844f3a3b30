from __future__ import annotations

import json

from streamer_client.dialects.speaker import CallOptions
from streamer_client.dialects.telnyx import speakers

CALL = CallOptions(url="ws://host/telnyx", call_id="v3:x", roles=("customer", "agent"), stream_id="7")


def test_a_stream_begins_and_ends_as_the_vendor_describes_it() -> None:
    (one,) = speakers(CALL)
    connected, start = map(json.loads, one.open())
    assert connected == {"event": "connected", "version": "1.0.0"}
    assert (start["event"], start["sequence_number"], start["stream_id"]) == ("start", "1", "7")
    assert start["start"]["call_control_id"] == "v3:x"
    assert start["start"]["media_format"] == {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    assert "custom_parameters" not in start["start"]
    (stop,) = map(json.loads, one.close())
    assert (stop["event"], stop["sequence_number"], stop["stop"]) == ("stop", "2", {"call_control_id": "v3:x"})
    assert one.waits_for_server


def test_the_key_is_the_auth_token_and_the_rest_are_parameters() -> None:
    options = CallOptions(url="ws://h/t", call_id="x", roles=("customer",), key="k", token="t", notice=True)
    (one,) = speakers(options)
    assert one.headers == {"x-telnyx-streaming-auth-token": "k"}
    assert json.loads(one.open()[1])["start"]["custom_parameters"] == {"token": "t", "notice": "true"}
    assert speakers(CALL)[0].headers == {}
