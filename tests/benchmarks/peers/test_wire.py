"""What is said on the socket: whatever a client of ours or Twilio sends is understood, and nothing else is taken."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.calls import RATE_HZ, demo_call, tape
from benchmarks.peers.wire import Goodbye, Hello, Native, Twilio, WireError
from streamer.audio.g711 import encode_mulaw

CALL = demo_call()[2 * RATE_HZ : 3 * RATE_HZ]
TWILIO_START = json.dumps(
    {"event": "start", "streamSid": "MZ1", "start": {"callSid": "CA1", "tracks": ["outbound", "inbound"]}}
)


def start(encoding: str, *roles: str, rate_hz: int = 8000) -> str:
    channels = [{"role": role} for role in roles]
    fields = {"call_id": "c", "channels": channels, "encoding": encoding, "sample_rate": rate_hz, "events": True}
    return json.dumps({"type": "start", "version": 1} | fields)


@given(st.lists(st.integers(0, 40), max_size=30), st.sampled_from(["pcmu", "pcm_s16le"]), st.integers(1, 2))
def test_however_native_audio_is_split_each_channel_has_its_samples(
    sizes: list[int], encoding: str, n_channels: int
) -> None:
    width = 1 if encoding == "pcmu" else 2
    whole = bytes(n % 251 for n in range(sum(sizes) // (width * n_channels) * width * n_channels))
    stream = Native()
    hello = stream.read(start(encoding, *["customer", "agent"][:n_channels]))
    assert hello == Hello("c", ("customer", "agent")[:n_channels], encoding == "pcm_s16le", wants_events=True)
    channels = [b""] * n_channels
    for end, size in zip(np.cumsum(sizes), sizes, strict=True):
        for channel, payload in stream.read(whole[end - size : end]):
            channels[channel] += payload
    for channel in range(n_channels):
        samples = [whole[at : at + width] for at in range(0, len(whole), width)]
        assert channels[channel] == b"".join(samples[channel::n_channels])


def test_a_call_of_twilio_is_heard_on_both_tracks_whatever_their_order() -> None:
    taped = tape("twilio", CALL, 32 * "a")
    stream = Twilio()
    assert stream.read('{"event":"connected","protocol":"Call"}') == []
    assert stream.read(TWILIO_START) == Hello("CA1", ("agent", "customer"))
    heard = [b"", b""]
    for message in (message for block in taped.blocks for message in block):
        ((channel, payload),) = stream.read(message)
        heard[channel] += payload
    customer, agent = (encode_mulaw(np.ascontiguousarray(side)) for side in CALL.T)
    assert heard == [agent, customer]
    assert [stream.read(message) for message in taped.last] == [Goodbye()]


@pytest.mark.parametrize(
    "message", [start("pcma", "customer"), start("pcmu"), start("pcmu", "customer", rate_hz=16000)]
)
def test_what_a_peer_cannot_take_is_refused_in_words(message: str) -> None:
    with pytest.raises(WireError, match="a peer takes pcmu or pcm_s16le, 8000 Hz, 1 or 2 channels; got"):
        Native().read(message)


@pytest.mark.parametrize(
    ("stream", "message", "words"),
    [
        (Native(), "{", "expected a message of the native protocol"),
        (Native(), '{"type":"pause"}', "got 'pause'"),
        (Native(), b"audio", "audio came before 'start'"),
        (Twilio(), "{", "expected a message of Twilio"),
        (Twilio(), b"audio", "expected a message of Twilio"),
        (Twilio(), '{"event":"media","media":{"payload":"","track":"inbound"}}', "audio on track 'inbound'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(stream: Native | Twilio, message: str | bytes, words: str) -> None:
    with pytest.raises(WireError, match=words):
        stream.read(message)
