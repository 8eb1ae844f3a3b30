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
from streamer.archive.engine import EngineError, Outcome, run
from streamer.archive.pool import Alone, Pool, cores
from streamer.errors import StreamerError


def jobs(*names: str) -> list[Job]:
    return [Job(Source((Path(f"{name}.wav"),), name), name, NOTHING) for name in names]


class Pretend:
    """Does as a recording's name says; its result is the number of the process that did it."""

    def analyse(self, job: Job) -> Analysed:
        if job.name.startswith("bad"):
            raise NotAnalysedError(f"{job.source.path}: bad")
        if job.name.startswith("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        if job.name.startswith("once"):
            mark = Path(job.name.removeprefix("once"))
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if job.name.startswith("long"):
            time.sleep(600)
        return os.getpid()  # type: ignore[return-value]


class Refusing:
    """Cannot begin, and says why."""

    def __init__(self) -> None:
        raise StreamerError("no model")


class Broken:
    """Cannot begin, and does not know why."""

    def __init__(self) -> None:
        os._exit(7)


def engine(workers: int) -> Alone | Pool:
    return Alone(Pretend) if workers == 1 else Pool(Pretend, workers)


def by_name(outcomes: Any) -> dict[str, Analysed | str]:
    return {one.job.name: one.result for one in outcomes}


@pytest.mark.parametrize("workers", [1, 2])
def test_each_recording_has_one_outcome_and_a_bad_one_stops_none(workers: int) -> None:
    outcomes = list(run(jobs("a", "bad1", "b", "bad2", "c"), engine(workers)))
    assert sorted(one.job.name for one in outcomes) == ["a", "b", "bad1", "bad2", "c"]
    assert [one.result for one in outcomes if one.job.name == "bad1"] == ["bad1.wav: bad"]
    ours = {by_name(outcomes)[name] for name in "abc"} == {os.getpid()}
    assert ours == (workers == 1)


def test_where_a_worker_dies_again_and_again_its_recording_is_set_aside_and_the_others_go_on() -> None:
    found = by_name(run(jobs("a", "deadly1", "b", "c", "d"), engine(2)))
    assert len(found) == 5
    assert "deadly1.wav: set aside, the process that worked on it ended 3 times (signal 9)" in str(found["deadly1"])
    assert all(isinstance(found[name], int) for name in "abcd")


def test_where_a_worker_dies_once_its_recording_is_done_again(tmp_path: Path) -> None:
    outcomes = list(run(jobs("a", f"once{tmp_path / 'died'}", "b"), engine(2)))
    assert [(one.job.name[:1], one.tries) for one in outcomes if one.tries > 1] == [("o", 2)]
    assert all(isinstance(one.result, int) for one in outcomes)
    assert len(outcomes) == 3


def test_a_worker_that_cannot_begin_says_why_or_how_it_ended() -> None:
    with pytest.raises(EngineError, match=r"^no model$"):
        list(run(jobs("a"), Pool(Refusing, 2)))
    with pytest.raises(EngineError, match=r"ended before they could begin: status 7"):
        list(run(jobs("a"), Pool(Broken, 2)))
    assert multiprocessing.active_children() == []


def test_who_stops_early_leaves_no_process_behind() -> None:
    outcomes = run(jobs("a", "long1", "b", "long2"), engine(2))
    assert isinstance(next(outcomes), Outcome)
    outcomes.close()
    assert multiprocessing.active_children() == []


def test_nothing_to_do_is_nothing_done() -> None:
    assert list(run([], engine(2))) == []
    assert cores() >= 1
