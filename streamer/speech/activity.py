"""What may be known of every party, whatever its role: how much, how loud and how fast it speaks, how noisy its line.

Levels, counts and times only; the agent's channel goes no further than this. This file must never name an emotion, keep
audio, or measure anything that tells one voice from another.

Levels are in dBFS: 0 is a square wave at full scale, so a full-scale sine has -3. The share of clipped samples counts
those at or above the largest level of mu-law (32124), which catches A-law (32256) and linear samples too.

Speech rate counts syllable nuclei after de Jong & Wempe (2009), "Praat script to detect syllable nuclei and measure
speech rate automatically", Behavior Research Methods 41: peaks of intensity with dips of at least 2 dB between them.
It is rough: intensity comes from 20 ms frames smoothed over three, and voicing is taken from the voice activity
detector, not from pitch, so a loud fricative can count and two syllables run together count once. Compare a speaker
with the same speaker, not with a dictionary.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Final

import msgspec

from streamer.audio.frames import FRAME, FRAME_MS, FULL_SCALE, RATE_HZ

_LEAST_POWER: Final = 1.0
"""One step of 16 bits, in squared units: digital silence is taken as that, so no level is minus infinity."""

_LEAST_ENERGY: Final = _LEAST_POWER * FRAME

_DIP: Final = 10 ** (-2.0 / 10)
"""2 dB, as a ratio of powers."""
_RISE: Final = 10 ** (2.0 / 10)
_PEAK_RANGE: Final = 10 ** (-25.0 / 10)
"""25 dB, as a ratio of powers: a peak this far below the loudest so far is no nucleus (Quene, Persoon & de Jong's later
version of the script)."""
_LEAST_TALK_FOR_RATE_MS: Final = 1000

_REMEMBERED_MS: Final = 20_000
"""The longest utterance (15 s) and the frames around it."""
_AROUND_MS: Final = 1000
"""How far before and after an utterance its noise is looked for."""
_LEAST_NOISE_FRAMES: Final = 5

_SETTLED_AT_ONCE: Final = 64
"""Frames that are counted together; nobody asks for a count while an utterance goes on."""
_MOST_KEPT: Final = _REMEMBERED_MS // FRAME_MS


class ActivitySummary(msgspec.Struct, frozen=True):
    """What a party did so far."""

    talk_ms: int
    """Time that the voice activity detector called speech."""
    silence_ms: int
    """The rest of the time that was heard."""
    loudness_dbfs: float | None
    """Mean level of the speech; None where nobody spoke."""
    noise_dbfs: float | None
    """Mean level of what is no speech; None where all was speech."""
    syllables_per_s: float | None
    """Syllable nuclei per second of speech, rough; None under one second of speech."""
    clipped: float
    """Share of the speech's samples at full scale, 0 to 1."""


class UtteranceLevels(msgspec.Struct, frozen=True):
    """How good the audio of an utterance was."""

    snr_db: float
    """Level of its speech over that of the frames without speech in it and within a second around it."""
    clipped: float
    """Share of its samples at full scale, 0 to 1."""


