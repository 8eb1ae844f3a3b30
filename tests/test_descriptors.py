"""Open files: how many are needed, and that the soft limit is raised and never lowered."""

from __future__ import annotations

import resource

import pytest
import structlog

from streamer import descriptors
from streamer.config import load
from streamer.descriptors import allowed, needed, provide


class System:
    """Limits of a process that a test may change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
        self.limits = (soft, hard)
        monkeypatch.setattr(descriptors.resource, "getrlimit", lambda _: self.limits)
        monkeypatch.setattr(descriptors.resource, "setrlimit", lambda _, limits: setattr(self, "limits", limits))


SETTINGS = load(None, {}, {"server.max_calls": 1000, "limits.max_waiting": 500})


def test_each_call_may_need_two_and_those_who_wait_one() -> None:
    assert needed(SETTINGS) == 2000 + 500 + descriptors.OF_ITS_OWN


def test_the_soft_limit_is_raised_to_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(monkeypatch, 1024, 524_288)
    provide(SETTINGS)
    assert system.limits == (needed(SETTINGS), 524_288)


def test_where_the_hard_limit_is_too_low_it_is_raised_as_far_as_that_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(monkeypatch, 1024, 2000)
    with structlog.testing.capture_logs() as logs:
        provide(SETTINGS)
    assert system.limits == (2000, 2000)
    (line,) = logs
    assert (line["log_level"], line["allowed"], line["needed"]) == ("warning", 2000, needed(SETTINGS))


@pytest.mark.parametrize("soft", [1_000_000, resource.RLIM_INFINITY])
def test_a_limit_that_is_high_enough_is_left_alone(monkeypatch: pytest.MonkeyPatch, soft: int) -> None:
    system = System(monkeypatch, soft, resource.RLIM_INFINITY)
    provide(SETTINGS)
    assert system.limits == (soft, resource.RLIM_INFINITY)
    assert allowed()[1] == float("inf")


def test_where_the_system_has_no_such_limits_there_is_nothing_to_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "LIMITED", False)
    monkeypatch.delattr(descriptors, "resource")
    assert allowed() == (float("inf"), float("inf"))
    provide(SETTINGS)
