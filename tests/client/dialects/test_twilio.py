from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.dialects.speaker import CallOptions
from streamer_client.dialects.twilio import Twilio, headers
from streamer_client.errors import OptionError
from streamer_client.g711 import encode_mulaw


def stream(roles: tuple[str, ...] = ("customer", "agent"), **more: Any) -> Twilio:
    return Twilio(CallOptions(url="ws://host/twilio", call_id="CA1", roles=roles, stream_id="1", **more))


def test_a_stream_begins_as_the_vendor_describes_it() -> None:
    connected, start = map(json.loads, stream(token="c0ffee", notice=True).open())
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": "MZ1",
        "start": {
            "accountSid": "AC00000000000000000000000000000000",
            "callSid": "CA1",
            "streamSid": "MZ1",
            "tracks": ["inbound", "outbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": "c0ffee", "notice": "true"},
        },
    }


@given(lengths=st.lists(st.integers(1, 2000), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_each_track_carries_its_channel_in_order_with_numbers_as_strings(lengths: list[int], seed: int) -> None:
    samples = np.random.default_rng(seed).integers(-32768, 32768, (sum(lengths), 2)).astype(np.int16)
    twilio = stream(("agent", "customer"))
    opening = twilio.open()
    messages, at, positions = [], 0, []
    for length in lengths:
        positions.append(1000 * at // 8000)
        messages += map(json.loads, twilio.audio(samples[at : at + length], at / 8))
        at += length
    for channel, track in enumerate(("outbound", "inbound")):
        media = [message["media"] for message in messages if message["media"]["track"] == track]
        assert b"".join(base64.b64decode(m["payload"]) for m in media) == encode_mulaw(samples[:, channel])
        assert [m["timestamp"] for m in media] == list(map(str, positions))
        assert [m["chunk"] for m in media] == [str(n + 1) for n in range(len(lengths))]
    numbers = [message["sequenceNumber"] for message in messages]
    assert numbers == [str(n) for n in range(len(opening), len(opening) + len(messages))]


def test_the_last_word_is_stop_with_the_next_number() -> None:
    twilio = stream(("customer",))
    twilio.open()
    twilio.audio(np.zeros((160, 1), dtype=np.int16), 0)
    (stop,) = map(json.loads, twilio.close())
    assert (stop["event"], stop["sequenceNumber"], stop["stop"]["callSid"]) == ("stop", "3", "CA1")


@pytest.mark.parametrize("roles", [(), ("unknown",), ("customer", "customer"), ("customer", "agent", "agent")])
def test_roles_that_twilio_has_no_track_for_are_refused(roles: Any) -> None:
    with pytest.raises(OptionError, match="two tracks"):
        stream(roles)


def test_a_call_on_hold_is_a_jump_of_the_timestamps_and_no_word() -> None:
    twilio = stream(("customer",))
    assert twilio.pause(20) == twilio.resume(5020, 5000) == []
    (media,) = map(json.loads, twilio.audio(np.zeros((160, 1), dtype=np.int16), 5020))
    assert media["media"]["timestamp"] == "5020"


def test_the_signature_is_that_of_the_url_as_it_would_stand_in_twiml() -> None:
    # Worked out with: printf %s wss://voice.example.com/twilio | openssl dgst -sha1 -hmac 12345 -binary | base64
    expected = {"X-Twilio-Signature": "/9CePW9ateVCsfEI0ovxcY95674="}
    assert headers("12345", "wss://voice.example.com/twilio") == expected
    assert headers("12345", "ws://voice.example.com/twilio") == expected
    assert headers("12346", "wss://voice.example.com/twilio") != expected
    assert stream(key="12345").headers == headers("12345", "wss://host/twilio")
    assert stream().headers == {}
