"""Where an utterance begins and ends, from seconds and booleans alone.

It is told how long each frame lasted and whether a voice activity detector heard speech in it, and answers with
utterances on the media clock. It must never see audio, read a clock or know about calls.

Theory of operation. Four states; ``speech`` and ``silence`` mean a frame of that kind, ``first`` is the beginning of
the first speech frame of an onset, ``floor`` the latest of 0, the end of the previous utterance and the end of the
last gap.

========= ================================================ ========= ==================================================
state     what happens                                     next      says
========= ================================================ ========= ==================================================
idle      silence                                          idle
idle      speech                                           onset
onset     speech adds up to ``onset_s``                    open      Opened(max(first - pre_roll_s, floor))
onset     silence has taken back all the speech (leak)     idle
onset     not open ``3 * onset_s`` after ``first``         idle
onset     gap, finish                                      idle
open      silence lasts ``hangover_s``                     idle      Closed(end of last speech, silence)
open      ``max_utterance_s`` reached while speech         continued Closed(that very point, max_length)
open      ``max_utterance_s`` reached while silence        idle      Closed(that very point, max_length)
open      gap                                              idle      Closed(end of last speech, gap)
open      finish                                           idle      Closed(end of last speech, end_of_call)
continued speech                                           open      Opened(here), no onset and no pre-roll
continued silence, gap, finish                             idle
========= ================================================ ========= ==================================================

Wherever the table says Closed, an utterance with less than ``min_speech_s`` of speech is Dropped instead. Transitions
happen inside a frame where they fall inside it, so cutting frames finer changes nothing. The onset is a leaky bucket:
silence drains it as fast as speech fills it, so a flicker of the detector neither opens an utterance nor loses a
beginning; its patience of three onsets bounds how far back a start can lie (`lookback_s`), hence how much audio the
caller must remember. Time is counted in whole microseconds: a 20 ms frame is exact for ever.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from streamer_client.events import Cut

_US: Final = 1_000_000
_ONSET_PATIENCE: Final = 3
"""An onset may take this many times `onset_s`."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An utterance has begun."""

    start_s: float
    """Seconds on the media clock; lies up to `Segmenter.lookback_s` behind the present position."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The open utterance has ended and is worth a verdict."""

    start_s: float
    """Seconds on the media clock, as its Opened said."""
    end_s: float
    """Seconds on the media clock; the hangover is not part of the utterance."""
    speech_s: float
    """Seconds of speech frames between the two."""
    cut: Cut


@dataclass(frozen=True, slots=True)
class Dropped:
    """The open utterance has ended with too little speech in it for a verdict."""

    start_s: float
    """Seconds on the media clock, as its Opened said."""
    end_s: float
    """Seconds on the media clock."""
    speech_s: float
    """Seconds of speech frames between the two, less than `Segmenter.min_speech_s`."""


Segment = Opened | Closed | Dropped
_NOTHING: Final[tuple[Segment, ...]] = ()


class _State(Enum):
    IDLE = auto()
    ONSET = auto()
    OPEN = auto()
    CONTINUED = auto()


