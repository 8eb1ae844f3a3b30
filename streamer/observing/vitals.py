"""Figures that are read at the moment somebody asks: how many, how old, how large.

An age that is only written when something happens stands still just when it matters; so these are computed at each
scrape, from the things themselves. This file must never change what it looks at, nor wait for anything.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Final

from prometheus_client import ProcessCollector

from streamer import __version__
from streamer.conversation import Services
from streamer.session import Session

RECENT_S: Final = 60.0
"""How long the event loop's worst moment is shown: longer than anybody's scrape interval."""


class RecentMaximum:
    """The largest value of the last minute, for what averages hide.

    Parameters
    ----------
    window_s
        How long a value counts.
    """

    def __init__(self, window_s: float = RECENT_S) -> None:
        self._window_s = window_s
        self._held: deque[tuple[float, float]] = deque()
        """Time and value of those that may still become the largest: later ones are smaller."""

    def add(self, value: float, now_s: float) -> None:
        """Take a value in; times must not go back."""
        while self._held and self._held[-1][1] <= value:
            self._held.pop()
        self._held.append((now_s, value))
        self._forget(now_s)

    def at(self, now_s: float) -> float:
        """Return the largest value of the window that ends now; 0 where there is none."""
        self._forget(now_s)
        return self._held[0][1] if self._held else 0.0

    def _forget(self, now_s: float) -> None:
        while self._held and now_s - self._held[0][0] > self._window_s:
            self._held.popleft()


class Vitals:
    """Shows, at each scrape, the state of a node. Make one for each registry.

    Parameters
    ----------
    services
        What is looked at.
    sessions
        The open streams.
    is_ready
        Whether new calls are welcome.
    lag
        Of the event loop, in s; whoever measures it adds to it.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        services: Services,
        sessions: Collection[Session],
        is_ready: Callable[[], bool],
        lag: RecentMaximum,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._its = services
        self._sessions = sessions
        self._is_ready = is_ready
        self._clock = clock
        self._dialects: set[str] = set()
        self._lag = lag
        metrics, card = services.metrics, services.model.card
        ProcessCollector(registry=metrics.registry)
        metrics.build.labels(__version__, card.name, card.version).set(1)
        metrics.calls_limit.set(services.settings.server.max_calls)
        metrics.before_scrape(self._refresh)

    def _refresh(self) -> None:
        its, metrics = self._its, self._its.metrics
        metrics.ready.set(self._is_ready())
        metrics.calls_stalled.set(sum(session.stalled for session in self._sessions))
        metrics.outbox_oldest_age.set(its.bus.oldest_age_s)
        metrics.model_waiting.set(its.batcher.waiting)
        metrics.event_loop_lag_max.set(self._lag.at(self._clock()))
        metrics.tasks.set(len(asyncio.all_tasks()))
        legs: Counter[str] = Counter()
        for conversation in its.conversations:
            legs[conversation.call.identity.call.dialect] += len(conversation.call.legs)
        self._dialects.update(legs)
        for dialect in self._dialects:  # those without a call, too: a figure that is not set stays as it was
            metrics.legs_active.labels(dialect).set(legs[dialect])
