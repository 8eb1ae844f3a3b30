from __future__ import annotations

import json

from streamer_client.dialects.plivo import speakers
from streamer_client.dialects.speaker import CallOptions

CALL = CallOptions(url="ws://host/plivo", call_id="7a", roles=("customer", "agent"), stream_id="7")


def test_a_stream_begins_as_the_vendor_describes_it_and_ends_without_a_word() -> None:
    (one,) = speakers(CALL)
    (start,) = map(json.loads, one.open())
    assert start["start"].pop("accountId")
    assert start == {
        "event": "start",
        "sequenceNumber": 0,
        "start": {
            "callId": "7a",
            "streamId": "7",
            "tracks": ["inbound", "outbound"],
            "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 8000},
        },
        "extra_headers": "{}",
    }
    assert one.close() == []
    assert not one.waits_for_server


def test_token_and_notice_are_extra_headers_and_a_key_is_a_header() -> None:
    given = {"url": "ws://h/p", "call_id": "x", "roles": ("customer",), "token": "t", "notice": True}
    (one,) = speakers(CallOptions(key="id:k", **given))  # type: ignore[arg-type]
    assert one.headers == {"Authorization": "Basic aWQ6aw=="}
    assert json.loads(json.loads(one.open()[0])["extra_headers"]) == {"token": "t", "notice": "true"}
    assert speakers(CallOptions(key="k", **given))[0].headers == {"Authorization": "Bearer k"}  # type: ignore[arg-type]
    assert speakers(CALL)[0].headers == {}