@dataclass(slots=True)
class Segmenter:
    """Utterances of one leg of a call.

    Raises
    ------
    ValueError
        When a field is out of its range; the message names it.
    """

    onset_s: float = 0.06
    """Seconds of speech needed before an utterance opens, at least 0."""

    hangover_s: float = 0.4
    """Seconds of silence after which an utterance is over, above 0."""

    pre_roll_s: float = 0.2
    """Seconds before the first speech that still belong to the utterance, at least 0."""

    min_speech_s: float = 0.25
    """Seconds of speech below which an utterance is dropped, at least 0."""

    max_utterance_s: float = 15.0
    """Seconds after which an utterance is cut, pre-roll included; above pre-roll and onset together."""

    _last_length_s: float = field(default=0.0, init=False, repr=False)
    _last_length: int = field(default=0, init=False, repr=False)
    _onset: int = field(default=0, init=False, repr=False)
    _hangover: int = field(default=0, init=False, repr=False)
    _longest: int = field(default=0, init=False, repr=False)
    _state: _State = field(default=_State.IDLE, init=False, repr=False)
    _now: int = field(default=0, init=False, repr=False)
    _floor: int = field(default=0, init=False, repr=False)
    _first: int = field(default=0, init=False, repr=False)
    _level: int = field(default=0, init=False, repr=False)
    _start: int = field(default=0, init=False, repr=False)
    _speech: int = field(default=0, init=False, repr=False)
    _last_speech: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse lengths that contradict each other."""
        for name in ("onset_s", "pre_roll_s", "min_speech_s"):
            _check(name, getattr(self, name), getattr(self, name) >= 0, "at least 0")
        _check("hangover_s", self.hangover_s, self.hangover_s > 0, "above 0")
        least = self.pre_roll_s + _ONSET_PATIENCE * self.onset_s
        fits = self.max_utterance_s > max(least, self.min_speech_s)
        _check("max_utterance_s", self.max_utterance_s, fits, f"above min_speech_s and {least:g} (pre-roll and onset)")
        self._onset, self._hangover = _whole(self.onset_s), _whole(self.hangover_s)
        self._longest = _whole(self.max_utterance_s)

    @property
    def position_s(self) -> float:
        """Seconds of media time seen so far, gaps included."""
        return self._now / _US

    @property
    def lookback_s(self) -> float:
        """How far behind the present position an utterance can begin, in seconds."""
        return self.pre_roll_s + _ONSET_PATIENCE * self.onset_s

    @property
    def due_s(self) -> float:
        """How much more audio, in seconds, may come before an utterance can end; none ends sooner than it opens."""
        if self._state is not _State.OPEN:
            return min(self.hangover_s, self.max_utterance_s - self.lookback_s)
        return (min(self._last_speech + self._hangover, self._start + self._longest) - self._now) / _US

    @property
    def is_open(self) -> bool:
        """Whether an utterance is going on."""
        return self._state is _State.OPEN

    def process(self, seconds: float, is_speech: bool) -> Sequence[Segment]:
        """Take one frame.

        Parameters
        ----------
        seconds
            How long the frame lasted, at least 0; counted in whole microseconds.
        is_speech
            What the voice activity detector said of it.

        Returns
        -------
        sequence of Opened, Closed, Dropped
            What begins or ends with this frame, in order; mostly nothing.

        Raises
        ------
        ValueError
            When `seconds` is negative or no finite number.
        """
        if seconds != self._last_length_s:  # all frames of a leg have one length
            self._last_length, self._last_length_s = _microseconds(seconds), seconds
        left = self._last_length
        if not left or self._passes(left, is_speech):
            return _NOTHING
        found: list[Segment] = []
        while left > 0:
            left -= self._speak(left, found) if is_speech else self._be_silent(left, found)
        return found

    def goes_on(self, frames: int, seconds: float, is_speech: bool) -> bool:
        """Take frames that change no state, as nearly all do; False, and nothing is taken, where one may change it.

        Parameters
        ----------
        frames
            How many.
        seconds, is_speech
            Of each; as for `process`.
        """
        return self._passes(frames * _microseconds(seconds), is_speech)

    def _passes(self, length: int, is_speech: bool) -> bool:
        """Take what changes no state: the rows of the table that lead from a state to itself, and no others."""
        now = self._now + length
        if self._state is _State.OPEN:
            if now >= self._start + self._longest:
                return False
            if is_speech:
                self._speech += length
                self._last_speech = now
            elif now >= self._last_speech + self._hangover:
                return False
        elif is_speech or self._state is not _State.IDLE:
            return False
        self._now = now
        return True

    def gap(self, seconds: float) -> list[Segment]:
        """Pass over media time that does not exist.

        An open utterance ends before it, and no later one reaches back across it.

        Parameters
        ----------
        seconds
            How long the gap is, at least 0.

        Returns
        -------
        list of Closed, Dropped
            The utterance that was open, if any.

        Raises
        ------
        ValueError
            When `seconds` is negative or no finite number.
        """
        length = _microseconds(seconds)
        found = self._leave(Cut.GAP)
        self._now += length
        self._floor = self._now
        return found

    def finish(self) -> list[Segment]:
        """End the call: return the utterance that was open, if any."""
        return self._leave(Cut.END_OF_CALL)

    def _speak(self, left: int, found: list[Segment]) -> int:
        """Take up to `left` microseconds of speech; return how many were taken before the state changed."""
        match self._state:
            case _State.IDLE:
                self._state, self._first, self._level, self._speech = _State.ONSET, self._now, 0, 0
                return 0
            case _State.CONTINUED:
                self._speech = 0
                self._open(self._now, found)
                return 0
            case _State.ONSET:
                step = min(left, self._onset - self._level, self._patience())
                self._now += step
                self._level += step
                self._speech += step
                if self._level >= self._onset:
                    self._open(max(self._first - _whole(self.pre_roll_s), self._floor), found)
                elif self._patience() <= 0:
                    self._state = _State.IDLE
                return step
            case _State.OPEN:
                step = min(left, self._room())
                self._now += step
                self._speech += step
                self._last_speech = self._now
                if self._room() <= 0:
                    self._close(self._now, Cut.MAX_LENGTH, found)
                    self._state = _State.CONTINUED
                return step

    def _be_silent(self, left: int, found: list[Segment]) -> int:
        """Take up to `left` microseconds of silence; return how many were taken before the state changed."""
        match self._state:
            case _State.IDLE:
                self._now += left
                return left
            case _State.CONTINUED:
                self._state = _State.IDLE
                return 0
            case _State.ONSET:
                step = min(left, self._level, self._patience())
                self._now += step
                self._level -= step
                if self._level <= 0 or self._patience() <= 0:
                    self._state = _State.IDLE
                return step
            case _State.OPEN:
                until_over = self._last_speech + self._hangover - self._now
                step = min(left, until_over, self._room())
                self._now += step
                if step == until_over:
                    self._close(self._last_speech, Cut.SILENCE, found)
                elif self._room() <= 0:
                    self._close(self._now, Cut.MAX_LENGTH, found)
                return step

    def _patience(self) -> int:
        """Microseconds left for the onset to open."""
        return self._first + _ONSET_PATIENCE * self._onset - self._now

    def _room(self) -> int:
        """Microseconds left until the open utterance is as long as it may be."""
        return self._start + self._longest - self._now

    def _open(self, start: int, found: list[Segment]) -> None:
        self._state, self._start, self._last_speech = _State.OPEN, start, self._now
        found.append(Opened(start / _US))

    def _close(self, end: int, cut: Cut, found: list[Segment]) -> None:
        start_s, end_s, speech_s = self._start / _US, end / _US, self._speech / _US
        if self._speech < _whole(self.min_speech_s):
            found.append(Dropped(start_s, end_s, speech_s))
        else:
            found.append(Closed(start_s, end_s, speech_s, cut))
        self._state, self._floor = _State.IDLE, end

    def _leave(self, cut: Cut) -> list[Segment]:
        found: list[Segment] = []
        if self._state is _State.OPEN:
            self._close(self._last_speech, cut, found)
        self._state = _State.IDLE
        return found


def _whole(seconds: float) -> int:
    return round(seconds * _US)


def _microseconds(seconds: float) -> int:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"a frame or gap of {seconds} s cannot be placed: give a length in seconds, at least 0")
    return _whole(seconds)


def _check(name: str, value: float, holds: bool, range_: str) -> None:
    if not (math.isfinite(value) and holds):
        raise ValueError(f"{name} is {value} s, must be {range_}")
