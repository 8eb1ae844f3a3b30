from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from streamer_client.g711 import encode_alaw, encode_mulaw

EVERY_VALUE = np.arange(-32768, 32768).astype(np.int16)


@pytest.mark.parametrize(("encode", "subtype", "silence"), [(encode_mulaw, "ULAW", 0xFF), (encode_alaw, "ALAW", 0xD5)])
def test_every_sample_survives_within_half_a_step(encode: Any, subtype: Any, silence: Any) -> None:
    encoded = encode(EVERY_VALUE)
    decoded, _ = soundfile.read(
        io.BytesIO(encoded), dtype="int16", format="RAW", subtype=subtype, samplerate=8000, channels=1
    )
    error = np.abs(decoded.astype(int) - EVERY_VALUE)
    loud = np.abs(EVERY_VALUE.astype(int))
    # The widest step of either law is 1/16 of the segment's value; the last segment of mu-law ends at 32635.
    assert (error <= np.maximum(loud / 16, 16) + (loud > 32000) * 800).all()
    assert encode(np.zeros(1, dtype=np.int16)) == bytes([silence])


def test_channels_stay_interleaved() -> None:
    stereo = np.array([[0, 30000], [0, 30000]], dtype=np.int16)
    one = encode_mulaw(stereo[:, 0])
    other = encode_mulaw(stereo[:, 1])
    assert encode_mulaw(stereo) == bytes([one[0], other[0], one[1], other[1]])
