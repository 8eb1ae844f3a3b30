"""Raw samples from messages of any size: what the dialects with binary audio share.

A platform flushes its buffer whenever it likes, so a message may end in the middle of a sample, or with the caller's
sample and without the callee's. This file must never decode, place or judge audio, and never know a platform.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

ByteOrder = Literal["little", "big"]
"""Which byte of a sample of 16 bits comes first: the low one (`little`) or the high one (`big`)."""

_DTYPES: Final = {(1, "little"): "u1", (1, "big"): "u1", (2, "little"): "<u2", (2, "big"): ">u2"}
"""Unsigned, for the samples are opaque here: nothing is computed with them."""


class Samples:
    """One stream's bytes, cut anywhere, back into whole samples of each channel.

    Parameters
    ----------
    channels
        Channels that alternate sample by sample, 1 or more; a frame is one sample of each.
    bytes_per_sample
        2 for linear audio, 1 for G.711.
    byte_order
        How the platform writes a sample of two bytes. What comes out is always little-endian.

    Raises
    ------
    ValueError
        One of these is another value.
    """

    def __init__(self, channels: int = 1, *, bytes_per_sample: int = 2, byte_order: ByteOrder = "little") -> None:
        dtype = _DTYPES.get((bytes_per_sample, byte_order))
        if dtype is None or channels < 1:
            raise ValueError(
                f"got {channels} channels of {bytes_per_sample} bytes a sample, {byte_order}; "
                "expected 1 or more of 1 or 2 bytes, little or big"
            )
        self._channels = channels
        self._dtype = np.dtype(dtype)
        self._as_is = channels == 1 and (bytes_per_sample == 1 or byte_order == "little")
        self._frame_bytes = channels * bytes_per_sample
        self._rest = b""

    @property
    def waiting(self) -> int:
        """Bytes of a frame that has begun and is not whole; at the end of a stream they are no sample."""
        return len(self._rest)

    def receive(self, data: bytes) -> tuple[bytes, ...]:
        """Take the bytes of a message, any number; return what is whole.

        Returns
        -------
        tuple of bytes
            One per channel, in order, all of one length, never empty ones: an empty tuple where no frame is whole.
        """
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        if not whole:
            return ()
        if self._as_is:
            return (data[:whole],)
        samples = np.frombuffer(data, self._dtype, whole // self._dtype.itemsize)
        output = self._dtype.newbyteorder("<")
        return tuple(samples[channel :: self._channels].astype(output).tobytes() for channel in range(self._channels))

    def discard(self) -> int:
        """Forget the frame that is not whole; return how many bytes it had. What comes next begins a frame."""
        discarded, self._rest = len(self._rest), b""
        return discarded
