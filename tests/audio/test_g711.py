"""G.711 by table is the recommendation, code point by code point."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.audio.g711 import (
    MULAW_SILENCE,
    decode_alaw,
    decode_mulaw,
    encode_alaw,
    encode_mulaw,
    transcode_alaw,
)

ALL_CODES = bytes(range(256))
ALL_SAMPLES = np.arange(-32768, 32768).astype(np.int16)

# Tables 1a and 2a of G.711 (11/1988), column by column: the decision values at the segments' ends in the
# recommendation's own units (13-bit A-law, 14-bit mu-law), from which sixteen equal steps follow for each segment.
ALAW_SEGMENT_ENDS = [0, 32, 64, 128, 256, 512, 1024, 2048, 4096]
MULAW_SEGMENT_ENDS = [-1, 31, 95, 223, 479, 991, 2015, 4063, 8159]

# The character signal of each law's first positive code: A-law 1101 0101 (even bits inverted), mu-law 1111 1111.
ALAW_FIRST_POSITIVE = 0b11010101
MULAW_FIRST_POSITIVE = 0b11111111


def steps(ends: list[int]) -> list[tuple[float, float]]:
    """Lower and upper decision value of each of the 128 steps."""
    found = []
    for low, high in pairwise(ends):
        width = (high - low) / 16
        found += [(low + n * width, low + (n + 1) * width) for n in range(16)]
    return found


@pytest.mark.parametrize("n", range(128))
def test_each_alaw_code_is_the_middle_of_its_step(n: int) -> None:
    low, high = steps(ALAW_SEGMENT_ENDS)[n]
    middle = 8 * (low + high) / 2
    # Table 1a numbers the codes upwards from 1000 0000 before the even bits are inverted.
    code = (0x80 | n) ^ 0x55
    assert decode_alaw(bytes([code])).tolist() == [middle]
    assert decode_alaw(bytes([code & 0x7F])).tolist() == [-middle]


@pytest.mark.parametrize("n", range(128))
def test_each_mulaw_code_is_the_middle_of_its_step(n: int) -> None:
    low, high = steps(MULAW_SEGMENT_ENDS)[n]
    middle = 4 * (low + high) / 2
    # Table 2a numbers the codes downwards from 1111 1111.
    code = 0xFF - n
    assert decode_mulaw(bytes([code])).tolist() == [middle]
    assert decode_mulaw(bytes([code & 0x7F])).tolist() == [-middle]


def test_the_landmarks_of_the_recommendation_stand() -> None:
    assert decode_mulaw(bytes([0xFF, 0x7F, 0x80, 0x00])).tolist() == [0, 0, 8031 * 4, -8031 * 4]
    assert decode_alaw(bytes([0xD5, 0x55, 0xAA, 0x2A])).tolist() == [8, -8, 4032 * 8, -4032 * 8]
    assert encode_mulaw(np.zeros(1, np.int16))[0] == MULAW_FIRST_POSITIVE
    assert encode_alaw(np.zeros(1, np.int16))[0] == ALAW_FIRST_POSITIVE


def test_every_alaw_code_survives_decoding_and_encoding() -> None:
    assert encode_alaw(decode_alaw(ALL_CODES)) == ALL_CODES


def test_every_mulaw_code_but_negative_zero_survives_decoding_and_encoding() -> None:
    # The two zeros of mu-law are one linear value; 16-bit silence is the positive one.
    expected = ALL_CODES.replace(b"\x7f", b"\xff")
    assert encode_mulaw(decode_mulaw(ALL_CODES)) == expected


@pytest.mark.parametrize(
    ("encode", "decode"), [(encode_mulaw, decode_mulaw), (encode_alaw, decode_alaw)], ids=["mulaw", "alaw"]
)
def test_a_louder_sample_is_never_a_quieter_code(
    encode: Callable[[np.ndarray], bytes], decode: Callable[[bytes], np.ndarray]
) -> None:
    heard = decode(encode(ALL_SAMPLES)).astype(int)
    assert (np.diff(heard) >= 0).all()


@pytest.mark.parametrize(
    ("encode", "decode", "ends", "unit"),
    [(encode_mulaw, decode_mulaw, MULAW_SEGMENT_ENDS, 4), (encode_alaw, decode_alaw, ALAW_SEGMENT_ENDS, 8)],
    ids=["mulaw", "alaw"],
)
def test_every_sample_lands_within_half_a_step_of_its_segment(
    encode: Callable[[np.ndarray], bytes], decode: Callable[[bytes], np.ndarray], ends: list[int], unit: int
) -> None:
    sample = ALL_SAMPLES.astype(int)
    magnitude = np.abs(sample)
    segment = np.clip(np.searchsorted(np.array(ends[1:]) * unit, magnitude, side="right"), 0, 7)
    half_step = np.diff(ends)[segment] / 16 * unit / 2
    overload = ends[-1] * unit
    error = np.abs(decode(encode(ALL_SAMPLES)).astype(int) - sample)
    inside = magnitude <= overload
    assert (error[inside] <= half_step[inside]).all()
    loudest = int(decode(encode(np.array([32767], np.int16)))[0])
    assert (error[~inside] == magnitude[~inside] - loudest).all()


@pytest.mark.parametrize(("encode", "sign"), [(encode_mulaw, 0x80), (encode_alaw, 0x80)], ids=["mulaw", "alaw"])
def test_the_sign_bit_is_set_for_samples_that_are_not_negative(
    encode: Callable[[np.ndarray], bytes], sign: int
) -> None:
    codes = np.frombuffer(encode(ALL_SAMPLES), np.uint8)
    assert ((codes & sign != 0) == (ALL_SAMPLES >= 0)).all()


@given(st.binary(max_size=500))
def test_a_code_means_the_same_wherever_it_stands(data: bytes) -> None:
    for decode in (decode_mulaw, decode_alaw):
        whole = decode(data)
        assert whole.dtype == np.int16
        assert whole.tolist() == [int(decode(bytes([code]))[0]) for code in data]


def test_samples_with_strides_are_encoded_in_their_order() -> None:
    every_second = ALL_SAMPLES[::2]
    assert encode_mulaw(every_second) == encode_mulaw(every_second.copy())


@pytest.mark.parametrize("encode", [encode_mulaw, encode_alaw])
def test_floats_are_refused_in_words(encode: Callable[[np.ndarray], bytes]) -> None:
    with pytest.raises(TypeError, match="int16 samples, got float32"):
        encode(np.zeros(3, np.float32))


@given(st.binary(max_size=500).map(lambda some: some + ALL_CODES))
def test_a_law_turned_into_mu_law_is_decoded_and_encoded(codes: bytes) -> None:
    assert transcode_alaw(codes) == encode_mulaw(decode_alaw(codes))


def test_silence_is_one_code_that_stands_for_zero() -> None:
    assert encode_mulaw(np.zeros(3, np.int16)) == 3 * MULAW_SILENCE
    assert list(decode_mulaw(MULAW_SILENCE)) == [0]
