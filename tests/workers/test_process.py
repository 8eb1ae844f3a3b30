"""One worker as the supervisor sees it: begun, heard, ended."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamer.config import load
from streamer.workers import process
from streamer.workers.assignment import Assignment, Order
from streamer.workers.process import NO_ANSWER, Worker, start

STAND_IN = str(Path(__file__).with_name("stand_in.py"))


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PROGRAM", (STAND_IN,))


def answering(model: str) -> process.Answer:
    settings = load(None, {}, {"emotion.model": model})
    assignment = Assignment(1, settings, (1, 0, 2), 1, "outbox", "salt", "folder", announces=False)

    def answer(_worker: Worker, verb: str, _what: list[Any]) -> Any:
        return assignment if verb == "assignment" else NO_ANSWER

    return answer


async def test_it_begins_is_asked_for_its_figures_and_goes() -> None:
    worker = await start(7, 1, answering("telephone"))
    assert (worker.takes, worker.readiness) == (False, "starting")
    await worker.begun.wait()
    assert worker.takes
    await worker.show()
    assert [family.name for family in worker.figures] == ["streamer_heard"]
    worker.retired = True
    assert not worker.takes
    assert worker.order(Order.RETIRE)
    assert await worker.ended == 0
    assert not worker.order(Order.DRAIN)
    await worker.show()  # nobody is asked any more
    worker.kill()


async def test_what_keeps_it_from_beginning_is_known_in_its_own_words() -> None:
    worker = await start(7, 1, answering("none"))
    await worker.begun.wait()
    assert not worker.listens
    assert worker.trouble == "model 'none': there is no such model"
    assert await worker.ended == 1


async def test_one_that_is_killed_says_so_by_its_status() -> None:
    worker = await start(7, 1, answering("telephone"))
    await worker.begun.wait()
    worker.kill()
    assert await worker.ended == -signal.SIGKILL
    assert not worker.takes


async def test_a_question_that_cannot_be_ends_the_worker() -> None:
    def answer(_worker: Worker, verb: str, _what: list[Any]) -> Any:
        raise LookupError(f"unknown verb {verb!r}")

    with capture_logs() as logs:
        worker = await start(7, 1, answer)
        assert await worker.ended == -signal.SIGKILL
    assert (logs[0]["worker"], logs[0]["problem"]) == (7, "unknown verb 'assignment'")


async def test_what_it_says_of_itself_is_kept_and_anything_else_is_for_others() -> None:
    worker = await start(7, 1, answering("telephone"))
    await worker.begun.wait()
    worker.connections, worker.beat_s = 3, 0.0
    assert worker.hear(["gone"])
    assert worker.hear(["beat", "overloaded"])
    assert (worker.connections, worker.readiness) == (2, "overloaded")
    assert worker.beat_s > 0
    assert not worker.hear(["take", []])
    worker.kill()
    await worker.ended
    await asyncio.sleep(0)
