"""What every long-lived process of ours does alike: takes its ports, and keeps its background work going.

This file must never know what is served.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from streamer.errors import StreamerError

log = structlog.get_logger()
_T = TypeVar("_T")


class ServeError(StreamerError):
    """The server cannot start; the message says why and what to do."""


_YOUNG = 20_000
"""Objects made and not freed since the last look for cycles among them."""


def set_aside() -> None:
    """Hide all that is loaded by now from the collector of cycles: it stays for as long as the process does.

    Else each full collection goes through all libraries, which costs tens of milliseconds of every call's time, and so
    is put off until garbage has come to a quarter of that (https://docs.python.org/3/library/gc.html#gc.freeze).

    And look for cycles less often. What a message brings is freed when it is done with, without the collector; by
    default that would look through the youngest objects after 700 of them, many times a second in a busy server.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


async def kept_going(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run work that must not end. A defect in it is logged whole and it is begun again: no call may fall with it."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("background work failed; beginning it again", what=what)
        await asyncio.sleep(1)


async def bound(listening: Awaitable[_T], host: str, port: int) -> _T:
    """Return what begins to listen.

    Raises
    ------
    ServeError
        The port is taken or not allowed.
    """
    try:
        return await listening
    except OSError as problem:
        raise ServeError(
            f"cannot listen on {host}:{port}: {os.strerror(problem.errno) if problem.errno else problem}; is another "
            "streamer running? Choose other ports with --port and --admin-port"
        ) from problem
