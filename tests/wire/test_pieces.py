"""Pieces of audio that are put together and taken apart again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.audio.timeline import Timeline
from streamer.wire.events import Audio
from streamer.wire.pieces import apart, joined

MULAW = 8000
"""Bytes a second."""


def steady(n: int, channel: int = 0, begin_ms: int = 0, step_ms: int = 20) -> list[Audio]:
    return [Audio(channel, bytes([k % 256]) * 8 * step_ms, begin_ms + k * step_ms) for k in range(n)]


def test_pieces_of_two_parties_become_one_of_each() -> None:
    pieces = [piece for both in zip(steady(5, 0), steady(5, 1, 7), strict=True) for piece in both]
    assert joined(pieces, MULAW) == [
        Audio(0, b"".join(piece.payload for piece in steady(5)), 0, 5),
        Audio(1, b"".join(piece.payload for piece in steady(5)), 7, 5),
    ]


odd_pieces = st.lists(
    st.builds(
        Audio,
        channel=st.integers(0, 1),
        payload=st.sampled_from([b"", b"a" * 160, b"b" * 160, b"c" * 80, b"d" * 161]),
        media_ms=st.sampled_from([None, 0, 20, 20, 40, 60, 30, 20.0, -20]),
    ),
    max_size=8,
)


@given(odd_pieces)
def test_whatever_comes_nothing_is_lost_by_it(pieces: list[Audio]) -> None:
    back = [piece for audio in joined(pieces, MULAW) for piece in apart(audio, MULAW)]
    for channel in (0, 1):
        expected = [piece for piece in pieces if piece.channel == channel]
        found = [piece for piece in back if piece.channel == channel]
        assert b"".join(one.payload for one in found) == b"".join(one.payload for one in expected)
        if any(piece.media_ms is not None for piece in expected):
            assert found == expected
        else:
            assert sum(piece.pieces for piece in found) == len(expected)


@pytest.mark.parametrize(
    "pieces",
    [
        steady(1) + steady(1, begin_ms=21),
        steady(1) + steady(1, begin_ms=19),
        [*steady(2), Audio(0, b"a" * 80, 40)],
        [Audio(0, b"", 0), Audio(0, b"", 0)],
        [Audio(0, b"a" * 160, None), Audio(0, b"a" * 160, 20)],
        [Audio(0, b"a" * 4, 0), Audio(0, b"a" * 4, 0)],
    ],
)
def test_pieces_that_leave_a_hole_overlap_or_differ_stay_apart(pieces: list[Audio]) -> None:
    assert joined(pieces, MULAW) == pieces


def test_where_a_piece_is_no_whole_number_of_samples_in_a_ms_it_stays_alone() -> None:
    pieces = [Audio(0, bytes(1764), 0), Audio(0, bytes(1764), 20)]  # 44.1 kHz
    assert joined(pieces, 88_200) == pieces


@given(
    late_ms=st.integers(-60, 60),
    n=st.integers(1, 8),
    step_ms=st.sampled_from([1, 5, 20, 60]),
    begun=st.booleans(),
)
def test_the_clock_takes_pieces_together_as_it_takes_them_one_by_one(
    late_ms: int, n: int, step_ms: int, *, begun: bool
) -> None:
    together, alone = Timeline(8000), Timeline(8000)
    for one in (together, alone):
        if begun:
            one.place(b"a" * 8000, 0)
    pieces = steady(n, begin_ms=1000 + late_ms, step_ms=step_ms)
    (audio,) = joined(pieces, MULAW)
    taken = together.follows(len(audio.payload), audio.media_ms, audio.pieces)
    for piece in pieces if taken else pieces[:1]:
        assert alone.follows(len(piece.payload), piece.media_ms) == taken
    assert together.position == alone.position
