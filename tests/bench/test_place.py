"""Cores: the server on its own, the load on another, and all as before at the end."""

from __future__ import annotations

import os

import pytest

from streamer.bench.place import PRIORITY, Place, place


def test_the_load_gets_the_first_core_and_the_server_the_last() -> None:
    ours = os.sched_getaffinity(0)
    with place() as where:
        assert where.load == {min(ours)}
        assert where.server == {max(ours)}
        assert os.sched_getaffinity(0) == where.load
        assert where.is_apart == (len(ours) > 1)
    assert os.sched_getaffinity(0) == ours


def test_workers_get_a_core_each_as_far_as_there_are_any() -> None:
    ours = sorted(os.sched_getaffinity(0))
    with place(2) as where:
        assert where.server == set(ours[-2:])


def test_a_server_is_given_its_cores() -> None:
    with place() as where:
        where.settle(0)
        assert os.sched_getaffinity(0) == where.server


def test_who_may_not_be_preferred_measures_all_the_same_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    before = os.getpriority(os.PRIO_PROCESS, 0)
    with monkeypatch.context() as patched:
        patched.setattr(os, "setpriority", refuse)
        with place() as where:
            assert not where.is_preferred
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_who_may_be_preferred_is_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(os, "setpriority", lambda _which, _who, value: asked.append(value))
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with place() as where:
        assert where.is_preferred
    assert asked == [PRIORITY, before]


def test_sharing_a_core_is_said() -> None:
    assert not Place(frozenset({0, 1}), frozenset({0}), is_preferred=True).is_apart
