"""The experiment with several hosts in small: everything goes wrong once, and nothing final is lost.

In full: `python -m benchmarks.several_hosts`, and its figures in `benchmarks/results/several_hosts.md`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.hosts import hosts
from benchmarks.programs import ProgramError
from benchmarks.several_hosts import Plan, SeveralHosts, report
from tests.conftest import program

SMALL = Plan(calls=10, at_once=5, speed=4.0, seconds=(8.0, 12.0), unplugged_s=2.0)


@pytest.mark.timeout(600)
async def test_three_servers_two_balancers_and_a_broker_lose_nothing_while_each_goes_wrong(tmp_path: Path) -> None:
    program("mosquitto")
    program("haproxy")
    try:
        async with hosts("probe"):
            pass
    except ProgramError as problem:
        pytest.skip(f"needs network namespaces, so root and ip: {problem}")
    run = SeveralHosts(SMALL, tmp_path)
    faults = await run.run()
    seen, page = run.seen, report(run, faults, "this test")
    assert set(seen.hands) == {
        "broker restarted",
        "broker unplugged",
        "server drained",
        "server killed",
        "balancer killed",
    }
    assert (seen.drained, seen.exit_codes, seen.left) == ((0, 0), (0, 0, 0), 0), page
    assert seen.outbox >= 0
    assert run.ledger.promised
    assert not faults, page
    assert "| **finals lost** | **0** |" in page
