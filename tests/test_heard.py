"""Numbers of utterances."""

from __future__ import annotations

from streamer.heard import Numbers


def test_numbers_count_from_one_whoever_asks() -> None:
    numbers = Numbers()
    assert [numbers.next() for _ in range(3)] == [1, 2, 3]
    assert numbers.last == 3
