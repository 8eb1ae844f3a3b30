"""Outbox files that no worker has any more: what waits in them is moved into one that is emptied.

A node that had four workers and now has two, or one process, finds two files (or four) with the events of calls that
are over. They are evidence all the same. This file must never touch an outbox that another process uses, nor delete a
message before another disk has it: killed at any moment, a message may be in both, under one id, but never in none.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from streamer.bus.database import OutboxBusyError
from streamer.bus.outbox import Bounds, Outbox, OutboxError
from streamer.metrics import Metrics

_CHUNK: Final = 256
_BOUNDLESS: Final = Bounds(max_rows=2**62, max_age_s=math.inf, max_bytes=2**62)

_log = structlog.get_logger("streamer.bus.orphans")


def orphans_of(path: Path) -> list[Path]:
    """Return the files of workers beside a node's outbox: ``outbox-w1.sqlite`` beside ``outbox.sqlite``, and so on.

    Parameters
    ----------
    path
        Of the node, `outbox.path`.
    """
    name = re.compile(rf"{re.escape(path.stem)}-w(\d+){re.escape(path.suffix)}")
    found = ((name.fullmatch(file.name), file) for file in path.parent.iterdir())
    return [file for _, file in sorted((int(match[1]), file) for match, file in found if match)]


async def adopt_orphans(outbox: Outbox) -> int:
    """Move what waits in the files of workers that are gone into an outbox; returns how many messages came.

    For the start of a node, before its workers begin. What cannot be adopted is said and left where it is: it is tried
    again at the next start.

    Parameters
    ----------
    outbox
        The node's, open.
    """
    return sum([await _adopted(outbox, file) for file in orphans_of(outbox.path)])


async def _adopted(outbox: Outbox, path: Path) -> int:
    try:
        return await adopt(outbox, path)
    except OutboxBusyError:
        return 0  # not orphaned: a worker of a node that is just going, for one
    except OutboxError as problem:
        _log.error("what an earlier worker left cannot be delivered", file=str(path), problem=str(problem))
        return 0


async def adopt(outbox: Outbox, path: Path) -> int:
    """Move what waits in another outbox file into this one, the clearing of its calls' states behind it.

    The order of each call is kept, so is the age of each message, and the emptied file is removed. The states of its
    calls are cleared: nobody may carry them on.

    Parameters
    ----------
    outbox
        Where it goes; its disk must be well, else nothing is moved.
    path
        The other file; locked while it is being emptied.

    Returns
    -------
    int
        Messages that came.

    Raises
    ------
    OutboxBusyError
        Another process uses the file.
    OutboxError
        It is no outbox, or one of both disks fails; what has not been moved is still in it.
    """
    if outbox.trouble:
        raise OutboxError(outbox.trouble)
    # What is too old or too much is given up, and counted, where it goes; its own figures nobody sees.
    orphan = await Outbox.open(path, metrics=Metrics(CollectorRegistry()), bounds=_BOUNDLESS, clock=outbox.clock)
    moved = 0
    try:
        await orphan.clear_left_behind()
        while records := await orphan.records(_CHUNK):
            if not await outbox.keep(records):
                raise OutboxError(outbox.trouble)
            await orphan.discard(record.seq for record in records)
            moved += len(records)
    finally:
        await orphan.close(remove_file=True)
    if moved:
        _log.info("what an earlier worker left is delivered", file=str(path), messages=moved)
    return moved
