"""What the platform's sides of the family do alike; each one's words are in its own tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamer_client import g711
from streamer_client.dialects import exotel, plivo, signalwire, telnyx
from streamer_client.dialects.media_json import linear
from streamer_client.dialects.speaker import CallOptions, Samples, Speaker
from streamer_client.errors import OptionError

FAMILY: list[tuple[Any, str, Callable[[Samples], bytes]]] = [
    (signalwire, "sequenceNumber", g711.encode_mulaw),
    (telnyx, "sequence_number", g711.encode_mulaw),
    (plivo, "sequenceNumber", linear),
    (exotel, "sequence_number", linear),
]
TRACKS = {"inbound": "customer", "outbound": "agent", "": "customer"}


def speaker(module: Any, roles: tuple[str, ...] = ("agent", "customer"), **more: Any) -> Speaker:
    options = CallOptions(url=f"ws://host{module.PATH}", call_id="CA1", roles=roles, stream_id="5" * 32, **more)
    (only,) = module.speakers(options)
    one: Speaker = only
    return one


def texts(messages: list[Any]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


@pytest.mark.parametrize(("module", "number", "encode"), FAMILY)
@settings(deadline=None, max_examples=20)
@given(lengths=st.lists(st.integers(1, 2000), max_size=8), seed=st.integers(0, 9))
def test_each_track_carries_its_channel_with_its_place(
    module: Any, number: str, encode: Callable[[Samples], bytes], lengths: list[int], seed: int
) -> None:
    one = speaker(module)
    samples = np.random.default_rng(seed).integers(-32768, 32768, (sum(lengths), 2)).astype(np.int16)
    samples = samples[:, list(one.channels)]
    roles = [("agent", "customer")[channel] for channel in one.channels]
    said, at, places = texts(one.open()), 0, []
    for length in lengths:
        said += texts(one.audio(samples[at : at + length], at / 8))
        places.append(str(at // 8))
        at += length
    media = [message["media"] for message in said if message["event"] == "media"]
    for column, role in enumerate(roles):
        mine = [one for one in media if TRACKS[one.get("track", "")] == role]
        assert b"".join(base64.b64decode(one["payload"]) for one in mine) == encode(samples[:, column])
        assert [one["timestamp"] for one in mine] == places
        assert [int(one["chunk"]) for one in mine] == list(range(1, len(lengths) + 1))
    numbers = [int(message[number]) for message in said if number in message]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize(("module", "number", "encode"), FAMILY)
def test_a_call_on_hold_is_a_jump_of_the_timestamps_and_no_word(module: Any, number: str, encode: Any) -> None:
    del number, encode
    one = speaker(module)
    assert one.may_send
    assert one.pause(20) == one.resume(5020, 5000) == one.receive("whatever") == []
    media = texts(one.audio(np.zeros((160, len(one.channels)), np.int16), 5020))[0]["media"]
    assert media["timestamp"] == "5020"
    assert one.audio(np.zeros((0, len(one.channels)), np.int16), 5040) == []
    with pytest.raises(ValueError, match="channels"):
        one.audio(np.zeros((160, 5), np.int16), 0)


@pytest.mark.parametrize("module", [signalwire, telnyx, plivo])
@pytest.mark.parametrize("roles", [(), ("unknown",), ("customer", "customer"), ("customer", "agent", "agent")])
def test_roles_without_a_track_are_refused(module: Any, roles: tuple[str, ...]) -> None:
    with pytest.raises(OptionError, match="two tracks"):
        speaker(module, roles)
