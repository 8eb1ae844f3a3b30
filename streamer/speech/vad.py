"""Whether 20 ms of a telephone leg are speech.

One interface, and the WebRTC detector behind it. This file must never resample, buffer or decide where an utterance
ends: it answers for the frame it is given.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import webrtcvad
from numpy.typing import NDArray

RATE_HZ: Final = 8000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = RATE_HZ * FRAME_MS // 1000
SQUELCH_DBFS: Final = -52.0


class Vad(Protocol):
    """A voice activity detector of one leg; it may adapt to the leg, so legs never share one."""

    def is_speech(self, frame: NDArray[np.int16]) -> bool:
        """Tell whether a frame, int16[160] at 8 kHz, is speech."""
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
        return bool(self._vad.is_speech(frame.tobytes(), RATE_HZ))


class Squelch:
    """Another detector behind a squelch: what is quieter than any speech on a telephone is silence, unasked.

    Line noise near the lowest step of G.711 sounds like anything to a detector, and the last bit of a codec then
    decides where an utterance ends. Speech on a telephone stands near -26 dBFS (ITU-T P.56 active level); a frame 25 dB
    below carries none that would change a verdict. Frames under the squelch do not reach the detector behind it, so
    its idea of the noise comes from the noise that matters.

    Parameters
    ----------
    vad
        Who is asked about the other frames.
    level_dbfs
        The squelch, in dB relative to a full-scale square wave, at most 0.

    Raises
    ------
    ValueError
        When the level is above 0 or no finite number.
    """

    def __init__(self, vad: Vad, level_dbfs: float) -> None:
        if not -200 <= level_dbfs <= 0:
            raise ValueError(f"squelch_dbfs is {level_dbfs}, must be between -200 (off) and 0")
        self._vad = vad
        self._least_energy = 10 ** (level_dbfs / 10) * 32768.0**2 * FRAME_SAMPLES

    def is_speech(self, frame: NDArray[np.int16]) -> bool:
        """Tell whether a frame, int16[160] at 8 kHz, is speech."""
        exact = frame.astype(np.float64)
        return bool(exact @ exact >= self._least_energy) and self._vad.is_speech(frame)


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
