from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamer_client.dialects.audiosocket import speakers, uuid_of
from streamer_client.dialects.speaker import CallOptions, Speaker
from streamer_client.errors import OptionError

CALL = "40325ec2-5efd-4bd3-805f-53576e581d13"


def stream(roles: tuple[str, ...] = ("customer",), call_id: str = CALL) -> Speaker:
    (speaker,) = speakers(CallOptions(url="tcp://127.0.0.1:8766", call_id=call_id, roles=roles))
    return speaker


def test_a_stream_begins_with_the_uuid_and_has_no_last_word() -> None:
    speaker = stream()
    assert speaker.url == "tcp://127.0.0.1:8766"
    assert speaker.open() == [b"\x01\x00\x10" + uuid.UUID(CALL).bytes]
    assert speaker.close() == speaker.pause(0) == speaker.resume(0, 20) == speaker.receive(b"anything") == []
    assert speaker.may_send


def test_a_call_id_that_is_no_uuid_always_gives_the_same_one() -> None:
    assert uuid_of("call") == uuid_of("call") != uuid_of("call-2")
    assert stream(call_id="call").open() == [b"\x01\x00\x10" + uuid_of("call").bytes]


@settings(deadline=None)
@given(frames=st.integers(0, 70_000))
def test_packets_hold_all_samples_in_order(frames: int) -> None:
    samples = np.arange(frames, dtype=np.int64).astype(np.int16).reshape(-1, 1)
    packets = stream().audio(samples, 0)
    payloads = []
    for packet in packets:
        assert isinstance(packet, bytes)
        assert packet[0] == 0x10
        assert int.from_bytes(packet[1:3], "big") == len(packet) - 3 > 0
        payloads.append(packet[3:])
    assert b"".join(payloads) == samples.astype("<i2").tobytes()


@pytest.mark.parametrize(("roles", "channel"), [(("agent",), 0), (("agent", "customer"), 1), (("unknown",), 0)])
def test_of_several_parties_the_customer_is_sent(roles: tuple[str, ...], channel: int) -> None:
    assert stream(roles).channels == (channel,)


@pytest.mark.parametrize("roles", [(), ("agent", "unknown"), ("customer", "customer")])
def test_several_parties_without_one_customer_are_refused(roles: Any) -> None:
    with pytest.raises(OptionError, match="one party"):
        stream(roles)
