"""Connections without a call: never more than so many, and who has waited longest goes first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.load.strangers import Strangers


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from(["come", "go"]), st.integers(0, 30)), max_size=60))
def test_there_are_never_too_many_and_always_those_that_came_last(most: int, steps: list[tuple[str, int]]) -> None:
    strangers = Strangers(most)
    here: list[int] = []
    cut: list[int] = []
    for n, (step, which) in enumerate(steps):
        if step == "come":
            here.append(n)
            crowded = len(here) > most
            assert strangers.come(n, lambda n=n: cut.append(n)) is crowded
            if crowded:
                assert cut[-1] == here.pop(0)
        else:
            strangers.go(which)
            here = [one for one in here if one != which]
        assert len(strangers) == len(here) <= most
    assert len(cut) == len(set(cut))


def test_who_is_cut_off_may_say_that_it_goes() -> None:
    strangers = Strangers(1)
    strangers.come("old", lambda: strangers.go("old"))
    assert strangers.come("new", lambda: None)
    assert len(strangers) == 1


def test_room_for_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match=r"limits\.max_waiting: got 0"):
        Strangers(0)
