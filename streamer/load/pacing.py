"""Reads a peer no faster than the limits allow, and lets peers in no faster, so that others need not wait for them.

What is not read stays with the peer: the socket's window closes, and TCP tells it to wait. Nothing is dropped and
nobody is cut off for being fast. This file must never look into a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from streamer.config import LimitSettings
from streamer.load.rates import Bucket, Pace
from streamer.metrics import Metrics

TURN: Final = 16
"""Messages of one peer that are worked through before the others have their turn."""

LONGEST_TURN_S: Final = 5.0
"""Platforms give up on a connection that is not open by then."""
_AT_ONCE_S: Final = 0.1

log = structlog.get_logger()


class Turnstile:
    """Lets connections in one by one, so that a storm of them does not make every live call late.

    Parameters
    ----------
    per_second
        How many; 0 = as they come.
    monotonic_s
        Seconds, on a clock that never goes back.
    """

    def __init__(self, per_second: float, monotonic_s: Callable[[], float]) -> None:
        self._bucket = Bucket(per_second, max(1.0, per_second * _AT_ONCE_S)) if per_second else None
        self._monotonic_s = monotonic_s

    async def enter(self) -> bool:
        """Return when it is one's turn; False, at once, where that would be later than anybody waits."""
        if self._bucket is None:
            return True
        wait_s = self._bucket.take(1, self._monotonic_s())
        if wait_s > LONGEST_TURN_S:
            self._bucket.take(-1, self._monotonic_s())
            return False
        if wait_s:
            await asyncio.sleep(wait_s)
        return True


class Pacer:
    """Keeps one peer to its pace.

    Parameters
    ----------
    limits
        How much it may send.
    metrics
        Where it is counted for how long peers had to wait.
    monotonic_s
        Seconds, on a clock that never goes back.
    """

    def __init__(self, limits: LimitSettings, metrics: Metrics, monotonic_s: Callable[[], float]) -> None:
        self._pace = Pace(limits.bytes_per_second, limits.messages_per_second)
        self._limits = limits
        self._metrics = metrics
        self._monotonic_s = monotonic_s
        self._turn = 0
        self._said = False

    async def read(self, n_bytes: int, messages: int = 1) -> None:
        """Take note of what was read; return when the next may be.

        Parameters
        ----------
        n_bytes
            Bytes, without those of the frames around them.
        messages
            Messages, or pieces of them where they come in pieces.
        """
        wait_s = self.note(n_bytes, messages)
        self._turn += 1
        if wait_s:
            self._say()
            self._metrics.held_back.inc(wait_s)
            self._turn = 0
            await asyncio.sleep(wait_s)
        elif self._turn >= TURN:
            # What is in the buffer already is read without a pause, so the loop would see nobody else.
            self._turn = 0
            await asyncio.sleep(0)

    def note(self, n_bytes: int, messages: int) -> float:
        """Take note of what was read; return for how many seconds nothing more may be."""
        return self._pace.read(n_bytes, messages, self._monotonic_s())

    def _say(self) -> None:
        """Tell the log, once for each peer: a replay at full speed meets the limit all the time."""
        if not self._said:
            self._said = True
            log.info(
                "a peer sends more than may be read in a second; it is read more slowly",
                bytes_per_second=self._limits.bytes_per_second,
                messages_per_second=self._limits.messages_per_second,
            )
