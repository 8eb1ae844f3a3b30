"""One worker, as the supervisor sees it: its process, the orders to it, what it reports.

This file must never decide when a worker starts or goes, and never wait for one in the way of another.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

import structlog

from streamer.workers.assignment import Order
from streamer.workers.channel import ChannelError, pack, read, send_order
from streamer.workers.figures import Figures, unpacked

PROGRAM: Final = ("-P", "-m", "streamer.workers.worker")
"""What Python runs as a worker. -P: the folder that we happen to be in holds no program of ours."""
FIGURES_WITHIN_S: Final = 2.0
"""A worker that does not show its figures in this time is shown with those of the time before."""

log = structlog.get_logger()

Answer = Callable[["Worker", str, list[Any]], Any]
"""Answers what a worker asks, by verb; what only tells is answered by `NO_ANSWER`."""
NO_ANSWER: Final = object()


class Worker:
    """A worker. Made by :func:`start`.

    Parameters
    ----------
    number
        Its own, for ever.
    place
        Which of the node's files is its own; a later worker may have it again.
    process
        That runs.
    orders
        The channel to it.
    """

    def __init__(self, number: int, place: int, process: asyncio.subprocess.Process, orders: socket.socket) -> None:
        self.number = number
        self.place = place
        self.process = process
        self.connections = 0
        """Given to it and not gone."""
        self.begun = asyncio.Event()
        """Set once it listens, or has failed."""
        self.listens = False
        self.retired = False
        """It gets no more connections."""
        self.trouble = ""
        """Why it could not begin, in its own words."""
        self.readiness = "starting"
        self.beat_s = asyncio.get_running_loop().time()
        """When it last gave a sign of life."""
        self.figures: Figures = ()
        """What it counted when it was last asked."""
        self.shown = asyncio.Event()
        """Set when it has shown its figures after it was asked."""
        self._orders = orders
        self.ended: asyncio.Task[int]

    @property
    def takes(self) -> bool:
        """Whether it may be given connections."""
        return self.listens and not self.retired and self.process.returncode is None

    def order(self, order: Order, connection: socket.socket | None = None) -> bool:
        """Give an order; False where it cannot be given: the worker is gone or far behind."""
        return send_order(self._orders, order, connection)

    async def show(self) -> None:
        """Have it show its figures, if it can be asked."""
        self.shown.clear()
        if not self.order(Order.FIGURES):
            return
        try:
            async with asyncio.timeout(FIGURES_WITHIN_S):
                await self.shown.wait()
        except TimeoutError:
            log.warning("a worker does not show its figures", worker=self.number)

    def hear(self, said: list[Any]) -> bool:
        """Take what it says of itself; False where it is about something else."""
        match said:
            case ["beat", readiness]:
                self.readiness = readiness
            case ["gone"]:
                self.connections -= 1
            case ["listening"]:
                self.listens, self.readiness = True, "ready"
                self.begun.set()
            case ["failed", trouble]:
                self.trouble = trouble
            case ["figures", data]:
                self.figures = unpacked(data)
                self.shown.set()
            case _:
                return False
        self.beat_s = asyncio.get_running_loop().time()
        return True

    def kill(self) -> None:
        """End it at once."""
        if self.process.returncode is None:
            self.process.kill()

    def close(self) -> None:
        """Let go of the channel to it."""
        self._orders.close()


async def start(number: int, place: int, answer: Answer) -> Worker:
    """Start a worker.

    Parameters
    ----------
    number, place
        What it is called; see :class:`Worker`.
    answer
        Answers what it asks.
    """
    orders, its_orders = socket.socketpair()
    reports, its_reports = socket.socketpair()
    inherited = its_orders.fileno(), its_reports.fileno()
    with its_orders, its_reports:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *PROGRAM, *map(str, inherited), stdin=asyncio.subprocess.DEVNULL, pass_fds=inherited
        )
    orders.setblocking(False)  # noqa: FBT003 - the library's own parameter
    reader, writer = await asyncio.open_connection(sock=reports)
    worker = Worker(number, place, process, orders)
    worker.ended = asyncio.create_task(_accompany(worker, reader, writer, answer), name=f"worker {number}")
    return worker


async def _accompany(worker: Worker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> int:
    """Hear a worker until it has ended; return the status of its process."""
    try:
        while (said := await read(reader)) is not None:
            if not worker.hear(said):
                answered = answer(worker, said[0], said[1:])
                if answered is not NO_ANSWER:
                    writer.write(pack(answered))
    except (ChannelError, ValueError, LookupError) as problem:
        log.error("a worker says what cannot be; it is ended", worker=worker.number, problem=str(problem))  # noqa: TRY400 - said in words, without a traceback
        worker.kill()
    finally:
        writer.close()
    status = await worker.process.wait()
    worker.begun.set()
    worker.close()
    return status
