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
from collections import deque
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.speech.vad import FRAME_MS

_FULL_SCALE: Final = 32768.0
_CLIPPED_AT: Final = 32124
_LEAST_POWER: Final = 1.0
"""One step of 16 bits, in squared units: digital silence is taken as that, so no level is minus infinity."""

_DIP_DB: Final = 2.0
_PEAK_RANGE_DB: Final = 25.0
"""A peak this far below the loudest so far is no nucleus (Quene, Persoon & de Jong's later version of the script)."""
_LEAST_TALK_FOR_RATE_MS: Final = 1000

_REMEMBERED_MS: Final = 20_000
"""The longest utterance (15 s) and the frames around it."""
_AROUND_MS: Final = 1000
"""How far before and after an utterance its noise is looked for."""
_LEAST_NOISE_FRAMES: Final = 5


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


class _Frame(msgspec.Struct, frozen=True, gc=False):
    start_ms: float
    power: float
    clipped: int
    samples: int
    is_speech: bool


class Activity:
    """One party of a call, fed with its 20 ms frames in the order of the media clock."""

    def __init__(self) -> None:
        self._frames: deque[_Frame] = deque(maxlen=_REMEMBERED_MS // FRAME_MS)
        self._speech_frames = self._other_frames = 0
        self._speech_power = self._other_power = 0.0
        self._speech_samples = self._clipped = 0
        self._syllables = SyllableCounter()

    def process(self, frame: NDArray[np.int16], is_speech: bool, start_ms: float) -> None:
        """Take one frame.

        Parameters
        ----------
        frame
            int16[n], 20 ms of samples; n is the same for all frames.
        is_speech
            What the voice activity detector said of it.
        start_ms
            Where it stands on the media clock.
        """
        exact = frame.astype(np.float64)
        power = max(float(np.dot(exact, exact)) / max(len(frame), 1), _LEAST_POWER)
        clipped = int(np.count_nonzero(np.abs(exact) >= _CLIPPED_AT))
        self._frames.append(_Frame(start_ms, power, clipped, len(frame), is_speech))
        if is_speech:
            self._speech_frames += 1
            self._speech_power += power
            self._speech_samples += len(frame)
            self._clipped += clipped
        else:
            self._other_frames += 1
            self._other_power += power
        self._syllables.process(power, is_speech)

    def interrupt(self) -> None:
        """Take note that media is missing here: no syllable spans it, and what was filled in is not fed at all."""
        self._syllables.interrupt()

    @property
    def summary(self) -> ActivitySummary:
        """What the party did so far."""
        talk_ms = self._speech_frames * FRAME_MS
        enough = talk_ms >= _LEAST_TALK_FOR_RATE_MS
        return ActivitySummary(
            talk_ms=talk_ms,
            silence_ms=self._other_frames * FRAME_MS,
            loudness_dbfs=_dbfs(self._speech_power / self._speech_frames) if self._speech_frames else None,
            noise_dbfs=self._noise_dbfs,
            syllables_per_s=self._syllables.count * 1000 / talk_ms if enough else None,
            clipped=self._clipped / self._speech_samples if self._speech_samples else 0.0,
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
        around = [
            frame
            for frame in self._frames
            if start_ms - _AROUND_MS <= frame.start_ms + FRAME_MS / 2 < end_ms + _AROUND_MS
        ]
        inside = [frame for frame in around if start_ms <= frame.start_ms + FRAME_MS / 2 < end_ms]
        speech = [frame.power for frame in inside if frame.is_speech]
        samples = sum(frame.samples for frame in inside)
        return UtteranceLevels(
            snr_db=_db(_mean(speech) / self._noise_power(around, speech)) if speech else 0.0,
            clipped=sum(frame.clipped for frame in inside) / samples if samples else 0.0,
        )

    @property
    def _noise_dbfs(self) -> float | None:
        return _dbfs(self._other_power / self._other_frames) if self._other_frames else None

    def _noise_power(self, around: list[_Frame], speech: list[float]) -> float:
        noise = [frame.power for frame in around if not frame.is_speech]
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
        self._loudest_db = -math.inf
        self._recent: deque[tuple[float, bool]] = deque(maxlen=3)
        self._rising = True
        self._turn_db = -math.inf
        self._turn_is_speech = False

    def process(self, power: float, is_speech: bool) -> None:
        """Take the mean square of one frame, above 0, and whether it is speech."""
        self._recent.append((power, is_speech))
        if len(self._recent) < 3:
            return
        level_db = _db(sum(power for power, _ in self._recent) / 3)
        centre_is_speech = self._recent[1][1]
        if centre_is_speech:
            self._loudest_db = max(self._loudest_db, level_db)
        # Peaks and dips in turn: each is believed once the level has moved 2 dB away from it.
        if self._rising:
            if level_db > self._turn_db:
                self._turn_db, self._turn_is_speech = level_db, centre_is_speech
            elif level_db <= self._turn_db - _DIP_DB:
                self.count += self._turn_is_speech and self._turn_db >= self._loudest_db - _PEAK_RANGE_DB
                self._rising, self._turn_db = False, level_db
        elif level_db < self._turn_db:
            self._turn_db = level_db
        elif level_db >= self._turn_db + _DIP_DB:
            self._rising, self._turn_db, self._turn_is_speech = True, level_db, centre_is_speech

    def interrupt(self) -> None:
        """Begin anew after missing media; the count stays."""
        self._recent.clear()
        self._rising, self._turn_db, self._turn_is_speech = True, -math.inf, False


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _db(ratio: float) -> float:
    return 10 * math.log10(ratio)


def _dbfs(power: float) -> float:
    return _db(power / _FULL_SCALE**2)
