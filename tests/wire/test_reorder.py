from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.reorder import Reorder


def through(order: Reorder[int], numbers: list[int], ms: float | None = 20.0) -> list[int]:
    found = [item for n in numbers for item in order.receive(n, n, None if ms is None else n * ms)]
    return found + order.flush()


def test_what_comes_in_order_is_let_go_at_once() -> None:
    order: Reorder[str] = Reorder()
    assert [order.receive(n, f"m{n}", 20.0 * n) for n in (1, 2, 3)] == [["m1"], ["m2"], ["m3"]]
    assert order.late == 0


def test_a_message_that_was_overtaken_is_waited_for() -> None:
    order: Reorder[int] = Reorder()
    assert [order.receive(n, n, 20.0 * n) for n in (1, 3, 4, 2, 5)] == [[1], [], [], [2, 3, 4], [5]]


def test_the_first_message_may_itself_have_overtaken_another() -> None:
    assert through(Reorder(), [3, 2, 4, 5]) == [2, 3, 4, 5]


def test_a_message_that_never_comes_is_given_up_after_the_window() -> None:
    order: Reorder[int] = Reorder(window_ms=60)
    found = [order.receive(n, n, 20.0 * n) for n in (1, 3, 4, 5, 6)]
    assert found == [[1], [], [], [], [3, 4, 5, 6]]
    assert order.receive(2, 2, 40.0) == []
    assert order.late == 1


def test_without_a_clock_the_window_is_in_messages() -> None:
    order: Reorder[int] = Reorder(window=2)
    assert [order.receive(n, n) for n in (1, 3, 4, 5)] == [[1], [], [], [3, 4, 5]]


def test_with_no_window_in_time_nothing_is_waited_for() -> None:
    order: Reorder[int] = Reorder(window_ms=0)
    assert [order.receive(n, n, 20.0 * n) for n in (1, 3, 2, 4)] == [[1], [3], [], [4]]
    assert order.late == 1


def test_what_comes_twice_is_let_go_once() -> None:
    order: Reorder[int] = Reorder()
    assert through(order, [1, 1, 3, 3, 2, 2]) == [1, 2, 3]
    assert order.late == 3


def test_a_platform_that_counts_anew_is_followed() -> None:
    order: Reorder[int] = Reorder()
    through(order, list(range(1, 2000)))
    found = through(order, list(range(1, 200)))
    assert found == list(range(50, 200))
    assert order.late == 49


def test_at_the_end_nothing_is_held_back() -> None:
    order: Reorder[int] = Reorder()
    assert through(order, [1, 5, 3]) == [1, 3, 5]
    assert order.flush() == []
    assert order.receive(6, 6) == [6]


@settings(deadline=None)
@given(st.lists(st.integers(0, 8), max_size=60))
def test_what_falls_behind_by_no_more_than_the_window_is_put_in_order(behind: list[int]) -> None:
    numbers = list(range(1, len(behind) + 1))
    shuffled = [n for _, n in sorted((n + late, n) for n, late in zip(numbers, behind, strict=True))]
    order: Reorder[int] = Reorder(window=8, window_ms=1e9)
    assert through(order, shuffled) == numbers
    assert order.late == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=120), st.integers(1, 6), st.sampled_from([0.0, 40.0, 1e9]), st.booleans())
def test_in_any_case_each_message_is_let_go_once_or_counted(
    numbers: list[int], window: int, window_ms: float, clock: bool
) -> None:
    order: Reorder[int] = Reorder(window, window_ms)
    held = 0
    found = []
    for n in numbers:
        ready = order.receive(n, n, 20.0 * n if clock else None)
        held += 1 - len(ready)
        found += ready
        assert held - order.late <= window
    found += order.flush()
    assert len(found) + order.late == len(numbers)
    assert set(found) <= set(numbers)


@pytest.mark.parametrize(("window", "window_ms"), [(0, 100.0), (1, -1.0), (1, float("nan"))])
def test_a_window_that_is_none_is_refused(window: int, window_ms: float) -> None:
    with pytest.raises(ValueError, match="window"):
        Reorder(window, window_ms)
