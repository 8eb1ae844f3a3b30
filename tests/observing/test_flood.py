"""The log under a flood: no line goes uncounted, the first of each kind are seen, memory is bounded."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from streamer.observing.flood import COUNT, MOST_KINDS, OTHERS, Flood

EVERY_S = 10.0
LINES = 3


class World:
    """A clock, a timer and a reader of counts, all in the hands of the test."""

    def __init__(self, lines: int = LINES) -> None:
        self.now_s = 1000.0
        self.written: Counter[tuple[str, str]] = Counter()
        self.said: Counter[tuple[str, str]] = Counter()
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.flood = Flood(
            lines,
            EVERY_S,
            say=lambda level, event, more: self.said.update({(level, event): more}),
            clock=lambda: self.now_s,
            later=lambda seconds, run: self.due.append((self.now_s + seconds, run)),
        )

    def log(self, event: str, level: str = "warning", **more: Any) -> bool:
        """Log a line; return whether it was written."""
        try:
            self.flood(None, level, {"event": event, "level": level, **more})
        except structlog.DropEvent:
            return False
        self.written[level, event] += 1
        return True

    def pass_s(self, seconds: float) -> None:
        """Let time pass, and what is due happen."""
        self.now_s += seconds
        due = [run for at_s, run in self.due if at_s <= self.now_s]
        self.due = [(at_s, run) for at_s, run in self.due if at_s > self.now_s]
        for run in due:
            run()

    @property
    def accounted(self) -> int:
        return self.written.total() + self.said.total()


lines = st.tuples(st.sampled_from(["refused", "stalled", "lost"]), st.sampled_from(["info", "error"]))
steps = st.lists(lines | st.floats(0, 2 * EVERY_S), max_size=60)


@given(steps)
def test_every_line_is_written_or_counted(story: list[Any]) -> None:
    world = World()
    logged: Counter[tuple[str, str]] = Counter()
    for step in story:
        if isinstance(step, float):
            world.pass_s(step)
        else:
            event, level = step
            logged[level, event] += 1
            world.log(event, level)
    world.flood.flush()
    assert world.written + world.said == logged


@given(steps)
def test_in_no_interval_more_lines_of_a_kind_are_written_than_twice_the_allowed(story: list[Any]) -> None:
    world = World()
    times: dict[tuple[str, str], list[float]] = {}
    for step in story:
        if isinstance(step, float):
            world.pass_s(step)
        elif world.log(*step):
            times.setdefault(step, []).append(world.now_s)
    for written in times.values():
        for began_s in written:  # any stretch as long as an interval touches two intervals at most
            assert sum(began_s <= at_s < began_s + EVERY_S for at_s in written) <= 2 * LINES


@given(st.lists(lines, min_size=1, max_size=40))
def test_the_first_line_of_every_kind_is_always_written(story: list[tuple[str, str]]) -> None:
    world = World(lines=1)
    for event, level in story:
        world.log(event, level)
    assert {(level, event) for event, level in story} == set(world.written)


@given(st.integers(0, 3 * MOST_KINDS))
def test_words_that_are_never_the_same_twice_cost_no_memory_and_are_counted(count: int) -> None:
    world = World(lines=1)
    for n in range(count):
        world.log(f"failed on item {n}")
    assert len(world.flood._kinds) <= MOST_KINDS + 1
    assert world.written.total() <= MOST_KINDS + 1
    world.flood.flush()
    assert world.accounted == count
    assert set(world.said) <= {("warning", OTHERS)}


def test_the_count_is_said_although_no_further_line_comes() -> None:
    world = World()
    for _ in range(10):
        world.log("refused")
    assert world.written["warning", "refused"] == LINES
    assert not world.said
    world.pass_s(EVERY_S)
    assert world.said == {("warning", "refused"): 10 - LINES}
    world.pass_s(EVERY_S)
    assert world.due == [], "there is nothing more to say"


def test_a_new_interval_writes_again() -> None:
    world = World()
    assert [world.log("refused") for _ in range(4)] == [True, True, True, False]
    world.now_s += EVERY_S  # the timer is late: the next line finds the interval over
    assert world.log("refused")
    assert world.said == {("warning", "refused"): 1}


def test_a_flood_of_one_kind_hides_no_other_and_no_other_level() -> None:
    world = World(lines=1)
    for _ in range(100):
        world.log("stream refused", "warning")
    assert world.log("stream refused", "error")
    assert world.log("event lost", "error")


def test_one_timer_runs_at_a_time_and_runs_on_while_there_is_something_to_count() -> None:
    world = World()
    for _ in range(10):
        world.log("refused")
    world.now_s += EVERY_S - 1
    for _ in range(10):
        world.log("stalled")
    assert len(world.due) == 1
    world.pass_s(1)
    assert world.said == {("warning", "refused"): 7}
    assert len(world.due) == 1
    world.pass_s(EVERY_S)
    assert world.said["warning", "stalled"] == 7


def test_a_count_is_itself_never_counted() -> None:
    world = World(lines=1)
    line = {"event": "... and 7 more like this", "level": "warning", COUNT: True}
    for _ in range(5):
        assert world.flood(None, "warning", dict(line)) == {"event": line["event"], "level": "warning"}


def test_several_threads_lose_no_line() -> None:
    world = World(lines=5)
    threads = [threading.Thread(target=lambda: [world.log("refused") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.flood.flush()
    assert world.said["warning", "refused"] == 2000 - 5


def test_what_is_said_may_be_logged_by_the_same_log() -> None:
    counts: list[int] = []

    def say(level: str, event: str, more: int) -> None:
        counts.append(more)
        flood(None, level, {"event": f"more of {event}", "level": level})  # would wait for ever if a lock were held

    flood = Flood(1, EVERY_S, say=say, clock=lambda: 0.0, later=lambda *_: None)
    flood(None, "info", {"event": "a", "level": "info"})
    with pytest.raises(structlog.DropEvent):
        flood(None, "info", {"event": "a", "level": "info"})
    flood.flush()
    assert counts == [1]
