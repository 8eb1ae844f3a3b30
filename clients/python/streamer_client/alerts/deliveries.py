"""Brings alerts to one output, and does not rest until they are there or there is no use in trying.

What waits stands in the state, so a restart forgets nothing; one alert that does not get through never holds up the
others. This file must never decide what is an alert, and never give one up in silence.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from streamer_client.alerts.disk import Disk
from streamer_client.alerts.output import Output, OutputError
from streamer_client.alerts.state import Delivery

log = logging.getLogger(__name__)
GIVE_UP_S: Final = 86_400.0
"""An alert of yesterday that still finds no way is one for the morning's report, not for somebody's telephone."""
_FIRST_S: Final = 1.0
_LONGEST_S: Final = 300.0


class Courier:
    """Delivers to one output.

    Parameters
    ----------
    output : Output
    disk : Disk
    clock : callable
        Seconds since 1970.
    random : Random
        For the pauses: jitter, so that many services do not come back at once.
    """

    def __init__(self, output: Output, disk: Disk, *, clock: Callable[[], float], random: Random) -> None:
        self._output = output
        self._disk = disk
        self._clock = clock
        self._random = random
        self._wake = asyncio.Event()
        self._told = ""

    def wake(self) -> None:
        """Look again: there may be something new."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        name = self._output.name
        while True:
            self._wake.clear()
            for delivery in await self._disk(lambda state: state.due(name, self._clock())):
                await self._deliver(delivery)
                self._wake.set()
            next_try_s = await self._disk(lambda state: state.next_try_s(name))
            # A clock that was set back must not put anything off for longer than the longest pause.
            pause_s = None if next_try_s is None else min(max(0.0, next_try_s - self._clock()), _LONGEST_S)
            try:
                await asyncio.wait_for(self._wake.wait(), pause_s)
            except TimeoutError:
                continue

    async def _deliver(self, delivery: Delivery) -> None:
        alert, name = delivery.alert.id, self._output.name
        try:
            await self._output.send(delivery.alert)
        except OutputError as problem:
            await self._failed(delivery, problem)
        except Exception as problem:  # noqa: BLE001 - whatever one output meets, bus and other outputs must go on
            # Only what it is and where: an exception's own words may hold an address or a password.
            await self._failed(delivery, OutputError(f"unexpected {_at(problem)}", retry=True))
        else:
            await self._disk(lambda state: state.delivered([alert], name, self._clock()))
            if self._told:
                log.warning("output %s works again", name)
            self._told = ""

    async def _failed(self, delivery: Delivery, problem: OutputError) -> None:
        alert, name, now_s = delivery.alert.id, self._output.name, self._clock()
        hopeless = not problem.retry or now_s - delivery.found_s >= GIVE_UP_S
        pause_s = min(_LONGEST_S, _FIRST_S * 2.0 ** min(delivery.tries, 16)) * self._random.uniform(0.5, 1.0)
        next_try_s = None if hopeless else now_s + max(pause_s, problem.after_s)
        words = str(problem)
        await self._disk(lambda state: state.failed(alert, name, words, now_s, next_try_s))
        self._tell(alert, words, delivery.tries + 1, hopeless)

    def _tell(self, alert: str, words: str, tries: int, hopeless: bool) -> None:
        if hopeless:
            log.error(
                "output %s: alert %s is given up after %d tries (%s); it is kept as failed",
                self._output.name,
                alert,
                tries,
                words,
            )
        elif words != self._told:
            # Every new reason once: a server that is down for a day is not a day of messages.
            self._told = words
            log.warning("output %s: %s (trying again, alerts are kept)", self._output.name, words)


def _at(problem: Exception) -> str:
    """Return an exception's type and the line that raised it: ``KeyError (smtplib.py:341)``."""
    frames = traceback.extract_tb(problem.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(problem).__name__}{where}"
