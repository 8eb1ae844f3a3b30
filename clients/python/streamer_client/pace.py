"""When a block of a recording has to leave, so that a replay sounds like the call did.

By schedule, not by sleeping a block's length each time: what one block is late, the next one makes up, and an hour
stays an hour. The clock and the sleep come in as arguments; this file must never read one by itself.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from streamer_client.errors import OptionError

MAX = "max"


@dataclass
class Pace:
    """The schedule of one recording."""

    speed: float | None
    """Times faster than life; None = as fast as the server takes it."""
    now: Callable[[], float]
    """A monotonic clock, in seconds."""
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    """Takes seconds; with 0 it lets other tasks run."""
    _began_s: float | None = field(default=None, init=False)

    async def until(self, position_ms: float) -> None:
        """Wait until this position of the recording has been reached; the first call starts the recording at 0 ms."""
        now_s = self.now()
        if self._began_s is None:
            self._began_s = now_s
        wait_s = 0.0 if self.speed is None else self._began_s + position_ms / 1000 / self.speed - now_s
        await self.sleep(max(0.0, wait_s))


def parse_speed(text: str) -> float | None:
    """Return ``"max"`` as None, and a number above 0 as it is.

    Raises
    ------
    OptionError
        Anything else.
    """
    if text == MAX:
        return None
    try:
        return check_speed(float(text))
    except ValueError:
        raise OptionError(f"got speed {text!r}; give a number above 0, or max") from None


def check_speed(speed: float | None) -> float | None:
    """Return the speed if it is one.

    Raises
    ------
    OptionError
        Zero, negative, infinite or not a number.
    """
    if speed is not None and not (math.isfinite(speed) and speed > 0):
        raise OptionError(f"got speed {speed:g}; give a number above 0, or max (None in Python)")
    return speed
