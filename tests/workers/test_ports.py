"""The ports of a node: bound once, and each connection to the worker with the fewest."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from streamer.workers import ports
from streamer.workers.assignment import Order
from streamer.workers.ports import Ports, bind, port_of


class Worker:
    """Counts what it is given, and holds it open."""

    def __init__(self, number: int, *, readiness: str = "ready", takes: bool = True) -> None:
        self.number = number
        self.readiness = readiness
        self.takes = takes
        self.connections = 0
        self.is_behind = False
        self.held: list[socket.socket] = []
        self.told: list[Order] = []
        self.given = asyncio.Event()

    def order(self, order: Order, connection: socket.socket) -> bool:
        if self.is_behind:
            self.is_behind = False
            return False
        self.held.append(connection.dup())
        self.told.append(order)
        self.given.set()
        return True


@asynccontextmanager
async def served(*workers: Worker) -> AsyncIterator[tuple[Ports, int]]:
    (listener,) = await bind("127.0.0.1", 0)
    door = Ports(lambda: list(workers))  # type: ignore[arg-type]
    door.changed()
    serving = asyncio.create_task(door.serve(listener, Order.CALLS))
    try:
        yield door, port_of([listener])
    finally:
        serving.cancel()
        await asyncio.wait([serving])
        listener.close()
        for worker in workers:
            for one in worker.held:
                one.close()


async def knock(port: int, times: int) -> None:
    for _ in range(times):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def until(enough) -> None:
    async with asyncio.timeout(60):
        while not enough():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("count", [2, 3, 4])
async def test_a_hundred_connections_are_spread_as_evenly_as_can_be(count: int) -> None:
    workers = [Worker(number) for number in range(count)]
    async with served(*workers) as (_, port):
        await knock(port, 100)
        await until(lambda: sum(worker.connections for worker in workers) == 100)
    given_to = sorted(worker.connections for worker in workers)
    assert given_to[-1] - given_to[0] <= 1
    assert Counter(order for worker in workers for order in worker.told) == {Order.CALLS: 100}


async def test_one_that_lost_connections_gets_the_next() -> None:
    workers = [Worker(1), Worker(2)]
    workers[0].connections, workers[1].connections = 5, 3
    async with served(*workers) as (_, port):
        await knock(port, 2)
        await until(lambda: workers[1].connections == 5)
    assert workers[0].connections == 5


async def test_one_that_is_overloaded_comes_last() -> None:
    busy, free = Worker(1, readiness="overloaded"), Worker(2)
    free.connections = 100
    async with served(busy, free) as (_, port):
        await knock(port, 3)
        await until(lambda: free.connections == 103)
        free.takes = False
        await knock(port, 1)
        await until(lambda: busy.connections == 1)


async def test_a_worker_that_is_far_behind_is_passed_over_and_where_all_are_a_connection_waits() -> None:
    first, second = Worker(1), Worker(2)
    async with served(first, second) as (_, port):
        first.is_behind = True
        await knock(port, 1)
        await until(lambda: second.connections == 1)
        first.connections, first.is_behind, second.is_behind = 1, True, True
        await knock(port, 1)
        await until(lambda: first.connections + second.connections == 3)


async def test_while_no_worker_takes_any_connections_wait_and_none_is_lost() -> None:
    worker = Worker(1, takes=False)
    async with served(worker) as (door, port):
        await knock(port, 3)
        assert not worker.held
        worker.takes = True
        door.changed()
        await until(lambda: worker.connections == 3)
        worker.takes = False
        door.changed()
        await knock(port, 1)
        worker.takes = True
        door.changed()
        await until(lambda: worker.connections == 4)


async def test_a_system_without_descriptors_is_said_and_the_listening_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_AGAIN_S", 0)
    worker = Worker(1)
    loop = asyncio.get_running_loop()
    problems = [OSError(errno.EMFILE, "Too many open files"), ConnectionAbortedError()]
    accept = loop.sock_accept

    async def troubled(listener: socket.socket) -> tuple[socket.socket, object]:
        if problems:
            raise problems.pop()
        return await accept(listener)

    monkeypatch.setattr(loop, "sock_accept", troubled)
    with capture_logs() as logs:
        async with served(worker) as (_, port):
            await knock(port, 1)
            await until(lambda: worker.connections == 1)
    assert [line["event"] for line in logs] == ["no connection can be accepted now; raise the limit of open files"]


async def test_any_other_trouble_is_not_swallowed() -> None:
    worker = Worker(1)
    door = Ports(lambda: [worker])  # type: ignore[arg-type,list-item]
    door.changed()
    (listener,) = await bind("127.0.0.1", 0)
    listener.close()
    with pytest.raises((OSError, ValueError)):
        await door.serve(listener, Order.CALLS)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", ""])
async def test_all_addresses_of_a_host_have_one_port(host: str) -> None:
    bound = await bind(host, 0)
    try:
        assert {one.getsockname()[1] for one in bound} == {port_of(bound)}
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(bound))
        writer.close()
    finally:
        for one in bound:
            one.close()


@given(st.just("127.0.0.1"))
def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open(host: str) -> None:
    async def twice() -> None:
        first = await bind(host, 0)
        try:
            with pytest.raises(OSError, match="in use"):
                await bind(host, port_of(first))
        finally:
            first[0].close()

    asyncio.run(twice())
