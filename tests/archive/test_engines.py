from __future__ import annotations

import msgspec
import pytest

from streamer.archive.engine import Begun, EngineError
from streamer.archive.engines import Plan
from streamer.archive.pool import Alone, Pool, cores
from streamer.archive.ways import Ways
from streamer.config import Settings


@pytest.fixture
def plan(ways: Ways) -> Plan:
    return Plan(Settings(node="any"), ways, None)


def silent(line: str) -> None:
    raise AssertionError(line)


@pytest.mark.parametrize(("workers", "jobs", "size"), [(3, 9, 3), (3, 2, 2), (1, 9, 1), (3, 1, 1), (None, 0, 1)])
def test_there_are_no_more_workers_than_jobs_and_one_is_this_process(
    plan: Plan, workers: int | None, jobs: int, size: int
) -> None:
    with msgspec.structs.replace(plan, workers=workers).engine(jobs, silent) as engine:
        assert engine.size == size
        assert isinstance(engine, Alone if size == 1 else Pool)


def test_one_worker_for_each_core_if_nothing_is_said(plan: Plan) -> None:
    with plan.engine(10_000, silent) as engine:
        assert engine.size == cores()


def test_where_nothing_is_to_be_done_no_cluster_is_asked(plan: Plan) -> None:
    with msgspec.structs.replace(plan, on="ray://127.0.0.1:9").engine(0, silent) as engine:
        assert isinstance(engine, Alone)


def test_an_engine_that_cannot_be_is_refused_before_anything_is_done(plan: Plan) -> None:
    plan.prove()
    with pytest.raises(EngineError, match="got --on 'x'"):
        msgspec.structs.replace(plan, on="x").prove()


def test_a_worker_has_the_model_of_the_run_or_says_that_it_changed(plan: Plan, ways: Ways) -> None:
    with msgspec.structs.replace(plan, workers=1).engine(1, silent) as engine:
        assert engine.hire().take() == Begun()
    other = msgspec.structs.replace(plan, workers=1, ways=msgspec.structs.replace(ways, model_sha256="0" * 64))
    with (
        other.engine(1, silent) as engine,
        pytest.raises(EngineError, match="the model changed while the archive was being analysed"),
    ):
        engine.hire().take()
