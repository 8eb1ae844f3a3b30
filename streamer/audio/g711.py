"""ITU-T G.711: mu-law and A-law, both directions, by table.

A telephone leg carries one 8-bit code for each sample. This file turns codes into 16-bit linear samples and back and
does nothing else: it must never resample, scale, buffer or guess which law a leg uses.

Both laws have eight segments of sixteen steps for each sign (tables 1a, 1b, 2a and 2b of the recommendation, 11/1988).
Linear values stand in 16-bit units, as everywhere in telephony software: the recommendation's 14-bit mu-law values
shifted left by two, its 13-bit A-law values by three. The recommendation leaves open
where a sample goes that stands exactly on a decision value. Here a mu-law magnitude goes to the step above it for both
signs, as in libsndfile and most software in the field, so that the same recording gives the same bytes everywhere; an
A-law one is taken as the one's complement where negative, as the ITU's reference software (G.191) does.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SIGN_BIT: Final = 0x80
_MULAW_BIAS: Final = 33
"""In 14-bit units: with it added, the ends of the mu-law segments in table 2a (31, 95, 223 ...) are powers of two."""
_MULAW_SHIFT: Final = 2
_ALAW_SHIFT: Final = 3
_ALAW_TOGGLE: Final = 0x55
"""A-law inverts the even bits on the line (note 2 of table 1a)."""


def _levels_mulaw() -> NDArray[np.int32]:
    """Return the 128 output magnitudes of mu-law in 16-bit units, smallest first."""
    segment, step = np.divmod(np.arange(128, dtype=np.int32), 16)
    return (((2 * step + _MULAW_BIAS) << segment) - _MULAW_BIAS) << _MULAW_SHIFT


def _decisions_mulaw() -> NDArray[np.int32]:
    """Return the 127 decision values between the mu-law magnitudes, in 16-bit units."""
    segment, step = np.divmod(np.arange(1, 128, dtype=np.int32), 16)
    return (((2 * step + _MULAW_BIAS - 1) << segment) - _MULAW_BIAS) << _MULAW_SHIFT


def _levels_alaw() -> NDArray[np.int32]:
    """Return the 128 output magnitudes of A-law in 16-bit units, smallest first."""
    segment, step = np.divmod(np.arange(128, dtype=np.int32), 16)
    first = 2 * step + 1
    return np.where(segment == 0, first, (first + 32) << np.maximum(segment - 1, 0)) << _ALAW_SHIFT


def _decisions_alaw() -> NDArray[np.int32]:
    """Return the 127 decision values between the A-law magnitudes, in 16-bit units."""
    segment, step = np.divmod(np.arange(1, 128, dtype=np.int32), 16)
    return np.where(segment == 0, 2 * step, (2 * step + 32) << np.maximum(segment - 1, 0)) << _ALAW_SHIFT


def _decoder(levels: NDArray[np.int32], invert: int) -> NDArray[np.int16]:
    """Return the linear value of each of the 256 codes; `invert` is what the line does to a code's lower bits."""
    codes = np.arange(256)
    magnitude = levels[(codes ^ invert) & 0x7F]
    table: NDArray[np.int16] = np.where(codes & _SIGN_BIT, magnitude, -magnitude).astype(np.int16)
    return table


def _encoder(decisions: NDArray[np.int32], invert: int, *, mirrored: bool) -> NDArray[np.uint8]:
    """Return the code of each 16-bit sample, indexed by the sample's bits read as unsigned.

    `mirrored`: the decision values of both signs are the same; else negative ones lie one further out.
    """
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.abs(sample) if mirrored else np.where(sample < 0, ~sample, sample)
    step = np.searchsorted(decisions, magnitude, side="right")
    sign = np.where(sample < 0, 0, _SIGN_BIT)
    table: NDArray[np.uint8] = (sign | (step ^ invert)).astype(np.uint8)
    return table


_FROM_MULAW: Final = _decoder(_levels_mulaw(), 0x7F)
_FROM_ALAW: Final = _decoder(_levels_alaw(), _ALAW_TOGGLE)
_TO_MULAW: Final = _encoder(_decisions_mulaw(), 0x7F, mirrored=True)
_TO_ALAW: Final = _encoder(_decisions_alaw(), _ALAW_TOGGLE, mirrored=False)


_ALAW_TO_MULAW: Final = _TO_MULAW[_FROM_ALAW.view(np.uint16)].tobytes()
MULAW_SILENCE: Final = b"\xff"
"""The code of 0."""


def transcode_alaw(data: bytes) -> bytes:
    """Turn A-law codes into the mu-law codes in whose steps they lie, as at a border between networks.

    Parameters
    ----------
    data
        One A-law code a byte; any length, also none.

    Returns
    -------
    bytes
        As many mu-law codes.
    """
    return data.translate(_ALAW_TO_MULAW)


def decode_mulaw(data: bytes) -> NDArray[np.int16]:
    """Turn mu-law codes into linear samples.

    Parameters
    ----------
    data
        One code a byte; any length, also none.

    Returns
    -------
    int16[len(data)]
        Samples in 16-bit units, -32124 to 32124.
    """
    return _FROM_MULAW[np.frombuffer(data, dtype=np.uint8)]


def decode_alaw(data: bytes) -> NDArray[np.int16]:
    """Turn A-law codes into linear samples.

    Parameters
    ----------
    data
        One code a byte; any length, also none.

    Returns
    -------
    int16[len(data)]
        Samples in 16-bit units, -32256 to 32256; never 0, for A-law has no zero level.
    """
    return _FROM_ALAW[np.frombuffer(data, dtype=np.uint8)]


def encode_mulaw(samples: NDArray[np.int16]) -> bytes:
    """Turn linear samples into mu-law codes.

    Parameters
    ----------
    samples
        int16[n], 16-bit units.

    Returns
    -------
    bytes
        One code a sample.

    Raises
    ------
    TypeError
        When the samples are not int16: floats would be cut to silence without a word.
    """
    return _TO_MULAW[_bits(samples)].tobytes()


def encode_alaw(samples: NDArray[np.int16]) -> bytes:
    """Turn linear samples into A-law codes.

    Parameters
    ----------
    samples
        int16[n], 16-bit units.

    Returns
    -------
    bytes
        One code a sample.

    Raises
    ------
    TypeError
        When the samples are not int16.
    """
    return _TO_ALAW[_bits(samples)].tobytes()


def _bits(samples: NDArray[np.int16]) -> NDArray[np.uint16]:
    if samples.dtype != np.int16:
        raise TypeError(f"G.711 encodes int16 samples, got {samples.dtype}; scale and convert them first")
    return np.ascontiguousarray(samples).view(np.uint16)
