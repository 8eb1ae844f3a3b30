"""Wideband audio down to the telephone's 8 kHz, as it streams in.

soxr does the filtering (quality MQ: flat within 0.1 dB to 3.6 kHz, more than 100 dB down from 4.2 kHz); this file adds
int16 at both ends and must never place, fill or judge audio.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

TELEPHONE_HZ: Final = 8000

LATENCY_MS: Final[Mapping[int, int]] = MappingProxyType(
    {8000: 0, 16000: 119, 24000: 76, 32000: 118, 44100: 83, 48000: 76}
)
"""Source rate in Hz to the most media time in ms that is inside the filter and not yet out; a test holds it to that."""

_INT16: Final = np.iinfo(np.int16)


class StreamingResampler:
    """One channel from its own rate to 8 kHz; cutting the same samples differently gives the same result.

    Parameters
    ----------
    from_hz
        Rate of what comes in: 8000 (nothing is changed), 16000, 24000, 32000, 44100 or 48000.
    to_hz
        Rate of what goes out: 8000.

    Raises
    ------
    ValueError
        When a rate is another one.
    """

    def __init__(self, from_hz: int, to_hz: int = TELEPHONE_HZ) -> None:
        if from_hz not in LATENCY_MS or to_hz != TELEPHONE_HZ:
            known = ", ".join(map(str, LATENCY_MS))
            raise ValueError(f"cannot resample {from_hz} to {to_hz} Hz; from one of {known} to {TELEPHONE_HZ} it goes")
        self.from_hz = from_hz
        self.latency_ms = LATENCY_MS[from_hz]
        """The most media time that waits in the filter, in ms."""
        # Float inside, for with int16 soxr would add dither: the same call must give the same samples.
        self._stream = (
            None if from_hz == to_hz else soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="MQ")
        )

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take some samples; return what is ready.

        Parameters
        ----------
        samples
            int16[n] at `from_hz`, any n.

        Returns
        -------
        int16[m]
            At 8 kHz; m may be 0, and more than n would give when a block of the filter is full. Loud peaks that the
            filter overshoots are clipped.
        """
        return self._through(samples, last=False)

    def flush(self) -> NDArray[np.int16]:
        """Return what still waits in the filter, int16[m], and forget all: what comes next begins anew."""
        rest = self._through(np.empty(0, dtype=np.int16), last=True)
        if self._stream is not None:
            self._stream.clear()
        return rest

    def _through(self, samples: NDArray[np.int16], *, last: bool) -> NDArray[np.int16]:
        if samples.dtype != np.int16:
            raise TypeError(f"expected int16 samples, got {samples.dtype}; scale and convert them first")
        if self._stream is None:
            return samples
        out = self._stream.resample_chunk(np.ascontiguousarray(samples, dtype=np.float32), last=last)
        rounded: NDArray[np.int16] = np.clip(np.rint(out), _INT16.min, _INT16.max).astype(np.int16)
        return rounded
