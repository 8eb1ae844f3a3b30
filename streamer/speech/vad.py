"""Whether 20 ms of a telephone leg are speech.

One interface, and the WebRTC detector behind it. This file must never resample, buffer or decide where an utterance
ends: it answers for the frames it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from streamer.audio.frames import FRAME, FRAME_MS, RATE_HZ

__all__ = ["FRAME_MS", "FRAME_SAMPLES", "RATE_HZ", "SQUELCH_DBFS", "Squelch", "Vad", "WebRtcVad", "make_vad"]

FRAME_SAMPLES: Final = FRAME
_FRAME_BYTES: Final = 2 * FRAME
SQUELCH_DBFS: Final = -52.0

_REACH: Final = 10**-1.4
"""14 dB, as a ratio of energies: from -52 dBFS to -66, which is one step (16) of mu-law near zero."""
_BELOW_LOUDEST: Final = 10**-3.0
"""30 dB, as a ratio of energies."""
_ABOVE_QUIETEST: Final = 10**0.8
"""8 dB, as a ratio of energies."""
_SMOOTHING: Final = 0.1
"""What a frame weighs in the smoothed level."""
_FALL: Final = 10 ** (-0.5 * FRAME_MS / 1000 / 10)
"""Of the loudest, a frame: 0.5 dB a second."""
_RISE: Final = 10 ** (2.0 * FRAME_MS / 1000 / 10)
"""Of the quietest, a frame: 2 dB a second."""


class Vad(Protocol):
    """A voice activity detector of one leg; it may adapt to the leg, so legs never share one."""

    def is_speech(self, frame: NDArray[np.int16]) -> bool:
        """Tell whether a frame, int16[160] at 8 kHz, is speech."""
        ...

    def hear(self, linear: bytes, energies: Sequence[float]) -> list[bool]:
        """Tell the same of frames that are measured already, one after the other.

        Parameters
        ----------
        linear
            int16[160 * frames] at 8 kHz, as bytes.
        energies
            Of each frame: the sum of its squares.
        """
        ...


class WebRtcVad:
    """The detector of the WebRTC project (Gaussian mixtures on six bands), from `webrtcvad-wheels`.

    It follows the leg's noise, so its answer depends on the frames before. With nothing known yet it calls loud noise
    speech for up to some seconds.

    Parameters
    ----------
    aggressiveness
        0 to 3: how readily a frame is called silence.

    Raises
    ------
    ValueError
        When `aggressiveness` is none of 0, 1, 2, 3.
    """

    def __init__(self, aggressiveness: int = 2) -> None:
        if aggressiveness not in (0, 1, 2, 3):
            raise ValueError(f"aggressiveness is {aggressiveness!r}, must be 0, 1, 2 or 3 (3 hears least speech)")
        self._vad = webrtcvad.Vad(aggressiveness)

    def is_speech(self, frame: NDArray[np.int16]) -> bool:
        """Tell whether a frame is speech.

        Parameters
        ----------
        frame
            int16[160]: 20 ms at 8 kHz, in 16-bit units. Frames come in the order of the media clock.

        Raises
        ------
        ValueError
            When the frame has another length or type.
        """
        if frame.dtype != np.int16 or frame.shape != (FRAME_SAMPLES,):
            raise ValueError(f"expected a frame of int16[{FRAME_SAMPLES}], got {frame.dtype}{list(frame.shape)}")
        return self.hear(frame.tobytes(), (0.0,))[0]

    def hear(self, linear: bytes, energies: Sequence[float]) -> list[bool]:
        """Tell whether frames of 320 bytes are speech."""
        is_speech, last = self._vad.is_speech, len(energies) * _FRAME_BYTES
        return [is_speech(linear[at : at + _FRAME_BYTES], RATE_HZ) for at in range(0, last, _FRAME_BYTES)]


class Squelch:
    """Another detector behind a squelch: what is too quiet to be this leg's speech is silence, whatever it says.

    Line noise near the lowest step of G.711 sounds like anything to a detector, and the last bit of a codec then
    decides where an utterance ends. So does the other party's echo. The detector still gets every frame: one that never
    hears the pauses takes the first quiet voice for the noise.

    Speech on a telephone stands near -26 dBFS (ITU-T P.56 active level), and a frame 26 dB below carries none that
    would change a verdict; but a calm or sad voice far from its microphone can stand there whole. So the squelch is
    no fixed level: it lies between `level_dbfs` and 14 dB below, at the higher of

    - 30 dB below the loudest that this leg has been. The trace of it rises at once and falls 0.5 dB a second: who
      spoke up a moment ago is not gone, and what is so far below is echo.
    - 8 dB above the quietest. The trace of it falls at once and rises 2 dB a second, an asymmetric follower in the
      place of the minimum statistics of R. Martin (2001), "Noise power spectral density estimation based on optimal
      smoothing and minimum statistics", IEEE Trans. Speech and Audio Processing 9(5): no memory of frames.

    Both are traces of the level smoothed over 10 frames. A leg begins with the squelch at `level_dbfs`, which comes
    down within the first half second of silence; a leg with a talker of usual loudness keeps it there for good.

    Parameters
    ----------
    vad
        Who is asked about the frames.
    level_dbfs
        The most the squelch can be, in dB relative to a full-scale square wave, -200 (off) to 0.

    Raises
    ------
    ValueError
        When the level is above 0, below -200 or no number.
    """

    def __init__(self, vad: Vad, level_dbfs: float) -> None:
        if not -200 <= level_dbfs <= 0:
            raise ValueError(f"squelch_dbfs is {level_dbfs}, must be between -200 (off) and 0")
        self._vad = vad
        # All levels are energies of a frame: sums of 160 squares, exact in a float64 whatever the order of adding.
        self._highest = 10 ** (level_dbfs / 10) * 32768.0**2 * FRAME_SAMPLES
        self._lowest = self._highest * _REACH
        self._least_quiet = self._lowest / _ABOVE_QUIETEST
        self._level = self._quietest = self._highest / _ABOVE_QUIETEST
        self._loudest = 0.0

    def is_speech(self, frame: NDArray[np.int16]) -> bool:
        """Tell whether a frame, int16[160] at 8 kHz, is speech."""
        exact = frame.astype(np.float64)
        return self.hear(frame.tobytes(), (float(exact @ exact),))[0]

    def hear(self, linear: bytes, energies: Sequence[float]) -> list[bool]:
        """Tell whether frames are speech, from their samples as bytes and the sums of their squares."""
        found = self._vad.hear(linear, energies)
        level, loudest, quietest = self._level, self._loudest, self._quietest
        lowest, highest, least_quiet = self._lowest, self._highest, self._least_quiet
        # Comparisons instead of min and max: this runs 50 times a second for each leg, and calls cost more.
        for i, energy in enumerate(energies):
            level += _SMOOTHING * (energy - level)
            loudest *= _FALL
            if level > loudest:  # noqa: PLR1730 - see above
                loudest = level
            quietest *= _RISE
            if level < quietest:  # noqa: PLR1730 - see above
                quietest = level
            # Never below what matters, so that the trace rises in time from digital silence, which has no level.
            if quietest < least_quiet:  # noqa: PLR1730 - see above
                quietest = least_quiet
            if found[i] and energy < highest:
                least, by_noise = loudest * _BELOW_LOUDEST, quietest * _ABOVE_QUIETEST
                found[i] = energy >= least and energy >= by_noise and energy >= lowest
        self._level, self._loudest, self._quietest = level, loudest, quietest
        return found


def make_vad(name: str, aggressiveness: int = 2, squelch_dbfs: float = SQUELCH_DBFS) -> Vad:
    """Return a fresh detector for one leg.

    Parameters
    ----------
    name
        As in the configuration's `speech.vad`: ``webrtc``.
    aggressiveness
        0 to 3, see `WebRtcVad`.
    squelch_dbfs
        See `Squelch`.

    Raises
    ------
    ValueError
        When no detector has this name, or `aggressiveness` or `squelch_dbfs` is out of range.
    """
    if name != "webrtc":
        raise ValueError(f"no voice activity detector is called {name!r}; speech.vad can be: webrtc")
    return Squelch(WebRtcVad(aggressiveness), squelch_dbfs)
