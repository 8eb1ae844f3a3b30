from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.linear import ByteOrder, Samples

cuts = st.lists(st.integers(0, 40), max_size=30)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Return data in pieces of these sizes, and what is left as the last."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def together(samples: Samples, pieces: list[bytes], channels: int) -> list[bytes]:
    """Return what came out of each channel."""
    found = [samples.receive(piece) for piece in pieces]
    assert all(len(one) in (0, channels) for one in found)
    assert all(channel for one in found for channel in one)
    return [b"".join(one[channel] for one in found if one) for channel in range(channels)]


@given(
    channels=st.integers(1, 3),
    kind=st.sampled_from([(1, "little"), (1, "big"), (2, "little"), (2, "big")]),
    values=st.lists(st.integers(-32768, 32767), max_size=60),
    sizes=cuts,
)
def test_however_a_stream_is_cut_each_channel_gets_its_samples(
    channels: int, kind: tuple[int, ByteOrder], values: list[int], sizes: list[int]
) -> None:
    width, order = kind
    frames = np.array(values[: len(values) // channels * channels]).reshape(-1, channels)
    wire = {1: "i1", 2: "<i2" if order == "little" else ">i2"}[width]
    data = frames.astype(wire).tobytes()
    samples = Samples(channels, bytes_per_sample=width, byte_order=order)
    expected = [frames[:, channel].astype("i1" if width == 1 else "<i2").tobytes() for channel in range(channels)]
    assert together(samples, cut(data, sizes), channels) == expected
    assert samples.waiting == 0


@given(channels=st.integers(1, 3), data=st.binary(max_size=100), sizes=cuts)
def test_what_is_no_whole_frame_waits(channels: int, data: bytes, sizes: list[int]) -> None:
    samples = Samples(channels)
    out = together(samples, cut(data, sizes), channels)
    assert samples.waiting == len(data) % (2 * channels)
    assert sum(map(len, out)) == len(data) - samples.waiting


def test_the_caller_and_the_callee_are_told_apart() -> None:
    assert Samples(2).receive(b"\x01\x02\x03\x04\x05\x06\x07\x08") == (b"\x01\x02\x05\x06", b"\x03\x04\x07\x08")


def test_the_high_byte_first_is_turned_round() -> None:
    assert Samples(1, byte_order="big").receive(b"\x01\x02\x03\x04\x05") == (b"\x02\x01\x04\x03",)


@pytest.mark.parametrize("channels", [1, 2])
def test_an_empty_message_gives_nothing(channels: int) -> None:
    assert Samples(channels).receive(b"") == ()


def test_half_a_frame_can_be_forgotten() -> None:
    samples = Samples(2)
    assert samples.receive(b"\x01\x02\x03\x04\x05\x06\x07") == (b"\x01\x02", b"\x03\x04")
    assert samples.discard() == 3
    assert samples.discard() == 0
    assert samples.receive(b"\x11\x12\x13\x14") == (b"\x11\x12", b"\x13\x14")


@pytest.mark.parametrize(
    "wrong", [{"channels": 0}, {"bytes_per_sample": 3}, {"bytes_per_sample": 0}, {"byte_order": "middle"}]
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected 1 or more of 1 or 2 bytes"):
        Samples(**wrong)
