from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.events import Missing
from streamer.wire.sequence import Sequence


def counted(numbers: list[int]) -> list[Missing]:
    sequence = Sequence()
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
    sequence = Sequence()
    for number in numbers:
        sequence.receive(number)
    assert len(sequence._missing) <= 1000


@given(st.lists(st.one_of(st.sampled_from([1, 1, 1, 0, 2, -1, -3, 50]), st.integers(-2000, 2000)), max_size=60))
def test_what_follows_is_taken_as_it_would_have_been_received(steps: list[int]) -> None:
    quick, slow, number = Sequence(), Sequence(), 1000
    for step in steps:
        number += step
        expected = slow.receive(number)
        found = [] if quick.follows(number) else quick.receive(number)
        assert found == expected
        assert (quick._next, quick._missing) == (slow._next, slow._missing)


def test_only_the_next_number_follows() -> None:
    sequence = Sequence()
    assert not sequence.follows(1), "the first says where the count begins"
    sequence.receive(1)
    assert [sequence.follows(number) for number in (2, 3, 3, 5, 4)] == [True, True, False, False, True]
