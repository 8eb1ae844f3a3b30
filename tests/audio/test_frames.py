"""Frames measured in batches are what each is by itself, whoever else is in the batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.audio import g711
from streamer.audio.frames import FRAME, FRAME_MS, RATE_HZ, Frames, linear

frames = st.builds(
    lambda seed, among: bytes(np.random.default_rng(seed).choice(list(among), FRAME).astype(np.uint8)),
    st.integers(0, 2**32 - 1),
    st.one_of(st.just(bytes(range(256))), st.binary(min_size=1, max_size=4)),
)
"""160 codes: of all there are, or of a few."""
batches = st.lists(frames, max_size=12)


def test_a_frame_is_20_ms_at_8_khz() -> None:
    assert FRAME == RATE_HZ * FRAME_MS // 1000 == 160


@given(batches)
def test_each_figure_is_what_its_frame_says_sample_by_sample(batch: list[bytes]) -> None:
    measured = Frames(b"".join(batch))
    assert len(measured.energy) == len(measured.clipped) == len(batch)
    for n, codes in enumerate(batch):
        samples = [int(sample) for sample in g711.decode_mulaw(codes)]
        assert measured.energy[n] == sum(sample * sample for sample in samples)
        assert measured.clipped[n] == sum(abs(sample) == 32_124 for sample in samples)
    assert measured.linear == g711.decode_mulaw(b"".join(batch)).tobytes()


@given(batches, st.data())
def test_who_else_is_in_the_batch_changes_no_bit(batch: list[bytes], data: st.DataObject) -> None:
    whole = Frames(b"".join(batch))
    cut = data.draw(st.integers(0, len(batch)))
    first, second = Frames(b"".join(batch[:cut])), Frames(b"".join(batch[cut:]))
    assert first.energy + second.energy == whole.energy
    assert first.clipped + second.clipped == whole.clipped
    assert first.linear + second.linear == whole.linear


def test_a_thousand_of_the_loudest_frames_are_still_exact() -> None:
    measured = Frames(b"\x00" * (FRAME * 1000))
    assert measured.energy == [32_124.0**2 * FRAME] * 1000
    assert measured.clipped == [FRAME] * 1000


def test_no_frame_is_measured_as_none() -> None:
    measured = Frames(b"")
    assert (measured.linear, measured.energy, measured.clipped) == (b"", [], [])


@given(st.integers(1, 2000).filter(lambda n: n % FRAME))
def test_what_is_no_whole_frame_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"got {length} codes, expected a multiple of 160"):
        Frames(bytes(length))


@given(st.binary(max_size=500))
def test_codes_stand_for_their_linear_samples(codes: bytes) -> None:
    for given_as in (codes, bytearray(codes)):
        found = linear(given_as)
        assert found.dtype == np.int16
        np.testing.assert_array_equal(found, g711.decode_mulaw(codes))
