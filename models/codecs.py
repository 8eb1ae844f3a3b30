"""The lossy speech codecs a call passes before it is G.711 again: each coded, decoded and laid over what went in.

A mobile or internet leg is transcoded at the gateway; what the codec lost stays lost. Coding delays a call by a few
milliseconds, which would shift labels and comparisons: that delay is taken away here. This file must never add
noise, lose packets, change a level or draw random numbers; and it imports PyAV only where a codec needs it, because
what ships and its tests do without.
"""

import importlib
import io
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from types import ModuleType
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

_RATE_HZ: Final = 8000
_OPUS_DECODED_HZ: Final = 48000
"""RFC 6716 section 2: a decoder may give any rate; FFmpeg's gives always this one."""
_G722_HZ: Final = 16000

_AMR_DELAY: Final = 40
"""Samples at 8 kHz. 3GPP TS 26.090: the encoder looks 5 ms ahead at every rate; measured too."""
_G722_DELAY: Final = 22
"""Samples at 16 kHz. ITU-T G.722: quadrature mirror filters of 24 taps at both ends; measured too."""
_OPUS_DELAY: Final = 312
"""Samples at 48 kHz. libopus looks 6.5 ms ahead in its voice mode (its OPUS_GET_LOOKAHEAD, the pre-skip of RFC 7845
section 5.1); measured too."""

Linear = NDArray[np.int16]


def through(linear: Linear, codec: str) -> Linear:
    """Return what is left of audio that has passed a codec, neither earlier nor later than it went in.

    Parameters
    ----------
    linear
        int16[n] at 8 kHz.
    codec
        One of `CODECS`.

    Returns
    -------
    int16[n]
        At 8 kHz. Sample i is what became of sample i.

    Raises
    ------
    ValueError
        When there is no such codec.
    ModuleNotFoundError
        When the codec needs PyAV and it is not installed.
    """
    if codec not in CODECS:
        raise ValueError(f"the codec is {codec!r}, must be one of {', '.join(CODECS)}")
    if not len(linear):
        return linear.copy()
    return CODECS[codec](linear)


def _soundfile(linear: Linear, container: str, subtype: str) -> Linear:
    """Code by libsndfile, which has no delay: it hands out what the decoder says of each frame."""
    coded = io.BytesIO()
    soundfile.write(coded, linear, _RATE_HZ, format=container, subtype=subtype)
    coded.seek(0)
    decoded: Linear = soundfile.read(coded, dtype="int16")[0]
    return decoded[: len(linear)]


def _amr(linear: Linear, bits_per_s: int) -> Linear:
    """Code by AMR narrowband (3GPP TS 26.071): the codec of 2G and 3G calls."""
    decoded = _av_code(linear, "libopencore_amrnb", rate_hz=_RATE_HZ, ahead=_AMR_DELAY, bits_per_s=bits_per_s)
    return decoded[_AMR_DELAY : _AMR_DELAY + len(linear)]


def _g722(linear: Linear) -> Linear:
    """Code by ITU-T G.722 at 64 kbit/s, as a wideband desk phone that is bridged into a narrowband call."""
    wide = _resampled(linear, _RATE_HZ, _G722_HZ)
    decoded = _av_code(wide, "g722", rate_hz=_G722_HZ, ahead=_G722_DELAY, bits_per_s=64000)
    return _resampled(decoded[_G722_DELAY:], _G722_HZ, _RATE_HZ)[: len(linear)]


def _opus(linear: Linear, bits_per_s: int) -> Linear:
    """Code by Opus (RFC 6716) in its voice mode; at 8 kHz that is SILK narrowband, as VoIP trunks send it."""
    ahead = _OPUS_DELAY * _RATE_HZ // _OPUS_DECODED_HZ + 1
    voice = {"application": "voip"}
    decoded = _av_code(linear, "libopus", rate_hz=_RATE_HZ, ahead=ahead, bits_per_s=bits_per_s, options=voice)
    return _resampled(decoded[_OPUS_DELAY:], _OPUS_DECODED_HZ, _RATE_HZ)[: len(linear)]


def _av_code(
    linear: Linear,
    codec: str,
    *,
    rate_hz: int,
    ahead: int,
    bits_per_s: int,
    options: dict[str, str] | None = None,
) -> Linear:
    """Encode and decode with FFmpeg, followed by enough silence that the last sample comes out too.

    `ahead` is the codec's delay in samples at `rate_hz`; the result still has it, and stands at the decoder's rate.
    """
    av = _import_av()
    encode = av.CodecContext.create(codec, "w")
    encode.sample_rate, encode.layout, encode.format = rate_hz, "mono", "s16"
    encode.bit_rate, encode.time_base, encode.options = bits_per_s, Fraction(1, rate_hz), options or {}
    encode.open()
    size = encode.frame_size or rate_hz // 50
    padded = np.pad(linear, (0, ahead + size + -(len(linear) + ahead) % size))
    decode = av.CodecContext.create(codec, "r")
    decode.sample_rate, decode.layout = rate_hz, "mono"
    frames = []
    for start in range(0, len(padded), size):
        frame = av.AudioFrame.from_ndarray(padded[None, start : start + size], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, start
        for packet in encode.encode(frame):
            frames.extend(decode.decode(packet))
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def _resampled(linear: Linear, from_hz: int, to_hz: int) -> Linear:
    """Return audio at another rate, by way of floats: soxr dithers 16-bit samples, differently each time."""
    samples = soxr.resample(linear.astype(np.float32), from_hz, to_hz)
    resampled: Linear = np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
    return resampled


def _import_av() -> ModuleType:
    """Return PyAV, or say how to get it."""
    try:
        return importlib.import_module("av")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "this codec needs PyAV (package av), which is not installed: uv sync --group lab", name="av"
        ) from error


CODECS: Final[dict[str, Callable[[Linear], Linear]]] = {
    "gsm": partial(_soundfile, container="WAV", subtype="GSM610"),
    "amr-nb-4.75": partial(_amr, bits_per_s=4750),
    "amr-nb-7.4": partial(_amr, bits_per_s=7400),
    "amr-nb-12.2": partial(_amr, bits_per_s=12200),
    "opus-12": partial(_opus, bits_per_s=12000),
    "g722": _g722,
    "g726-32": partial(_soundfile, container="AU", subtype="G721_32"),
}
"""Name -> coder. GSM 06.10 full rate; AMR at its least, a middle and its best rate; G.726 at 32 kbit/s, which is
G.721 under its later name (ITU-T G.726, 12/1990)."""
