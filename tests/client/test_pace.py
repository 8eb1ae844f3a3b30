from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.errors import OptionError
from streamer_client.pace import Pace, parse_speed


class Clock:
    """A clock that moves only when somebody sleeps, a little longer than asked, as clocks do."""

    def __init__(self, oversleep_s: float = 0.0) -> None:
        self.now_s = 1000.0
        self.oversleep_s = oversleep_s
        self.slept: list[float] = []

    def now(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds + (self.oversleep_s if seconds else 0.0)


@given(speed=st.floats(0.1, 100), oversleep_s=st.floats(0, 0.015), blocks=st.integers(1, 500))
async def test_a_late_block_never_makes_the_next_one_late(speed: float, oversleep_s: float, blocks: int) -> None:
    clock = Clock(oversleep_s)
    pace = Pace(speed, clock.now, clock.sleep)
    for block in range(1, blocks + 1):
        await pace.until(20 * block)
        due_s = 1000 + 0.020 * block / speed
        assert clock.now_s >= due_s - 1e-6
    assert clock.now_s <= max(due_s, 1000) + oversleep_s + 1e-6


async def test_as_fast_as_possible_only_lets_others_run() -> None:
    clock = Clock()
    pace = Pace(None, clock.now, clock.sleep)
    for block in range(5):
        await pace.until(20 * block)
    assert clock.slept == [0.0] * 5


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("1", 1.0), ("0.5", 0.5), ("20", 20.0)])
def test_speeds_are_read(text: str, speed: float) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "inf", "nan", "MAX"])
def test_other_speeds_are_refused_in_words(text: str) -> None:
    with pytest.raises(OptionError, match="give a number above 0, or max"):
        parse_speed(text)
