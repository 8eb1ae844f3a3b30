"""What a node stops doing when it has too much to do: partial verdicts first, then new calls, final verdicts never.

Pure: a state machine that is told now and then how late the event loop runs and how long the model's queue is. This
file must never shed on a single look, however bad: a machine that stood still for a moment is not overloaded.

Theory of operation. ``load`` is the greater of two smoothed figures, each divided by its threshold: the loop's lag, and
the time for which the oldest utterance has waited for the model. One look counts for no more than ``_WORST`` and moves
the smoothed figure by ``_WEIGHT``, so that it takes several to come above 1.

============ ======================================================== ============
level        what happens                                             next
============ ======================================================== ============
all          load stays at 1 or above for ``RISE_S``                  no partials
no partials  load stays at 2 or above for ``RISE_S``                  no calls
no partials  load stays below 0.5 for ``FALL_S``                      all
no calls     load stays below 0.5 for ``FALL_S``                      no partials
============ ======================================================== ============

Between 0.5 and the load that raises it, a level stays as it is.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

RISE_S: Final = 3.0
"""How long it has to be too much before more is shed."""
FALL_S: Final = 10.0
"""How long it has to be well before less is shed; longer, so that a node at its limit does not swing."""
_CALM: Final = 0.5
_WEIGHT: Final = 0.2
_WORST: Final = 4.0


class Level(IntEnum):
    """How much is shed."""

    ALL = 0
    """Nothing: all is done."""
    NO_PARTIALS = 1
    """No rolling verdicts inside an utterance."""
    NO_CALLS = 2
    """New calls are refused as well; those that are live go on, with every final verdict."""


_RISES_AT: Final = {Level.ALL: 1.0, Level.NO_PARTIALS: 2.0}


class Shedding:
    """Decides how much is shed.

    Parameters
    ----------
    lag_ms
        Lag of the event loop that is too much; 0 = it never is.
    queue_ms
        Time in the model's queue that is too much; 0 = it never is.
    """

    def __init__(self, lag_ms: float, queue_ms: float) -> None:
        self._thresholds_s = (lag_ms / 1000, queue_ms / 1000)
        self._smoothed = [0.0, 0.0]
        self.level = Level.ALL
        self._since_s: float | None = None
        """Since when the load has been where it changes the level, upwards or downwards."""
        self._upwards = False

    @property
    def load(self) -> float:
        """The smoothed load; at 1 and above it is too much."""
        return max(self._smoothed)

    @property
    def lag_s(self) -> float:
        """The smoothed lag of the loop; 0 where it is not watched."""
        return self._smoothed[0] * self._thresholds_s[0]

    def look(self, now_s: float, lag_s: float, queue_s: float) -> Level:
        """Take note of how things are.

        Parameters
        ----------
        now_s
            On a clock that never goes back.
        lag_s
            How late the loop has just run something that was due.
        queue_s
            For how long the oldest utterance has been waiting for the model; 0 if none waits.

        Returns
        -------
        Level
            How much is shed from now on.
        """
        for which, (threshold_s, value_s) in enumerate(zip(self._thresholds_s, (lag_s, queue_s), strict=True)):
            load = min(_WORST, value_s / threshold_s) if threshold_s else 0.0
            self._smoothed[which] += _WEIGHT * (load - self._smoothed[which])
        upwards = self.level in _RISES_AT and self.load >= _RISES_AT[self.level]
        downwards = self.level is not Level.ALL and self.load < _CALM
        if not (upwards or downwards):
            self._since_s = None
        elif self._since_s is None or self._upwards is not upwards:
            self._since_s, self._upwards = now_s, upwards
        elif now_s - self._since_s >= (RISE_S if upwards else FALL_S):
            self.level = Level(self.level + (1 if upwards else -1))
            self._since_s = None
        return self.level
