"""The chaos experiment in small: it breaks what it says it breaks, and its books are balanced."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from benchmarks.chaos import Chaos, Plan, outbox_of, report
from tests.conftest import program

SMALL = Plan(
    calls=4,
    at_once=4,
    server_kills=1,
    broker_kills=1,
    cuts=1,
    speed=4.0,
    seconds=(8.0, 10.0),
    away_s=(0.0, 0.2),
    cut_s=(0.2, 1.0),
    real_network=False,
)


@pytest.mark.timeout(300)
async def test_a_few_calls_lose_nothing_while_everything_is_killed_once(tmp_path: Path) -> None:
    program("mosquitto")
    chaos = Chaos(SMALL, tmp_path)
    faults = await chaos.run()
    seen = chaos.seen
    assert (seen.server_kills, seen.broker_kills, seen.cuts, seen.exit_code, seen.left) == (1, 1, 1, 0, 0)
    assert chaos.ledger.promised
    assert not faults, report(chaos, faults, "this test")
    assert "| **finals lost** | **0** |" in report(chaos, faults, "this test")


def test_what_stands_in_an_outbox_is_read_from_a_copy(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    with sqlite3.connect(folder / "outbox.sqlite") as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE outbox (id TEXT, kind TEXT)")
        database.execute("INSERT INTO outbox VALUES ('one', 'utterance'), ('two', 'clear')")
        database.commit()
        # Still open: what it holds stands in the log beside the file, as after a kill.
        before = {file.name: file.read_bytes() for file in folder.iterdir()}
        found = outbox_of(folder, tmp_path / "copy")
        after = {file.name: file.read_bytes() for file in folder.iterdir()}
    database.close()
    assert set(found) == {("one", "utterance"), ("two", "clear")}
    assert before == after
