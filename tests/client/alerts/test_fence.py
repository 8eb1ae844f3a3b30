"""The fence is passed when everything before it has come, and given up, aloud, where it cannot come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from streamer_client.alerts.fence import Fence

TOPIC = "emotion/v1/services/x/fence"


class Line:
    """A connection on which the test decides what comes."""

    def __init__(self, *, takes: bool = True) -> None:
        self.received = 0
        self.marks: asyncio.Queue[bytes] = asyncio.Queue()
        self._takes = takes

    async def mark(self, topic: str, payload: bytes) -> bool:
        assert topic == TOPIC
        self.marks.put_nowait(payload)
        return self._takes


def link(line: Line) -> Any:
    return line


async def test_it_is_passed_when_it_comes_back() -> None:
    fence, line = Fence(TOPIC), Line()
    passing = asyncio.create_task(fence.pass_through(link(line)))
    fence.came(await line.marks.get())
    assert await passing


async def test_the_mark_of_a_former_connection_does_not_open_it() -> None:
    fence, line = Fence(TOPIC), Line()
    first = asyncio.create_task(fence.pass_through(link(line)))
    old = await line.marks.get()
    first.cancel()
    second = asyncio.create_task(fence.pass_through(link(line)))
    new = await line.marks.get()
    fence.came(old)
    await asyncio.sleep(0)
    assert not second.done()
    fence.came(new)
    assert await second


async def test_a_broker_that_refuses_it_is_not_asked_twice(caplog: pytest.LogCaptureFixture) -> None:
    fence, line = Fence(TOPIC), Line(takes=False)
    assert not await fence.pass_through(link(line))
    assert not await fence.pass_through(link(line))
    assert line.marks.qsize() == 1
    (record,) = caplog.records
    assert "those in doubt are published again, with the same id" in record.getMessage()
    assert TOPIC in record.getMessage()


async def test_it_is_given_up_when_nothing_comes_any_more(caplog: pytest.LogCaptureFixture) -> None:
    fence, line = Fence(TOPIC, patience_s=0.001), Line()
    assert not await fence.pass_through(link(line))
    assert "does not come back" in caplog.records[0].getMessage()


async def test_it_is_waited_for_as_long_as_something_comes() -> None:
    class Busy(Line):
        looks = 0

        @property
        def received(self) -> int:
            self.looks += 1
            if self.looks > 20:
                fence.came(self.marks.get_nowait()) if self.marks.qsize() else None
            return self.looks

        @received.setter
        def received(self, _: int) -> None:
            pass

    fence, line = Fence(TOPIC, patience_s=0.001), Busy()
    assert await fence.pass_through(link(line))
