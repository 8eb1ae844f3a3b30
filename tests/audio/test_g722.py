"""G.722 against another decoder: the digests are of FFmpeg's output (PyAV 18.1) for the same bytes."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.audio.g722 import G722Decoder

EVERY_BYTE = bytes((n * 97 + n // 256 * 31) % 256 for n in range(16_000))
"""Two seconds of codes that follow no speech: the predictors are driven to their limits."""
FFMPEG_SHA256 = "318ae8635b45a449e94661b6d9fb0a87dcd0a89cf46c0262e8bc634a124eed4e"


def test_samples_are_those_of_another_decoder_bit_for_bit() -> None:
    decoded = G722Decoder().decode(EVERY_BYTE)
    assert len(decoded) == 4 * len(EVERY_BYTE)
    assert hashlib.sha256(decoded).hexdigest() == FFMPEG_SHA256


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=30))
def test_any_cut_of_the_same_bytes_gives_the_same_samples(lengths: list[int]) -> None:
    whole = G722Decoder().decode(EVERY_BYTE)
    decoder, parts, at = G722Decoder(), [], 0
    for length in [*lengths, len(EVERY_BYTE)]:
        parts.append(decoder.decode(EVERY_BYTE[at : at + length]))
        at += length
    assert b"".join(parts) == whole


def test_each_decoder_has_a_memory_of_its_own() -> None:
    first, second = G722Decoder(), G722Decoder()
    first.decode(EVERY_BYTE)
    assert second.decode(EVERY_BYTE[:160]) == G722Decoder().decode(EVERY_BYTE[:160]) != first.decode(EVERY_BYTE[:160])


def test_no_bytes_are_no_samples() -> None:
    assert G722Decoder().decode(b"") == b""
