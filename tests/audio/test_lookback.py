"""What is kept of audio, against a plain array of all of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.audio import g711
from streamer.audio.lookback import Lookback, Lost

places = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 40)), max_size=12)


@given(pieces=st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=20), data=st.data())
def test_whatever_is_forgotten_the_rest_is_what_came(pieces: list[bytes], data: st.DataObject) -> None:
    kept, begin = Lookback(), data.draw(st.integers(0, 1000))
    everything = b""
    for piece in pieces:
        kept.extend(piece, begin + len(everything))
        everything += piece
        kept.forget(data.draw(st.integers(kept.begin, begin + len(everything))))
        since = data.draw(st.integers(kept.begin, begin + len(everything)))
        until = data.draw(st.integers(since, begin + len(everything)))
        expected = g711.decode_mulaw(everything[since - begin : until - begin])
        np.testing.assert_array_equal(kept.linear(since, until), expected)


def test_what_comes_after_all_was_let_go_may_be_anywhere() -> None:
    kept = Lookback()
    kept.extend(b"abc", 10)
    kept.clear()
    kept.extend(b"de", 500)
    assert kept.begin == 500
    np.testing.assert_array_equal(kept.linear(500, 502), g711.decode_mulaw(b"de"))


def test_it_is_long_when_forgetting_is_worth_its_while() -> None:
    kept = Lookback()
    kept.extend(bytes(4100), 0)
    assert not kept.is_long(100)
    kept.extend(b"a", 4100)
    assert kept.is_long(100)
    kept.forget(4001)
    assert not kept.is_long(100)


@given(found=places, begin=st.integers(0, 500), length=st.integers(0, 500), before=st.integers(0, 500))
def test_what_was_lost_is_counted_and_forgotten(
    found: list[tuple[int, int]], begin: int, length: int, before: int
) -> None:
    lost, missing, at = Lost(), np.zeros(1000, bool), 0
    for gap, size in found:
        at += gap % 20
        lost.note(at, at + size)
        missing[at : at + size] = True
        at += size
    assert len(lost) == len(found)
    assert lost.between(begin, begin + length) == missing[begin : begin + length].sum()
    lost.forget(before)
    assert lost.between(before, before + length) == missing[before : before + length].sum()


def test_it_says_when_there_are_many() -> None:
    lost = Lost()
    said = [lost.note(100 * n, 100 * n + 10) for n in range(64)]
    assert said == [False] * 63 + [True]
