"""What one stream carries of a call: its legs, its place on the call's media clock, its pauses.

Most platforms send a whole call over one stream; some open one for each party, or another one after a break. All their
parts share the call's media clock. Pure: arrival times come in as arguments. This file must never decide who may join
a call, nor hold audio.

Theory of operation. The first audio of a part is placed, once; from then on all follows by count, or by the sender's
clock shifted by as much. ``stands`` is where the sender puts that first audio: its media time where it has a clock,
else where the part's legs were left, which is 0 for a new one. ``arrived`` is where its arrival puts it, counted from
the first audio of the call.

====================================== ===============================================================================
the part's first audio                 what happens
====================================== ===============================================================================
arrives within ``JITTER_MS`` of where  nothing is shifted: parts that begin together begin at 0, and a sender's clock
it stands, or before it                that was carried on over a break is believed
arrives later than that                it is placed where it arrived: the part joined later, or came back after a break
                                       with a clock, or a count, that began anew
would lie before where a leg was left  it follows on: media time never goes back
====================================== ===============================================================================

A stream that is the only one its call can have (`Start.is_part` false) is never shifted.
"""

from __future__ import annotations

from typing import Final

from streamer.audio.pace import RateCheck
from streamer.heard import Heard
from streamer.leg import Leg
from streamer.wire.events import Audio, Start

JITTER_MS: Final = 500.0
"""Arrival says no more exactly than this when audio was spoken: networks delay, and sockets open one by one."""
_FARTHEST_MS: Final = 24 * 3600 * 1000.0
"""A sender's clock that begins beyond this is none; the timeline says the same."""


class Arrivals:
    """When the media time 0 of a call was on the clock by which its audio arrives; known from its first audio on."""

    def __init__(self) -> None:
        self._zero_s: float | None = None

    def place(self, now_s: float, stands_ms: float) -> float:
        """Return where audio that arrives now stands by its arrival, in ms; the call's first is where its sender says.

        Parameters
        ----------
        now_s
            Monotonic seconds.
        stands_ms
            Media time that the sender gives it.
        """
        if self._zero_s is None:
            self._zero_s = now_s - stands_ms / 1000
        return (now_s - self._zero_s) * 1000


class Part:
    """One stream's share of a call.

    Parameters
    ----------
    start
        What its dialect said of it.
    legs
        One per channel, in channel order; another part may have carried them before.
    arrivals
        The call's.
    """

    def __init__(self, start: Start, legs: tuple[Leg, ...], arrivals: Arrivals) -> None:
        self.start = start
        self.legs = legs
        self.paused = False
        """The sender has said that it stops for a while."""
        self._arrivals = arrivals
        self._shift_ms: float | None = None if start.is_part else 0.0
        """Added to the sender's clock; None until the first audio has been placed."""
        is_live = start.speed == 1.0 and not start.has_media_clock
        self._rate_check = RateCheck(start.rate_hz) if is_live else None

    @property
    def is_plain(self) -> bool:
        """Whether audio stands where its sender says, and nothing is asked of how fast it comes."""
        return self._shift_ms == 0.0 and self._rate_check is None

    def wrong_rate(self, audio: Audio, now_s: float) -> str | None:
        """Return why the declared sample rate cannot be true, where how fast audio arrives shows that."""
        if self._rate_check is None or audio.channel != 0:
            return None
        return self._rate_check.feed(now_s, len(audio.payload) // self.start.encoding.bytes_per_sample)

    def take(self, audio: Audio, now_s: float) -> list[Heard]:
        """Take samples of one channel and leave the work on them for later; see `Leg.take`."""
        if self._shift_ms is None and audio.payload:
            self._place(audio, now_s)
        if self._shift_ms and audio.media_ms is not None:
            audio = Audio(audio.channel, audio.payload, audio.media_ms + self._shift_ms, audio.pieces)
        return self.legs[audio.channel].take(audio)

    def gap(self, duration_ms: float) -> list[Heard]:
        """Take note of media time that the sender leaves out, on all channels."""
        self.pause(paused=self.paused)
        return [heard for leg in self.legs for heard in leg.gap(duration_ms)]

    def pause(self, *, paused: bool) -> None:
        """Take note that the sender stops for a while, or goes on."""
        self.paused = paused
        if self._rate_check is not None:
            self._rate_check.pause()

    def _place(self, audio: Audio, now_s: float) -> None:
        """Decide where the part stands on the call's clock."""
        left_ms = float(max(leg.position_ms for leg in self.legs))
        if self.start.has_media_clock:
            if audio.media_ms is None or not 0 <= audio.media_ms <= _FARTHEST_MS:
                return  # no position: the timeline lets it follow on, and the next one with a position decides
            stands_ms = audio.media_ms
        else:
            stands_ms = left_ms
        late_ms = self._arrivals.place(now_s, stands_ms) - stands_ms
        self._shift_ms = max(late_ms if late_ms >= JITTER_MS else 0.0, left_ms - stands_ms)
        if not self.start.has_media_clock:
            for leg in self.legs:
                leg.skip_to(stands_ms + self._shift_ms)
