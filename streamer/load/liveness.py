"""Whether a stream carries a call: audio that comes, or at least an account of its silence.

A byte now and then keeps no call alive, and a flood of words without audio is none. Pure. This file must never look at
what is in the audio.
"""

from __future__ import annotations

from typing import Final

from streamer.load.rates import Chatter
from streamer.wire.events import Audio, Fault, Gap, Message, Pause, Resume, Start, WireEvent

LEAST_MS: Final = 20.0
"""Less audio than this is no sign of life: nothing is heard in less than a frame."""
CHATTER: Final = Fault(
    "too_many_messages", "more messages came without audio than any call has (100 a second, for 20 s and longer)"
)


class Liveness:
    """Tells, for one stream, whether what comes is a call."""

    def __init__(self) -> None:
        self._chatter = Chatter()
        self._unheard_ms = 0.0
        self.piece_ms = 0.0
        """How long the last piece of audio was."""
        self._start: Start | None = None
        self._ms_per_byte = 0.0
        """Of the audio as `_start` says that it comes."""

    def flaw(self, message: Message, events: list[WireEvent], now_s: float) -> Fault | None:
        """Return why a stream must end that brings too many messages without audio; None while it does not.

        Parameters
        ----------
        message
            What came; bytes are audio by themselves, however little a dialect makes of them at once.
        events
            What it meant.
        now_s
            On a clock that never goes back.
        """
        if isinstance(message, bytes):
            return None
        pieces = sum(isinstance(event, Audio | Gap) for event in events)
        return CHATTER if self._chatter.is_too_much(pieces, now_s) else None

    def is_sign(self, event: WireEvent, start: Start) -> bool:
        """Whether the sender is there and sends, or accounts for its silence: so the idle limit begins anew.

        Parameters
        ----------
        event
            What came.
        start
            What the stream said of its audio.
        """
        if type(event) is Audio:
            if start is not self._start:
                self._start = start
                self._ms_per_byte = 1000 / start.rate_hz / start.encoding.bytes_per_sample
            self.piece_ms = len(event.payload) * self._ms_per_byte
            self._unheard_ms += self.piece_ms
        elif isinstance(event, Gap):
            self._unheard_ms += event.duration_ms
        else:
            return isinstance(event, Pause | Resume)
        if self._unheard_ms < LEAST_MS:
            return False
        self._unheard_ms = 0.0
        return True
