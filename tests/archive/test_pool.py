from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from streamer_client.recordings.finding import Source
from streamer_client.recordings.metadata import NOTHING

from streamer.archive.analysis import Analysed, Job, NotAnalysedError
from streamer.archive.pool import Outcome, cores, run


def jobs(*names: str) -> list[Job]:
    return [Job(Source((Path(f"{name}.wav"),), name), name, NOTHING) for name in names]


class Pretend:
    """Does as a recording's name says; its result is the number of the process that did it."""

    def analyse(self, job: Job) -> Analysed:
        if job.name.startswith("bad"):
            raise NotAnalysedError(f"{job.source.path}: bad")
        if job.name.startswith("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        if job.name.startswith("long"):
            time.sleep(600)
        return os.getpid()  # type: ignore[return-value]


def by_name(outcomes: Any) -> dict[str, Analysed | str]:
    return {one.job.name: one.result for one in outcomes}


@pytest.mark.parametrize("workers", [1, 2])
def test_each_recording_has_one_outcome_and_a_bad_one_stops_none(workers: int) -> None:
    outcomes = list(run(jobs("a", "bad1", "b", "bad2", "c"), Pretend, workers))
    assert sorted(one.job.name for one in outcomes) == ["a", "b", "bad1", "bad2", "c"]
    assert [one.result for one in outcomes if one.job.name == "bad1"] == ["bad1.wav: bad"]
    ours = {by_name(outcomes)[name] for name in "abc"} == {os.getpid()}
    assert ours == (workers == 1)


def test_where_a_worker_dies_its_recording_is_named_and_the_others_go_on() -> None:
    found = by_name(run(jobs("a", "deadly1", "b", "deadly2", "c", "d"), Pretend, 2))
    assert len(found) == 6
    for name in ("deadly1", "deadly2"):
        assert f"{name}.wav: the process that worked on it ended (signal 9)" in str(found[name])
    assert all(isinstance(found[name], int) for name in "abcd")


def test_who_stops_early_leaves_no_process_behind() -> None:
    outcomes = run(jobs("a", "long1", "b", "long2"), Pretend, 2)
    assert isinstance(next(outcomes), Outcome)
    outcomes.close()
    assert multiprocessing.active_children() == []


def test_nothing_to_do_is_nothing_done() -> None:
    assert list(run([], Pretend, 2)) == []
    assert cores() >= 1
