"""Where a channel's audio stands on the call's media clock: late, doubled, swapped and missing media put right.

Pure arithmetic on sample positions. This file must never decode, resample or read a clock of this machine: media time
is what the sender says, or the count of samples where the sender says nothing.

Theory of operation. ``next`` is the position up to which all is settled; what comes out tiles the clock from 0 without
hole or overlap, a hole being said aloud. A chunk that says where it stands is compared with ``next``:

===================== =====================================================================================
the chunk lies        what happens
===================== =====================================================================================
anywhere, first chunk Hole from 0 to it: the stream began later than the call; no loss
within the tolerance  it follows on, by count: clocks jitter. The tolerance is half the chunk at most. So what comes
                      out stands within the tolerance of where the sender put it, and a part no longer than that can
                      go missing unseen
before ``next``       what has passed is dropped: late where it had been declared missing, a duplicate elsewhere;
                      the rest follows on
after ``next``        it is held until the missing part comes (reordered), or until media comes that ends more than
                      the reorder window after ``next``; then the missing part is filled with silence if it is short,
                      else it becomes a Hole
at an absurd position its position is ignored: it follows on, counted in ``bad_timestamps``. Absurd is negative, no
                      finite number, or more than a day ahead
2 s behind, all along the sender's clock was set back: it follows on from here, counted in ``clock_resets``; at the
                      third time the clock is not believed any more and all follows on by count
===================== =====================================================================================

Memory is bounded: at most 64 chunks are held, and only such as end within the reorder window.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16] | bytes
"""What is placed: linear samples, or codes of one byte each. Nothing here looks into them."""

_FARTHEST_S: Final = 24 * 3600
_BEYOND_ALL_CLOCKS_MS: Final = 1e15
_RESET_S: Final = 2
_MOST_RESETS: Final = 3
"""A clock that is set back this often, or stands still, is none."""
_LEAST_TOLERANCE_MS: Final = 1.0
"""Timestamps in whole ms are right within this much."""
_MOST_HELD: Final = 64
_REMEMBERED_HOLES: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Samples that follow on from what came before."""

    start: int
    """Position of the first sample on the media clock, in samples of the source rate."""
    samples: Samples
    lost: bool
    """True where silence stands for media that never came."""

    @property
    def end(self) -> int:
        """Position after the last sample."""
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True)
class Hole:
    """Media time in which there is nothing."""

    start: int
    """Position on the media clock, in samples of the source rate."""
    length: int
    """In samples of the source rate."""

    @property
    def end(self) -> int:
        """Position after the hole."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class TimelineCounters:
    """What had to be put right so far; times in ms of media."""

    lost_ms: float
    """Short holes, filled with silence."""
    hole_ms: float
    """Long holes: lost, or never sent (muted); gaps that the sender announced are not among them."""
    late_ms: float
    """Came after it had been declared missing, and was dropped."""
    duplicate_ms: float
    """Came again, and was dropped."""
    reordered: int
    """Chunks that came after their successors and were put in order."""
    bad_timestamps: int
    """Chunks whose position was absurd and was ignored."""
    clock_resets: int
    """Times the sender's clock was set back."""


def _linear_silence(length: int) -> Samples:
    return np.zeros(length, dtype=np.int16)


