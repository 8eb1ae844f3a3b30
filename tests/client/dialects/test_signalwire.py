from __future__ import annotations

import json

from streamer_client.dialects.signalwire import speakers
from streamer_client.dialects.speaker import CallOptions

CALL = CallOptions(url="ws://host/signalwire", call_id="CA1", roles=("customer", "agent"), stream_id="7")


def test_a_stream_begins_and_ends_as_the_vendor_describes_it() -> None:
    (one,) = speakers(CALL)
    connected, start = map(json.loads, one.open())
    assert connected == {"event": "connected", "protocol": "Call", "version": "0.2.0"}
    assert start["start"].pop("accountSid")
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "streamSid": "7",
            "callSid": "CA1",
            "tracks": ["inbound", "outbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    }
    assert [json.loads(message) for message in one.close()] == [{"event": "stop", "sequenceNumber": "2"}]
    assert one.waits_for_server


def test_the_key_is_a_bearer_token_and_the_rest_are_parameters() -> None:
    options = CallOptions(url="ws://h/s", call_id="CA1", roles=("customer",), key="k", token="t", notice=True)
    (one,) = speakers(options)
    assert one.headers == {"Authorization": "Bearer k"}
    assert json.loads(one.open()[1])["start"]["customParameters"] == {"token": "t", "notice": "true"}
    assert speakers(CALL)[0].headers == {}
