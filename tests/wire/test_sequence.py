from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.events import Missing
from streamer.wire.sequence import MessageNumbers


def counted(numbers: list[int]) -> list[Missing]:
    sequence = MessageNumbers()
    return [missing for number in numbers for missing in sequence.receive(number)]


def test_the_first_number_is_where_the_count_begins() -> None:
    assert counted([7, 8, 9]) == []


def test_a_jump_is_what_is_missing_and_a_latecomer_takes_it_back() -> None:
    assert counted([1, 4, 2, 5]) == [Missing(2), Missing(-1)]


def test_a_number_that_comes_again_changes_nothing() -> None:
    assert counted([1, 2, 2, 1, 3]) == []


def test_a_jump_beyond_a_quarter_of_an_hour_is_a_new_count() -> None:
    assert counted([1, 10_000_000, 10_000_001]) == []


@settings(deadline=None)
@given(st.permutations(range(1, 40)))
def test_in_the_end_nothing_is_missing_of_what_came(order: list[int]) -> None:
    missing = sum(event.messages for event in counted([0, *order]))
    assert missing == 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**15), max_size=200))
def test_any_numbers_are_taken_and_memory_is_bounded(numbers: list[int]) -> None:
    sequence = MessageNumbers()
    for number in numbers:
        sequence.receive(number)
    assert len(sequence._missing) <= 1000


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=20), st.integers(0, 30))
def test_messages_with_the_next_numbers_may_be_taken_together(before: list[int], messages: int) -> None:
    together, alone = MessageNumbers(), MessageNumbers()
    for number in before:
        assert together.receive(number) == alone.receive(number)
    assert together.next is not None
    for number in range(together.next, together.next + messages):
        assert alone.receive(number) == []
    together.follow(messages)
    assert (together.next, together._missing) == (alone.next, alone._missing)


def test_the_first_number_says_where_the_count_begins() -> None:
    numbers = MessageNumbers()
    assert numbers.next is None
    numbers.follow(3)
    assert numbers.next is None
    numbers.receive(7)
    assert numbers.next == 8
