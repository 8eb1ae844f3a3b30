"""How loud each party was over the time of a recording, in steps of 100 ms: for the picture of a call.

Pure. This file must never keep audio.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

STEP_MS: Final = 100
FLOOR_DBFS: Final = -96
_LEAST_POWER: Final = 10 ** (FLOOR_DBFS / 10)


class Levels:
    """The level of each channel, fed with any pieces of a recording.

    Parameters
    ----------
    rate_hz
        Of the samples.
    channels
        How many there are.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._step = rate_hz * STEP_MS // 1000
        self._rest: NDArray[np.int16] = np.empty((0, channels), np.int16)
        self._steps: list[NDArray[np.uint8]] = []

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples, int16[frames, channels]."""
        joined = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(joined) // self._step
        if whole:
            self._steps.append(_above_floor(joined[: whole * self._step].reshape(whole, self._step, -1)))
        self._rest = joined[whole * self._step :]

    def finish(self) -> tuple[bytes, ...]:
        """Return, for each channel, one byte a step: dB above `FLOOR_DBFS`, 96 being a square wave at full scale."""
        if len(self._rest):
            self._steps.append(_above_floor(self._rest[np.newaxis]))
            self._rest = self._rest[:0]
        steps = np.concatenate(self._steps) if self._steps else np.empty((0, self._rest.shape[1]), np.uint8)
        return tuple(np.ascontiguousarray(steps[:, channel]).tobytes() for channel in range(steps.shape[1]))


def _above_floor(steps: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Return the levels of int16[steps, samples, channels] as uint8[steps, channels]."""
    scaled = steps.astype(np.float32) / np.float32(32768)
    power = np.einsum("snc,snc->sc", scaled, scaled) / steps.shape[1]
    above = 10 * np.log10(np.maximum(power, _LEAST_POWER)) - FLOOR_DBFS
    rounded: NDArray[np.uint8] = np.rint(above).astype(np.uint8)
    return rounded