class Timeline:
    """One channel's media clock, in samples of the source rate.

    Parameters
    ----------
    rate_hz
        Rate of the samples, above 0.
    tolerance_ms
        How far a chunk may stand from where it is expected and still follow on.
    reorder_ms
        How much media, counted from the beginning of a missing part, may come before the part is given up.
    fill_ms
        The longest missing part that is filled with silence.
    silence
        Makes that silence, so many samples of it; linear ones, if not given.

    Raises
    ------
    ValueError
        When the rate is not above 0 or a time is negative.
    """

    def __init__(
        self,
        rate_hz: int,
        tolerance_ms: float = 10.0,
        reorder_ms: float = 100.0,
        fill_ms: float = 200.0,
        silence: Callable[[int], Samples] = _linear_silence,
    ) -> None:
        if rate_hz <= 0 or min(tolerance_ms, reorder_ms, fill_ms) < 0:
            given = f"rate {rate_hz} Hz, tolerance {tolerance_ms} ms, reorder {reorder_ms} ms, fill {fill_ms} ms"
            raise ValueError(f"a timeline needs a rate above 0 and times of at least 0, got {given}")
        self.rate_hz = rate_hz
        self._tolerance = self._samples(tolerance_ms)
        self._least_tolerance = min(self._tolerance, self._samples(_LEAST_TOLERANCE_MS))
        self._reorder = self._samples(reorder_ms)
        self._fill = self._samples(fill_ms)
        self._silence = silence
        self._begun = False
        self._next = 0
        self._offset = 0
        """Added to what the sender says, after its clock was set back."""
        self._behind = 0
        """Samples dropped since the last chunk that was of use."""
        self._held: list[tuple[int, Samples]] = []
        self._missing: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED_HOLES)
        self._lost = self._holes = self._late = self._duplicate = 0
        self._reordered = self._bad = self._resets = 0

    @property
    def position(self) -> int:
        """Samples of media time that are settled."""
        return self._next

    @property
    def counters(self) -> TimelineCounters:
        """What had to be put right so far."""
        ms = 1000 / self.rate_hz
        return TimelineCounters(
            lost_ms=self._lost * ms,
            hole_ms=self._holes * ms,
            late_ms=self._late * ms,
            duplicate_ms=self._duplicate * ms,
            reordered=self._reordered,
            bad_timestamps=self._bad,
            clock_resets=self._resets,
        )

    def follows(self, length: int, media_ms: float | None = None, pieces: int = 1) -> bool:
        """Take a chunk that simply comes next, as nearly all do: it is settled by that, and where it stands is known.

        The same as `place`, for less. Where the answer is False nothing was taken, and `place` says what becomes of it.

        Parameters
        ----------
        length
            Its samples.
        media_ms
            Where the sender says that the first one stands, in ms.
        pieces
            As how many chunks of one length it came, each standing where the one before ends.
        """
        if self._held or not self._begun or not length:
            return False
        if media_ms is not None:
            if not 0 <= media_ms < _BEYOND_ALL_CLOCKS_MS or self._resets >= _MOST_RESETS:
                return False
            ahead = round(media_ms * self.rate_hz / 1000) + self._offset - self._next
            if ahead and abs(ahead) > min(self._tolerance, max(self._least_tolerance, length // pieces // 2)):
                return False
        self._next += length
        self._behind = 0
        return True

    def place(self, samples: Samples, media_ms: float | None = None) -> list[Run | Hole]:
        """Take a chunk; return what is settled by it.

        Parameters
        ----------
        samples
            int16[n] at the source rate, or n codes, any n.
        media_ms
            Where the sender says that the first sample stands, in ms; None: right after what came before.

        Returns
        -------
        list of Run, Hole
            In order, each beginning where the one before ended; may be empty while a missing part is waited for.
        """
        found: list[Run | Hole] = []
        if not len(samples):
            return found
        at = self._position_of(media_ms)
        if not self._begun:
            self._begun = True
            if at:
                self._skip(at, found)
        before = self._next
        if at is None:
            self._follow(samples, found)
        else:
            self._arrive(at, samples, found)
            self._reordered += bool(self._held) and self._next > before
        self._release(found, give_up=False)
        return found

    def gap(self, duration_ms: float) -> list[Run | Hole]:
        """Pass over media time that the sender left out; return what is settled, the Hole last.

        Raises
        ------
        ValueError
            When the duration is negative, no finite number or longer than a day.
        """
        if not 0 <= duration_ms <= _FARTHEST_S * 1000:
            raise ValueError(f"a gap of {duration_ms} ms cannot be placed; expected 0 ms to one day")
        found = self.flush()
        self._begun = True
        length = self._samples(duration_ms)
        if length:
            found.append(Hole(self._next, length))
            self._next += length
        return found

    def flush(self) -> list[Run | Hole]:
        """Wait no longer for missing parts; return all that was held. For the end of a stream, and for a stall."""
        found: list[Run | Hole] = []
        self._release(found, give_up=True)
        return found

    def _samples(self, ms: float) -> int:
        return round(ms * self.rate_hz / 1000)

    def _position_of(self, media_ms: float | None) -> int | None:
        if media_ms is None:
            return None
        if not 0 <= media_ms < _BEYOND_ALL_CLOCKS_MS or self._resets >= _MOST_RESETS:
            self._bad += 1
            return None
        at = self._samples(media_ms) + self._offset
        if at - self._next > _FARTHEST_S * self.rate_hz:
            self._bad += 1
            return None
        return at

    def _tolerance_of(self, samples: Samples) -> int:
        # With more than half the chunk, one that comes twice would look like one that jitters.
        return min(self._tolerance, max(self._least_tolerance, len(samples) // 2))

    def _arrive(self, at: int, samples: Samples, found: list[Run | Hole]) -> None:
        ahead, tolerance = at - self._next, self._tolerance_of(samples)
        if ahead > tolerance:
            insort(self._held, (at, samples), key=_position)
        elif ahead >= -tolerance:
            self._follow(samples, found)
        else:
            self._arrive_behind(at, samples, found)

    def _arrive_behind(self, at: int, samples: Samples, found: list[Run | Hole]) -> None:
        passed = min(self._next - at, len(samples))
        if len(samples) - passed > self._tolerance_of(samples):
            self._drop(at, passed)
            self._follow(samples[passed:], found)
            return
        self._behind += len(samples)
        if self._behind > _RESET_S * self.rate_hz:
            self._resets += 1
            self._offset += self._next - at
            self._follow(samples, found)
        else:
            self._drop(at, len(samples))

    def _drop(self, at: int, length: int) -> None:
        late = sum(max(0, min(end, at + length) - max(start, at)) for start, end in self._missing)
        self._late += late
        self._duplicate += length - late

    def _follow(self, samples: Samples, found: list[Run | Hole]) -> None:
        found.append(Run(self._next, samples, lost=False))
        self._next += len(samples)
        self._behind = 0

    def _release(self, found: list[Run | Hole], *, give_up: bool) -> None:
        """Let go of what is held as far as it follows on, or as far as waiting has been long enough."""
        while self._held:
            at, samples = self._held[0]
            if at - self._next > self._tolerance_of(samples):
                reach = max(start + len(later) for start, later in self._held) - self._next
                if reach <= self._reorder and len(self._held) <= _MOST_HELD and not give_up:
                    return
                self._declare_missing(at, found)
            del self._held[0]
            self._arrive(at, samples, found)

    def _declare_missing(self, until: int, found: list[Run | Hole]) -> None:
        length = until - self._next
        if length > self._fill:
            self._holes += length
            self._skip(until, found)
            return
        self._lost += length
        self._missing.append((self._next, until))
        found.append(Run(self._next, self._silence(length), lost=True))
        self._next = until

    def _skip(self, until: int, found: list[Run | Hole]) -> None:
        self._missing.append((self._next, until))
        found.append(Hole(self._next, until - self._next))
        self._next = until


def _position(held: tuple[int, Samples]) -> int:
    return held[0]
