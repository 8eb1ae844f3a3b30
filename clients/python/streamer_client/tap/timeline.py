"""Two sound devices on one timeline, although each has a clock of its own.

Theory of operation. A device's samples follow each other by count; that is exact, but the crystals of two devices
differ by some 10 to 100 parts in a million, a third of a second in an hour. So each block's place by count is compared
with when it came by this machine's monotonic clock. A block comes late for many reasons and early for none, so the
*least* lateness within a window is the device's own, and where that has grown beyond a tolerance, the device is put
right: a slow one by a few milliseconds of silence, a fast one by leaving a few out. Audio leaves the timeline with a
fixed delay, which blocks that come late use up; what has no audio by then is silence.

Pure: times come in as arguments. This file must never resample: pitch is what a model listens to.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

DELAY_MS = 300
"""How late a block may come; turns of talk are still recognised as such, for both lanes are equally late."""
TOLERANCE_MS = 10
"""How far a device may be off before it is put right."""
WINDOW_S = 2.0
"""How long the least lateness is looked for."""
FRAME_MS = 20


class Lane:
    """One device: where its blocks belong.

    Parameters
    ----------
    rate_hz : int
        Samples a second, nominally.
    """

    def __init__(self, rate_hz: int) -> None:
        self.inserted = 0
        """Samples of silence that put a slow clock right."""
        self.dropped = 0
        """Samples left out to put a fast one right."""
        self._rate_hz = rate_hz
        self._next: int | None = None
        self._placed = 0
        self._least = float("inf")
        self._window_end_s = 0.0

    def place(self, count: int, at_s: float) -> tuple[int, int]:
        """Return where a block begins, and how many of its first samples have no place.

        Parameters
        ----------
        count : int
            Samples in the block.
        at_s : float
            When it came, in s since the timeline's beginning.

        Returns
        -------
        position, skip : int
            In samples since the timeline's beginning; `position` is that of the first sample that is kept.
        """
        end = at_s * self._rate_hz
        if self._next is None:
            self._next = max(round(end) - count, self._placed)
            self._begin_window(at_s)
        self._least = min(self._least, end - (self._next + count))
        if at_s >= self._window_end_s:
            self._put_right()
            self._begin_window(at_s)
        begin, self._next = self._next, self._next + count
        skip = min(count, max(0, self._placed - begin))
        self.dropped += skip
        self._placed = max(self._placed, self._next)
        return begin + skip, skip

    def lose(self) -> None:
        """Take note that the device is gone: its next block lies where the clock says."""
        self._next = None

    def _begin_window(self, at_s: float) -> None:
        self._least = float("inf")
        self._window_end_s = at_s + WINDOW_S

    def _put_right(self) -> None:
        if self._next is not None and abs(self._least) > TOLERANCE_MS * self._rate_hz / 1000:
            shift = round(self._least)
            self._next += shift
            self.inserted += max(0, shift)


class Timeline:
    """What both devices said, side by side.

    Parameters
    ----------
    rate_hz : int
    lanes : int
        How many devices.
    """

    def __init__(self, rate_hz: int, lanes: int) -> None:
        self.lanes = [Lane(rate_hz) for _ in range(lanes)]
        self.late = [0] * lanes
        """By lane: samples that came when their time was over."""
        self._rate_hz = rate_hz
        self._waiting: list[deque[tuple[int, Samples]]] = [deque() for _ in range(lanes)]
        self._taken = 0

    @property
    def position_ms(self) -> float:
        """Up to where the timeline was taken."""
        return self._taken * 1000 / self._rate_hz

    def put(self, lane: int, samples: Samples, at_s: float) -> None:
        """Lay down a block of one device, int16 of shape (frames,); `at_s` as :meth:`Lane.place` takes it."""
        position, skip = self.lanes[lane].place(len(samples), at_s)
        late = min(len(samples) - skip, max(0, self._taken - position))
        self.late[lane] += late
        rest = samples[skip + late :]
        if len(rest):
            self._waiting[lane].append((position + late, rest))

    def lose(self, lane: int) -> None:
        """Take note that a device is gone."""
        self.lanes[lane].lose()

    def take(self, at_s: float) -> tuple[Samples, bool]:
        """Return what is due, in whole frames of 20 ms.

        Returns
        -------
        samples : ndarray of int16, shape (frames, lanes)
            Silence where a device has nothing; no frames where nothing is due.
        heard : bool
            Whether any device had anything.
        """
        frames_due = int((at_s * 1000 - DELAY_MS) // FRAME_MS)
        end = max(self._taken, frames_due * FRAME_MS * self._rate_hz // 1000)
        samples = np.zeros((end - self._taken, len(self.lanes)), np.int16)
        heard = False
        for lane, waiting in enumerate(self._waiting):
            while waiting and waiting[0][0] < end:
                position, block = waiting.popleft()
                begin = position - self._taken
                now = block[: end - position]
                samples[begin : begin + len(now), lane] = now
                heard = True
                if len(now) < len(block):
                    waiting.appendleft((end, block[len(now) :]))
        self._taken = end
        return samples, heard
