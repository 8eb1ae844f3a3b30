"""What one read of a socket brought, handed on in portions, so that one peer's flood is not everybody's wait.

A read brings up to 256 KiB. In frames of a few bytes that is forty thousand of them, and taking them apart in one go
would hold up every other call for a third of a second, and put all of them into a queue that is meant to hold a few. So
a large read is fed to the protocol a portion at a time: other connections have their turn in between, and nothing is
fed while the reader is behind. This file must never look into the bytes, and never reorder one of them, nor lose any
but of a peer that is cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

PORTION_BYTES: Final = 8192
"""As many bytes as two parties of a Twilio call bring in 200 ms, which are read at once (`streamer.load.holding`)."""


class Portions:
    """Feeds a protocol.

    Parameters
    ----------
    transport
        Is not read while anything is left of what it brought, nor while the reader is behind.
    feed
        Takes a portion; may pause and resume on the way.
    loop
        Where the next portion waits for its turn.
    """

    def __init__(
        self, transport: asyncio.Transport, feed: Callable[[bytes], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._transport = transport
        self._feed = feed
        self._loop = loop
        self._left = b""
        self._at = 0
        self._turn: asyncio.Handle | None = None
        self._reader_is_behind = False
        self._dozes = False
        self._stopped = False
        """Whether the transport has been told not to read."""
        self._then: Callable[[], None] | None = None
        """What is waited for by who knows that nothing comes any more."""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left of what reads have brought."""
        return not self._left

    def receive(self, data: bytes) -> None:
        """Take what a read has brought."""
        if self._left:
            self._left, self._at = self._left[self._at :] + data, 0
        elif len(data) <= PORTION_BYTES:
            self._feed(data)
        else:
            self._left = data
            self._next()

    def pause(self) -> None:
        """Feed no more for now: the reader is behind."""
        self._reader_is_behind = True
        self._settle()

    def resume(self) -> None:
        """Go on: the reader has caught up."""
        self._reader_is_behind = False
        self._settle()

    def doze(self, asleep: bool) -> None:
        """Read no more for now: the socket keeps what comes; or go on. What has been read is fed all the same."""
        self._dozes = asleep
        self._settle()

    def finish(self, then: Callable[[], None]) -> None:
        """Feed all that is left, in turns as ever, and call `then`: nothing will come any more.

        What came before the end counts, also for a reader who is behind: there is nobody left who could be made to
        wait, and at most a read's worth to be fed.
        """
        self._then = then
        if not self._left:
            self._next()
        elif self._turn is None:
            self._turn = self._loop.call_soon(self._next)

    def drop(self) -> None:
        """Feed nothing of what is left: the connection is cut for what its peer does."""
        self._left, self._at = b"", 0
        if self._turn is not None and self._then is None:
            self._turn.cancel()
            self._turn = None

    def _next(self) -> None:
        self._turn = None
        portion = self._left[self._at : self._at + PORTION_BYTES]
        self._at += len(portion)
        if self._at >= len(self._left):
            self._left, self._at = b"", 0
        if portion:
            self._feed(portion)
        if self._then is not None and not self._left:
            then, self._then = self._then, None
            then()
        else:
            self._settle()

    def _settle(self) -> None:
        """See to it that the next turn comes if it may, and that the transport is read only if there is none."""
        waits = self._reader_is_behind and self._then is None
        if self._left and not waits and self._turn is None:
            self._turn = self._loop.call_soon(self._next)
        elif waits and self._turn is not None:
            self._turn.cancel()
            self._turn = None
        stop = bool(self._left) or self._reader_is_behind or self._dozes
        if stop != self._stopped and not self._transport.is_closing():
            self._stopped = stop
            (self._transport.pause_reading if stop else self._transport.resume_reading)()
