"""ITU-T G.722 at 64 kbit/s: 8000 bytes a second into 16 kHz samples.

libg722 does the decoding (package `G722`, bit-exact to the recommendation of 09/2012); this file gives it bytes and
takes samples. A decoder has a memory: one per track, and bytes in their order. This file must never place or resample
audio.
"""

from __future__ import annotations

from typing import Final

import G722
import numpy as np

RATE_HZ: Final = 16_000
"""Of what comes out. The RTP clock of G.722 runs at half of it, for historical reasons (RFC 3551, section 4.5.2)."""
_BITS_PER_SECOND: Final = 64_000


class G722Decoder:
    """One track; cutting the same bytes differently gives the same samples."""

    def __init__(self) -> None:
        self._decoder = G722.G722(RATE_HZ, _BITS_PER_SECOND, use_numpy=False)

    def decode(self, data: bytes) -> bytes:
        """Turn the next bytes into samples.

        Parameters
        ----------
        data
            One byte for two samples; any length, also none.

        Returns
        -------
        bytes
            int16[2 * len(data)], little-endian.
        """
        if not data:
            return b""
        return np.asarray(self._decoder.decode(data), np.int16).astype("<i2", copy=False).tobytes()
