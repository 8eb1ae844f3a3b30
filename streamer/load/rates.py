"""How much a peer may send in a time: token buckets. Beyond, it is read more slowly, or ended.

What a platform sends of a live call is far below the rates that are allowed (docs/load.md has the figures), so nobody
who streams a call ever meets them; a recording that is sent faster than it can be taken is only read more slowly. Pure:
the time comes in as an argument. This file must never know what a message means.
"""

from __future__ import annotations

from typing import Final

CONTROL_PER_S: Final = 100.0
"""Messages without audio that a stream may bring in the long run: keypresses, marks, pings in words."""
CONTROL_AT_ONCE: Final = 2000.0
"""Those that may come at once, as after a network that stood still."""


class Bucket:
    """One rate: it may be overdrawn by one thing of any size, and then has to fill up again.

    Between any two moments no more is taken than the rate times the time between, what the bucket holds, and the one
    thing that overdraws it; and who stays below the rate never waits for longer than its last burst is worth.

    Parameters
    ----------
    per_s
        What flows in, above 0.
    holds
        What it can hold, above 0; it begins full.

    Raises
    ------
    ValueError
        When one of them is not above 0.
    """

    __slots__ = ("_at_s", "_holds", "_left", "_per_s")

    def __init__(self, per_s: float, holds: float) -> None:
        if per_s <= 0 or holds <= 0:
            raise ValueError(f"a bucket of {holds} that gets {per_s} a second; both must be above 0")
        self._per_s = per_s
        self._holds = holds
        self._left = holds
        self._at_s: float | None = None

    def take(self, amount: float, now_s: float) -> float:
        """Take something out; a negative amount is given back.

        Parameters
        ----------
        amount
            How much.
        now_s
            On a clock that never goes back.

        Returns
        -------
        float
            Seconds until the bucket is no longer overdrawn; 0 if it is not.
        """
        past_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._left = min(self._holds, min(self._holds, self._left + past_s * self._per_s) - amount)
        return max(0.0, -self._left / self._per_s)


class Pace:
    """How fast one peer is read: bytes and messages, each with what one second brings as its burst.

    Parameters
    ----------
    bytes_per_s, messages_per_s
        0 = as fast as they come.
    """

    def __init__(self, bytes_per_s: float, messages_per_s: float) -> None:
        self._bytes = Bucket(bytes_per_s, bytes_per_s) if bytes_per_s else None
        self._messages = Bucket(messages_per_s, messages_per_s) if messages_per_s else None

    def read(self, n_bytes: int, messages: int, now_s: float) -> float:
        """Take note of what was read; return how many seconds nothing more may be read."""
        waits_s = (
            bucket.take(amount, now_s)
            for bucket, amount in ((self._bytes, n_bytes), (self._messages, messages))
            if bucket
        )
        return max(waits_s, default=0.0)


class Chatter:
    """Tells a stream that floods with messages that are no audio from one that carries a call.

    Every text message costs one, every piece of audio gives one back: a dialect that holds a message until the one
    before it has come is not wronged.
    """

    def __init__(self) -> None:
        self._bucket = Bucket(CONTROL_PER_S, CONTROL_AT_ONCE)

    def is_too_much(self, pieces: int, now_s: float) -> bool:
        """Take note of a text message that brought so many pieces of audio; True if there were too many without."""
        return self._bucket.take(1 - pieces, now_s) > 0
