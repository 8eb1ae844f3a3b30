from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from streamer_client.dialects.speaker import CallOptions
from streamer_client.dialects.vonage import PATH, speakers

from streamer.wire.events import Start
from streamer.wire.vonage import Vonage

URL = f"ws://127.0.0.1:8765{PATH}"


def options(roles: tuple[str, ...] = ("customer", "agent"), **more: Any) -> CallOptions:
    return CallOptions(url=URL, call_id="c1", roles=roles, **more)


def test_the_first_message_is_as_the_vendor_describes_it() -> None:
    (speaker,) = speakers(options(key="s3cret"))
    (first,) = map(json.loads, speaker.open())
    assert first == {"event": "websocket:connected", "content-type": "audio/l16;rate=8000", "call-id": "c1"}
    assert speaker.headers == {"Authorization": "Bearer s3cret"}


def test_the_server_understands_it() -> None:
    (first,) = speakers(options(notice=True))[0].open()
    (start,) = Vonage(lambda: "made").receive(first)
    assert isinstance(start, Start)
    assert (start.call_id, start.rate_hz, start.notice) == ("c1", 8000, True)


@pytest.mark.parametrize(
    ("frame", "mixed"), [([100, 200], 300), ([-5, 5], 0), ([32000, 32000], 32767), ([-32000, -32000], -32768)]
)
def test_all_parties_go_out_as_one_and_loud_ones_are_clipped(frame: list[int], mixed: int) -> None:
    (speaker,) = speakers(options())
    samples = np.array([frame, frame], np.int16)
    assert speaker.audio(samples, 0) == [2 * mixed.to_bytes(2, "little", signed=True)]
    assert speaker.audio(samples[:0], 0) == []


def test_one_party_goes_out_as_it_is() -> None:
    (speaker,) = speakers(options(("customer",)))
    samples = np.arange(-500, 500, dtype=np.int16).reshape(-1, 1)
    assert speaker.audio(samples, 0) == [samples.tobytes()]
