"""G.711 (ITU-T, 11/1988) for the sender's side: 16-bit samples to mu-law or A-law bytes.

The law itself is libsndfile's: it encodes every 16-bit value once, and that table serves from then on. This file must
never invent a code of its own and never resample: 8 kHz is the caller's business.
"""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import numpy.typing as npt
import soundfile

from streamer_client.recording import Samples


def encode_mulaw(samples: Samples) -> bytes:
    """Encode int16 samples, any shape, in memory order; one byte each."""
    return _table("ULAW")[samples.view(np.uint16)].tobytes()


def encode_alaw(samples: Samples) -> bytes:
    """Encode int16 samples, any shape, in memory order; one byte each."""
    return _table("ALAW")[samples.view(np.uint16)].tobytes()


@cache
def _table(subtype: str) -> npt.NDArray[np.uint8]:
    every_value = np.arange(65536, dtype=np.uint16).view(np.int16)
    encoded = io.BytesIO()
    soundfile.write(encoded, every_value, 8000, format="RAW", subtype=subtype)
    return np.frombuffer(encoded.getvalue(), dtype=np.uint8)
