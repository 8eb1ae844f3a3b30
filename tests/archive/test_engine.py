from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.recordings.finding import Source
from streamer_client.recordings.metadata import NOTHING

from streamer.archive.analysis import Job
from streamer.archive.engine import TRIES, Begun, EngineError, Gone, Outcome, Refused, Said, run


def jobs(*names: str) -> list[Job]:
    return [Job(Source((Path(f"{name}.wav"),), name), name, NOTHING) for name in names]


class Hand:
    """A worker that says what the test decided; what it did is in the engine's book."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.job: Job | None = None
        self.begun = self.closed = False

    def give(self, job: Job) -> None:
        assert self.begun
        assert not self.closed
        assert self.job is None
        self.job = job
        self.crew.given[job.name] += 1
        self.crew.most = max(self.crew.most, sum(one.job is not None for one in self.crew.hands))

    def take(self) -> Said:
        if not self.begun:
            self.begun = True
            return self.crew.starts.pop() if self.crew.starts else Begun()
        assert self.job is not None
        job, self.job = self.job, None
        if self.crew.deaths.get(job.name, 0) >= self.crew.given[job.name]:
            return Gone("signal 9")
        return Refused("no") if job.name == "refused" else f"result of {job.name}"

    def close(self) -> None:
        self.closed = True


class Crew:
    """An engine of workers that are asked in an order that the test decided."""

    def __init__(
        self,
        size: int,
        deaths: dict[str, int] | None = None,
        starts: list[Said] | None = None,
        order: list[int] | None = None,
    ) -> None:
        self.size = size
        self.deaths = deaths or {}
        """How many workers a recording costs."""
        self.starts = starts or []
        self.order = order or []
        self.hands: list[Hand] = []
        self.given: Counter[str] = Counter()
        self.most = 0

    def hire(self) -> Hand:
        self.hands.append(Hand(self))
        assert sum(not one.closed for one in self.hands) <= self.size
        return self.hands[-1]

    def heard(self, workers: list[Hand]) -> list[Hand]:
        assert workers, "nobody has anything to say: the run would wait for ever"
        first = self.order.pop() % len(workers) if self.order else 0
        return workers[first : first + 1 + (self.order.pop() % 3 if self.order else 0)]


@given(
    st.integers(1, 20),
    st.integers(1, 6),
    st.dictionaries(st.integers(0, 19).map(str), st.integers(1, 5)),
    st.lists(st.integers(0, 100), max_size=60),
)
def test_whoever_dies_when_each_recording_has_one_outcome(
    count: int, size: int, deaths: dict[str, int], order: list[int]
) -> None:
    crew = Crew(size, deaths, order=order)
    outcomes = list(run(jobs(*map(str, range(count))), crew))
    assert sorted(int(one.job.name) for one in outcomes) == list(range(count))
    for one in outcomes:
        lost = deaths.get(one.job.name, 0)
        assert one.tries == min(lost + 1, TRIES) == crew.given[one.job.name]
        assert ("set aside" in str(one.result)) == (lost >= TRIES)
    assert crew.most <= min(size, count)
    assert all(hand.closed for hand in crew.hands)


def test_what_kills_its_worker_every_time_is_set_aside_with_the_reason() -> None:
    (outcome,) = run(jobs("bad"), Crew(2, {"bad": 9}))
    assert outcome == Outcome(
        outcome.job,
        "bad.wav: set aside, the process that worked on it ended 3 times (signal 9); is there memory enough?",
        TRIES,
    )


def test_what_is_done_again_waits_behind_the_others() -> None:
    assert [one.job.name for one in run(jobs("a", "b", "c"), Crew(1, {"a": 1}))] == ["b", "c", "a"]


def test_workers_that_never_begin_end_the_run_and_one_that_does_is_a_new_beginning() -> None:
    gone = Gone("status 1")
    with pytest.raises(EngineError, match="3 workers one after the other ended before they could begin: status 1"):
        list(run(jobs("a"), Crew(1, starts=[gone] * 3)))
    crew = Crew(1, {"a": 1}, starts=[gone, gone, Begun(), gone, gone])
    assert len(list(run(jobs("a"), crew))) == 1
    assert len(crew.hands) == 6


def test_a_worker_that_refuses_ends_the_run_and_all_workers() -> None:
    crew = Crew(2)
    outcomes = run(jobs("a", "refused", "b", "c"), crew)
    with pytest.raises(EngineError, match=r"^no$"):
        list(outcomes)
    assert all(hand.closed for hand in crew.hands)


def test_who_stops_early_ends_all_workers_and_who_is_idle_gets_work_before_a_result_is_out() -> None:
    crew = Crew(2)
    outcomes = run(jobs("a", "b", "c", "d"), crew)
    next(outcomes)
    assert crew.given == {"a": 1, "b": 1}
    outcomes.close()
    assert all(hand.closed for hand in crew.hands)


def test_nothing_to_do_needs_nobody() -> None:
    crew = Crew(2)
    assert list(run([], crew)) == []
    assert crew.hands == []
