"""The state from the event loop: in order, and not undone by who asked for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from streamer_client.alerts.disk import Disk
from streamer_client.alerts.state import MEMORY, State


@pytest_asyncio.fixture
async def disk() -> AsyncIterator[Disk]:
    opened = Disk(State(MEMORY))
    yield opened
    opened.close()


async def test_uses_run_in_one_thread_in_the_order_in_which_they_were_asked_for(disk: Disk) -> None:
    order: list[int] = []
    threads: set[int] = set()

    def use(n: int) -> None:
        order.append(n)
        threads.add(threading.get_ident())

    await asyncio.gather(*(disk(lambda _state, n=n: use(n)) for n in range(20)))
    assert (order, len(threads), threading.get_ident() in threads) == (list(range(20)), 1, False)


async def test_what_was_asked_for_happens_though_the_asker_is_gone(disk: Disk) -> None:
    hold = threading.Event()
    held = asyncio.create_task(disk(lambda _state: hold.wait()))
    await asyncio.sleep(0)
    asking = asyncio.create_task(disk(lambda state: state.put("a", "b")))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    hold.set()
    assert await disk(lambda state: state.get("a")) == "b"
    await held


async def test_an_error_reaches_the_asker(disk: Disk) -> None:
    with pytest.raises(ZeroDivisionError):
        await disk(lambda _state: 1 // 0)
