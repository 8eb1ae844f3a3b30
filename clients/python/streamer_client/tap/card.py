"""One sound device while it is listened to: opened, watched, and opened again when it is gone.

This file must never place audio on a timeline; it only says what came when.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import soxr

from streamer_client.errors import ClientError
from streamer_client.tap.devices import Device, Opening, sound_library

Samples = npt.NDArray[np.int16]
BLOCK_MS = 20
SILENT_S = 5.0
"""A device that hands over nothing for so long is gone. PulseAudio takes 2 s for the first block of an idle monitor."""
RETRY_S = 1.0


class Listening(Protocol):
    """A device that is open."""

    def close(self) -> None:
        """Stop, for good."""
        ...


class Source(Protocol):
    """A device that can be opened."""

    name: str

    def open(self, on_block: Callable[[Samples, float], None], on_end: Callable[[], None]) -> Listening:
        """Begin to listen; both callbacks come from another thread.

        Parameters
        ----------
        on_block : callable
            Takes int16 samples of shape (frames,) and when they came, by ``time.monotonic``, in s.
        on_end : callable
            Called when the device has ended by itself.

        Raises
        ------
        ClientError
            It cannot be opened now.
        """
        ...


class Card:
    """A real device, its samples brought to the call's rate.

    Parameters
    ----------
    device : Device
    opening : Opening
    rate_hz : int
        The call's.
    """

    def __init__(self, device: Device, opening: Opening, rate_hz: int) -> None:
        self.name = device.name
        self._device = device
        self._opening = opening
        self._rate_hz = rate_hz

    def open(self, on_block: Callable[[Samples, float], None], on_end: Callable[[], None]) -> Listening:
        """Begin to listen, see :class:`Source`."""
        library = sound_library()
        rate_hz = self._opening.rate_hz
        resample = _Resampler(rate_hz, self._rate_hz) if rate_hz != self._rate_hz else None

        def take(data: Any, _frames: int, _times: object, _status: object) -> None:  # noqa: ANN401 - the library's
            now_s = time.monotonic()
            samples = data[:, 0].copy()  # the library uses its buffer again
            on_block(*((samples, now_s) if resample is None else resample(samples, now_s)))

        stream = None
        try:
            stream = library.InputStream(
                samplerate=rate_hz,
                blocksize=rate_hz * BLOCK_MS // 1000,
                device=self._device.index,
                channels=self._opening.channels,
                dtype="int16",
                callback=take,
                finished_callback=on_end,
            )
            stream.start()
        except library.PortAudioError as problem:
            if stream is not None:
                stream.close()
            raise ClientError(f"{self.name} cannot be opened: {problem}") from problem
        return stream  # type: ignore[no-any-return]


class _Resampler:
    """Brings blocks to another rate; what the filter holds back has not been said yet."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ")
        self._from_hz = from_hz
        self._to_hz = to_hz
        self._taken = 0
        self._given = 0

    def __call__(self, samples: Samples, at_s: float) -> tuple[Samples, float]:
        resampled: Samples = self._stream.resample_chunk(samples)
        self._taken += len(samples)
        self._given += len(resampled)
        held_back_s = self._taken / self._from_hz - self._given / self._to_hz
        return resampled, at_s - held_back_s


async def follow(
    source: Source,
    on_block: Callable[[Samples, float], None],
    on_lost: Callable[[str], None],
    on_back: Callable[[], None],
) -> None:
    """Listen to a device until cancelled, opening it again for as long as that takes.

    Parameters
    ----------
    source : Source
    on_block : callable
        As :meth:`Source.open` takes it, but called here, in the event loop.
    on_lost : callable
        Told once why, when the device has gone or cannot be opened.
    on_back : callable
        Called when it hands over audio again.
    """
    lost = False

    def take(samples: Samples, at_s: float) -> None:
        nonlocal lost
        if lost:
            lost = False
            on_back()
        on_block(samples, at_s)

    while True:
        reason = await _listen(source, take)
        if not lost:
            lost = True
            on_lost(reason)
        await asyncio.sleep(RETRY_S)


async def _listen(source: Source, on_block: Callable[[Samples, float], None]) -> str:
    """Listen once; return why it is over."""
    # A queue of its own for each opening: what an earlier one still says must not count for this one.
    blocks: asyncio.Queue[tuple[Samples, float] | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def hand_over(item: tuple[Samples, float] | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(blocks.put_nowait, item)

    opening = asyncio.ensure_future(
        asyncio.to_thread(source.open, lambda samples, at_s: hand_over((samples, at_s)), lambda: hand_over(None))
    )
    try:
        await asyncio.shield(opening)
        while True:
            async with asyncio.timeout(SILENT_S):
                item = await blocks.get()
            if item is None:
                return f"{source.name} has gone"
            on_block(*item)
    except TimeoutError:
        return f"{source.name} hands over no audio"
    except ClientError as problem:
        return str(problem)
    finally:
        await asyncio.wait([opening])  # even where it is cancelled: a device that opens now must be closed
        if opening.exception() is None:
            await asyncio.to_thread(opening.result().close)
