"""What long-lived processes have in common."""

from __future__ import annotations

import asyncio
import errno
import gc
import weakref

import pytest
from structlog.testing import capture_logs

from streamer import service
from streamer.service import ServeError, bound, kept_going, set_aside


def test_what_is_loaded_is_set_aside_and_garbage_that_was_there_is_not_kept() -> None:
    class Loaded:
        pass

    kept, gone = Loaded(), Loaded()
    gone.itself = gone  # type: ignore[attr-defined]
    was_there = weakref.ref(gone)
    del gone
    try:
        set_aside()
        assert was_there() is None
        assert gc.get_freeze_count() > 0
        assert not any(one is kept for one in gc.get_objects())
    finally:
        gc.unfreeze()


async def test_background_work_that_fails_is_logged_whole_and_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()
    problems = [ValueError("a defect")]

    async def work() -> None:
        if problems:
            raise problems.pop()
        begun.set()
        await asyncio.Event().wait()

    async def at_once(_: float) -> None:
        return

    monkeypatch.setattr(service.asyncio, "sleep", at_once)
    with capture_logs() as logs:
        task = asyncio.create_task(kept_going("work", work))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
    assert [(line["what"], line["exc_info"]) for line in logs] == [("work", True)]


async def test_what_begins_to_listen_is_returned() -> None:
    async def listening() -> str:
        return "listener"

    assert await bound(listening(), "127.0.0.1", 1) == "listener"


@pytest.mark.parametrize(
    ("problem", "said"),
    [(OSError(errno.EADDRINUSE, "x"), "Address already in use"), (OSError("no such host"), "no such host")],
)
async def test_a_port_that_cannot_be_had_is_an_error_that_says_what_to_do(problem: OSError, said: str) -> None:
    async def listening() -> None:
        raise problem

    with pytest.raises(ServeError, match=f"cannot listen on ::1:8765: {said}; is another streamer running"):
        await bound(listening(), "::1", 8765)
