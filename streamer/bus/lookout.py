"""A look at what is retained under our topics, at the start of a node and every hour: said in the log and a metric.

Over a connection of its own, so that it can never slow down what is delivered. This file must never log a topic: what
strangers put there may hold a telephone number. `streamer check` shows the topics to whoever asks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from streamer.bus.cloudevents import rfc3339
from streamer.bus.connection import connect
from streamer.bus.retained import Junk, look
from streamer.bus.settings import LinkError, MqttSettings
from streamer.bus.topics import safe
from streamer.metrics import Metrics

EVERY_S: Final = 3600.0
_QUIET_S: Final = 2.0

_log = structlog.get_logger("streamer.bus.mqtt")


class Lookout:
    """Looks, for as long as it is run.

    Parameters
    ----------
    settings
        Which broker, and as whom.
    node
        This server's name.
    metrics
        Where it shows what it found.
    alone
        Whether this process is the whole node: then its states that are older than the process are stale.
    clock
        Seconds since 1970.
    every_s, quiet_s
        Pause between two looks; how long nothing comes at the end of one.
    """

    def __init__(
        self,
        settings: MqttSettings,
        node: str,
        metrics: Metrics,
        *,
        alone: bool = True,
        clock: Callable[[], float] = time.time,
        every_s: float = EVERY_S,
        quiet_s: float = _QUIET_S,
    ) -> None:
        self._settings = settings
        self._node = node
        self._metrics = metrics
        self._own = f"/nodes/{node}" if alone else ""
        self._started = rfc3339(clock())
        self._every_s = every_s
        self._quiet_s = quiet_s
        self._told: dict[Junk, int] = {}

    async def run(self) -> None:
        """Look now and again, until cancelled."""
        while True:
            try:
                await self._look()
            except LinkError as problem:
                # The publisher speaks of a broker that is away; one that only forbids to read is no trouble.
                _log.debug(f"what is retained was not looked at: {problem}")
            await asyncio.sleep(self._every_s)

    async def _look(self) -> None:
        link = await connect(self._settings, client_id=f"emotion-streamer-{safe(self._node)}-look")
        try:
            census = await look(link, self._settings.base, self._quiet_s, own=self._own, started=self._started)
        finally:
            await link.close()
        counts = census.counts
        for junk in Junk:
            self._metrics.retained_junk.labels(junk).set(counts.get(junk, 0))
        if counts and counts != self._told:
            _log.warning(
                "retained messages under our topics mislead whoever subscribes; `streamer check` names them",
                **{str(junk): count for junk, count in counts.items()},
            )
        self._told = counts