class Activity:
    """One party of a call, fed with its 20 ms frames in the order of the media clock.

    A frame is put down as it comes; what it adds to the counts is worked out for 64 frames at once, or when somebody
    asks.
    """

    def __init__(self) -> None:
        # A leg has a thousand of these: floats of four bytes are exact to a millionth of a dB.
        self._energies = array("f")
        self._marks = array("H")
        """Of each frame: twice its clipped samples, and 1 if it is speech."""
        self._settled = 0
        """Of these, how many frames are counted."""
        self._stretches: list[tuple[int, int]] = []
        """Of each stretch of frames that follow one another: which is its first, and where that stands on the clock.

        Of the oldest, the first frames may be forgotten: their numbers are below 0.
        """
        self._end = -1
        """Where the next frame stands if it follows."""
        self._speech_frames = self._other_frames = 0
        self._speech_power = self._other_power = 0.0
        self._clipped = 0
        self._syllables = SyllableCounter()
        self.remembers = True
        """Whether `utterance` will be asked; who is not judged need not be remembered frame by frame."""

    def process(self, energy: float, clipped: int, is_speech: bool, start: int) -> None:
        """Take one frame.

        Parameters
        ----------
        energy
            The sum of its squared samples, in squared 16-bit units.
        clipped
            How many of its samples are at the largest level of mu-law or above.
        is_speech
            What the voice activity detector said of it.
        start
            Where it stands on the media clock, in samples of 8 kHz.
        """
        self.extend((energy,), (clipped,), is_speech, start)

    def extend(self, energies: Sequence[float], clipped: Sequence[int], is_speech: bool, start: int) -> None:
        """Take frames that follow one another and are alike; as `process` for each, ``start`` being the first one's."""
        if start != self._end:
            self._stretches.append((len(self._marks), start))
        self._end = start + FRAME * len(energies)
        self._energies.extend(energies)
        self._marks.extend([2 * count + is_speech for count in clipped])
        if len(self._marks) - self._settled >= _SETTLED_AT_ONCE:
            self._settle()

    def interrupt(self) -> None:
        """Take note that media is missing here: no syllable spans it, and what was filled in is not fed at all."""
        self._settle()
        self._syllables.interrupt()

    def _settle(self) -> None:
        """Count the frames that are not counted yet, and forget those that nobody will ask for."""
        powers, spoken = self._levels(slice(self._settled, None))
        # One by one, so that the sums are the same to the last bit in whatever portions the frames are counted.
        for power, is_speech in zip(powers, spoken, strict=True):
            if is_speech:
                self._speech_power += power
            else:
                self._other_power += power
        speech_frames = sum(spoken)
        self._speech_frames += speech_frames
        self._other_frames += len(spoken) - speech_frames
        self._clipped += sum([mark >> 1 for mark in self._marks[self._settled :] if mark & 1])
        self._syllables.process(powers, spoken)
        spare = len(self._marks) - (_MOST_KEPT if self.remembers else 0)
        if spare >= _SETTLED_AT_ONCE:
            del self._energies[:spare]
            del self._marks[:spare]
            while len(self._stretches) > 1 and self._stretches[1][0] <= spare:
                del self._stretches[0]
            self._stretches = [(first - spare, start) for first, start in self._stretches]
        self._settled = len(self._marks)

    @property
    def summary(self) -> ActivitySummary:
        """What the party did so far."""
        self._settle()
        talk_ms = self._speech_frames * FRAME_MS
        enough = talk_ms >= _LEAST_TALK_FOR_RATE_MS
        return ActivitySummary(
            talk_ms=talk_ms,
            silence_ms=self._other_frames * FRAME_MS,
            loudness_dbfs=_dbfs(self._speech_power / self._speech_frames) if self._speech_frames else None,
            noise_dbfs=self._noise_dbfs,
            syllables_per_s=self._syllables.count * 1000 / talk_ms if enough else None,
            clipped=self._clipped / (self._speech_frames * FRAME) if self._speech_frames else 0.0,
        )

    def utterance(self, start_ms: float, end_ms: float) -> UtteranceLevels:
        """Return how good the audio of an utterance was; ask when it closes, for frames are forgotten after 20 s.

        Where fewer than five frames in it and around it are without speech, the noise is that of the call so far, and
        where all of the call was speech, that of the utterance's quietest tenth. An utterance without any speech frame
        has an SNR of 0 dB.

        Parameters
        ----------
        start_ms, end_ms
            On the media clock, as the segmenter said.
        """
        self._settle()
        inside = self._between(start_ms, end_ms)
        around = self._between(start_ms - _AROUND_MS, end_ms + _AROUND_MS)
        speech = [power for power, is_speech in zip(*self._levels(inside), strict=True) if is_speech]
        noise = [power for power, is_speech in zip(*self._levels(around), strict=True) if not is_speech]
        clips = [mark >> 1 for mark in self._marks[inside]]
        return UtteranceLevels(
            snr_db=_db(_mean(speech) / self._noise_power(noise, speech)) if speech else 0.0,
            clipped=sum(clips) / (len(clips) * FRAME) if clips else 0.0,
        )

    def _between(self, start_ms: float, end_ms: float) -> slice:
        """Return which of the remembered frames, whose starts rise, have their middle between two moments."""
        begin, end = (self._first_from((moment_ms - FRAME_MS / 2) * RATE_HZ / 1000) for moment_ms in (start_ms, end_ms))
        return slice(begin, end)

    def _first_from(self, position: float) -> int:
        """Return which of the remembered frames is the first that starts at a place of the clock or behind it."""
        for n, (first, start) in enumerate(self._stretches):
            found = first + max(0, math.ceil((position - start) / FRAME))
            if n + 1 == len(self._stretches) or found < self._stretches[n + 1][0]:
                return min(max(0, found), len(self._marks))
        return 0

    def _levels(self, which: slice) -> tuple[list[float], list[int]]:
        """Return the powers of some frames, and of each whether it is speech."""
        # A comparison instead of max: this runs 50 times a second for each leg, and a call costs more.
        powers = [energy / FRAME if energy > _LEAST_ENERGY else _LEAST_POWER for energy in self._energies[which]]
        return powers, [mark & 1 for mark in self._marks[which]]

    @property
    def _noise_dbfs(self) -> float | None:
        return _dbfs(self._other_power / self._other_frames) if self._other_frames else None

    def _noise_power(self, noise: list[float], speech: list[float]) -> float:
        if len(noise) >= _LEAST_NOISE_FRAMES:
            return _mean(noise)
        if self._other_frames:
            return self._other_power / self._other_frames
        return _mean(sorted(speech)[: max(1, len(speech) // 10)])


class SyllableCounter:
    """Counts syllable nuclei in a stream of frame powers; see the module for the method and its limits."""

    def __init__(self) -> None:
        self.count = 0
        """Syllable nuclei so far."""
        # Levels here are sums of three powers: only ratios are compared.
        self._loudest = 0.0
        self._before: float | None = None
        """Power of the frame before the last, and then of the last one: None where there is none."""
        self._last: float | None = None
        self._last_is_speech = 0
        self._rising = True
        self._turn = 0.0
        self._turn_is_speech = 0

    def process(self, powers: Sequence[float], spoken: Sequence[int]) -> None:
        """Take frames: of each the mean square, above 0, and whether it is speech."""
        before, centre, centre_is_speech = self._before, self._last, self._last_is_speech
        loudest, rising, turn, turn_is_speech = self._loudest, self._rising, self._turn, self._turn_is_speech
        for after, after_is_speech in zip(powers, spoken, strict=True):
            if before is not None and centre is not None:
                level = before + centre + after
                if centre_is_speech and level > loudest:
                    loudest = level
                # Peaks and dips in turn: each is believed once the level has moved 2 dB away from it.
                if rising:
                    if level > turn:
                        turn, turn_is_speech = level, centre_is_speech
                    elif level <= turn * _DIP:
                        if turn_is_speech and turn >= loudest * _PEAK_RANGE:
                            self.count += 1
                        rising, turn = False, level
                elif level < turn:
                    turn = level
                elif level >= turn * _RISE:
                    rising, turn, turn_is_speech = True, level, centre_is_speech
            before, centre, centre_is_speech = centre, after, after_is_speech
        self._before, self._last, self._last_is_speech = before, centre, centre_is_speech
        self._loudest, self._rising, self._turn, self._turn_is_speech = loudest, rising, turn, turn_is_speech

    def interrupt(self) -> None:
        """Begin anew after missing media; the count stays."""
        self._before = self._last = None
        self._rising, self._turn, self._turn_is_speech = True, 0.0, 0


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _db(ratio: float) -> float:
    return 10 * math.log10(ratio)


def _dbfs(power: float) -> float:
    return _db(power / FULL_SCALE**2)
