"""The ports of a node of several workers: bound once, here, and each connection given to the worker with the fewest.

One process accepts and passes the sockets on (SCM_RIGHTS), for three reasons. Workers come and go without a connection
lost: with a socket for each (SO_REUSEPORT), what waits in the queue of one that closes is reset; here there is one
queue, and no worker closes it. Calls last minutes, so they must be spread when they begin: of workers that accept from
one socket, the first that wakes takes all of a burst. And a worker that hangs is given no more. What a connection costs
here is an accept and one message.

This file must never read from a connection.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

import structlog

from streamer.admin import READY
from streamer.workers.assignment import Order
from streamer.workers.process import Worker

BACKLOG: Final = 1024
"""Connections that may wait while no worker takes any."""
_AGAIN_S: Final = 1.0
"""Pause after the system had no descriptor or memory for one more connection."""
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

log = structlog.get_logger()


async def bind(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets, one for each address of a host.

    Parameters
    ----------
    host
        A name or an address; empty = all there are.
    port
        0 = one that the system chooses, the same for all addresses.

    Raises
    ------
    OSError
        The port is taken or not allowed, or there is no such host.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            listener = socket.socket(family, socket.SOCK_STREAM)
            bound.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address[0], port or (port_of(bound) if len(bound) > 1 else 0), *address[2:]))
            listener.listen(BACKLOG)
            listener.setblocking(False)  # noqa: FBT003 - the library's own parameter
    except OSError:
        for listener in bound:
            listener.close()
        raise
    return bound


def port_of(bound: list[socket.socket]) -> int:
    """Return the port that was bound."""
    return int(bound[0].getsockname()[1])


class Ports:
    """Gives connections to workers.

    Parameters
    ----------
    workers
        Returns those that there are.
    """

    def __init__(self, workers: Callable[[], list[Worker]]) -> None:
        self._workers = workers
        self._some = asyncio.Event()

    def changed(self) -> None:
        """Take note that there is another worker, or one less."""
        if any(worker.takes for worker in self._workers()):
            self._some.set()
        else:
            self._some.clear()

    async def serve(self, listener: socket.socket, order: Order) -> None:
        """Accept and pass on until cancelled.

        Parameters
        ----------
        listener
            Bound and listening.
        order
            What a worker is told of its connections.
        """
        loop = asyncio.get_running_loop()
        while True:
            await self._some.wait()  # while no worker takes any, connections wait in the system's queue
            try:
                connection, _ = await loop.sock_accept(listener)
            except ConnectionError:
                continue  # it went before it was accepted
            except OSError as problem:
                if problem.errno not in _NO_ROOM:
                    raise
                log.error("no connection can be accepted now; raise the limit of open files", problem=str(problem))  # noqa: TRY400 - said in words, without a traceback
                await asyncio.sleep(_AGAIN_S)
                continue
            with connection:
                await self._pass_on(connection, order)

    async def _pass_on(self, connection: socket.socket, order: Order) -> None:
        """Give a connection to the worker that has the fewest; to the next where that one does not take it.

        One that says it is overloaded comes last: it would refuse the call.
        """
        while True:
            await self._some.wait()
            takers = (worker for worker in self._workers() if worker.takes)
            for worker in sorted(takers, key=_eagerness):
                if worker.order(order, connection):
                    worker.connections += 1
                    return
            # All are far behind. Their channels empty within moments, or they are ended as hung.
            await asyncio.sleep(0.01)


def _eagerness(worker: Worker) -> tuple[bool, int, int]:
    """Return what orders workers for the next connection: those first that are not overloaded, then the idlest."""
    return worker.readiness != READY, worker.connections, worker.number
