"""WebSocket frames that hold one whole message each, taken apart before the library would: of a live call, nearly all.

A library takes a frame apart for whatever it may be: it makes half a dozen generators for it, an object and an event,
and looks at all of it again. For a hundred frames a second of each call that was about a tenth of what the whole server
cost (`benchmarks.calls_per_core.ratio`, 600 and 1,000 legs, before and after). A frame that is final, masked, not
extended, complete in what was read and no longer than a message may be needs none of it (RFC 6455, 5.2): here it is
unmasked, by the library's own function, and offered. Everything else goes to the library byte for byte, and so does
what nobody takes: control frames, pieces of messages, frames that are cut by the end of a read, everything that breaks
a rule. The library remains what knows the protocol, and the only one that answers. This file must never judge a frame,
and never lose or reorder a byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:  # where the library has no wheel
    from websockets.utils import apply_mask

TEXT: Final = 0x81
"""First byte of a frame that is final and text, with no extension."""
BINARY: Final = 0x82
_MASKED: Final = 0x80
_KEY: Final = 4
"""Bytes of the masking key, before the data."""


class Framing:
    """Finds the frames of one WebSocket.

    Parameters
    ----------
    feed
        Gives bytes to the library.
    take
        Is offered the first byte of a frame and its data, unmasked; False: the frame is the library's, and so is all
        that was read with it, for nobody overtakes.
    """

    __slots__ = ("_due", "_feed", "_head", "_take")

    def __init__(self, feed: Callable[[bytes], None], take: Callable[[int, bytes], bool]) -> None:
        self._feed = feed
        self._take = take
        self._head = b""
        """The beginning of a frame that does not say yet how long it is: 9 bytes at most."""
        self._due = 0
        """What is still missing of a frame whose beginning the library has, in bytes."""

    def receive(self, data: bytes) -> None:
        """Take what came; the first byte of the first call is the first of a frame."""
        if self._head:
            data, self._head = self._head + data, b""
        end = len(data)
        at, fed = self._due, 0
        offers = True
        while at < end and (found := _bounds(data, at)) is not None:
            begin, after = found
            if offers and after <= end and data[at] in (TEXT, BINARY) and data[at + 1] & _MASKED:
                if fed < at:
                    self._feed(data[fed:at])  # now: what comes first may change who takes this one
                    fed = at
                if self._take(data[at], apply_mask(data[begin:after], data[begin - _KEY : begin])):
                    fed = after
                else:
                    offers = False
            at = after
        self._due = max(0, at - end)
        self._head = data[at:]
        if fed < min(at, end):
            self._feed(data[fed:at])

    def finish(self) -> None:
        """Give the library what is left: nothing will come any more."""
        head, self._head = self._head, b""
        if head:
            self._feed(head)


def _bounds(data: bytes, at: int) -> tuple[int, int] | None:
    """Return where the data of the frame at `at` begins and ends, which may be later; None if it does not say yet."""
    if len(data) < at + 2:
        return None
    length = data[at + 1] & 0x7F
    begin = at + 2
    if length >= 126:
        size = 2 if length == 126 else 8
        begin += size
        if len(data) < begin:
            return None
        length = int.from_bytes(data[begin - size : begin], "big")
    if data[at + 1] & _MASKED:
        begin += _KEY
    return begin, begin + length
