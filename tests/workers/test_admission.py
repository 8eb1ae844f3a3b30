"""Admission of a worker: the ledger decides, and is told of every end."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from streamer.auth import Pass
from streamer.load.refusals import why_refused
from streamer.workers.admission import SharedAdmission
from streamer.workers.channel import ChannelError
from streamer.workers.ledger import Ledger


class Reports:
    """A worker's channel to a ledger in this process."""

    def __init__(self, ledger: Ledger, worker: int) -> None:
        self._ledger = ledger
        self._worker = worker
        self.is_gone = False

    def ask(self, verb: str, limits: list) -> str:
        assert verb == "take"
        if self.is_gone:
            raise ChannelError("it is gone")
        return self._ledger.take(self._worker, limits)

    def tell(self, verb: str, names: list) -> None:
        assert verb == "give"
        self._ledger.give_back(self._worker, names)


@pytest.fixture
def workers() -> tuple[SharedAdmission, SharedAdmission]:
    """Two workers of a node that takes 3 calls, 1 of key `a`, 2 of tenant `t`."""
    ledger = Ledger()
    one, other = [SharedAdmission(Reports(ledger, n), 3, {"a": 1}, {"t": 2}) for n in (1, 2)]
    return one, other


def test_a_limit_is_that_of_all_workers(workers) -> None:
    one, other = workers
    slots = [one.acquire(), other.acquire(), one.acquire()]
    assert None not in slots
    assert other.acquire() is None
    assert other.full
    assert (one.active, other.active) == (2, 1)
    slots[0].release()
    slots[0].release()
    assert other.acquire() is not None
    assert not other.full


@pytest.mark.parametrize(
    ("key", "tenant", "said"),
    [("a", "u", "max_calls = 1"), ("b", "t", "calls_per_tenant")],
)
def test_what_is_full_is_said_as_in_a_node_of_one_process(workers, key: str, tenant: str, said: str) -> None:
    one, other = workers
    with one.acquire(key, tenant), one.acquire("c", tenant):
        assert other.acquire(key, tenant) is None
        fault = why_refused(other, Pass(tenant, key))
        assert (fault.code, fault.close_code) == ("full", 1013)
        assert said in fault.message
        assert not other.full
    assert other.acquire(key, tenant) is not None


def test_the_ledger_is_not_asked_for_what_this_worker_refuses_anyway(workers) -> None:
    one, other = workers
    one.overloaded = True
    assert one.acquire() is None
    other.drain()
    assert other.acquire() is None
    assert not one.full
    assert not other.full
    assert (one.active, other.active) == (0, 0)


def test_a_worker_without_a_supervisor_takes_no_more_calls() -> None:
    reports = Reports(Ledger(), 1)
    admission = SharedAdmission(reports, 3)
    reports.is_gone = True
    with capture_logs() as logs:
        assert admission.acquire() is None
    assert admission.draining
    assert logs[0]["event"].startswith("the supervisor is gone")


async def test_it_is_empty_when_its_own_calls_and_those_it_hands_on_are_over(workers) -> None:
    one, other = workers
    elsewhere = other.acquire()
    slot = one.acquire()
    waiting = asyncio.create_task(one.wait_empty())
    with one.relaying():
        slot.release()
        await asyncio.sleep(0)
        assert not waiting.done()
        assert one.active == 1
    await waiting
    with one.relaying():
        pass
    with one.acquire(), one.relaying():
        pass
    await one.wait_empty()
    elsewhere.release()
