"""`streamer check`: is everything there that a node needs, does it fit together, and what is to be done if not.

Each check looks at one thing; a failed one never hides the next. This package must never change anything that lasts: no
outbox is made, no event published, no message retained.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from streamer.checks import broker, certificates, clock, configuration, disk, files, model, ports, rights
from streamer.checks.outcome import Level, Outcome, to_json
from streamer.checks.shown import shown
from streamer.config import Settings
from streamer.errors import StreamerError

__all__ = ["Level", "Outcome", "check_all", "shown", "to_json"]


async def check_all(settings: Settings, config_file: Path | None = None) -> list[Outcome]:
    """Look at everything, one after the other, and return what was found in that order.

    Parameters
    ----------
    settings
        In force; from the file, the environment and flags.
    config_file
        The file, where there is one.
    """
    began = clock.Moment(time.time(), time.monotonic())
    found: list[Outcome] = []
    for what, check in _checks(settings, began, config_file):
        try:
            found += await check
        except StreamerError as problem:
            found.append(Outcome(what, Level.WRONG, str(problem)))
    return found


def _checks(
    settings: Settings, began: clock.Moment, config_file: Path | None
) -> list[tuple[str, Awaitable[list[Outcome]]]]:
    return [
        ("configuration", _aside(lambda: configuration.check(settings))),
        ("model", _aside(lambda: model.check(settings))),
        ("secrets", _aside(lambda: rights.check(settings, config_file))),
        ("clock", _aside(lambda: clock.check(began))),
        ("files", _aside(lambda: files.check(settings))),
        ("outbox", _aside(lambda: disk.check(settings))),
        ("ports", _aside(lambda: ports.check(settings))),
        ("certificate", _aside(lambda: certificates.check(settings.server, time.time()))),
        ("broker", broker.check(settings)),
    ]


async def _aside(look: Callable[[], list[Outcome]]) -> list[Outcome]:
    """Look in a thread: files and sockets that do not answer must not stop what else is under way."""
    return await asyncio.to_thread(look)
