"""One party's audio on its way out of a pipeline that must never wait for us.

:meth:`Feed.push` takes audio and returns at once; a task of its own streams it to the server and hands back events.
Where the server is away or slow, audio is left out and counted, the pipeline goes on, and the connection is made again.
What is left out is said to the server as a gap, so that times in the events stay those of the whole call. This file
must never import a framework, never raise into a pipeline, and never hold more than `queue_s` of audio.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Literal

import numpy as np
import numpy.typing as npt
import soxr

from streamer_client.broker import backoff
from streamer_client.connection import with_path
from streamer_client.dialects import native
from streamer_client.errors import ClientError, OptionError
from streamer_client.events import Event
from streamer_client.recording import ACCEPTED_RATES_HZ
from streamer_client.stream import CallStream, stream_call

log = logging.getLogger(__name__)

Status = Literal["connected", "lost"]
OnEvent = Callable[[Event], Awaitable[None]]
OnStatus = Callable[[Status, str], None]

_OTHERWISE_HZ = 16000
"""What audio of a rate that the server does not take is resampled to."""


class Feed:
    """One party of a call, from a pipeline to the server.

    Parameters
    ----------
    url : str
        The server, ``ws://host:8765`` or ``wss://...``.
    call_id : str
        Your id of the call; no telephone number, please.
    on_event : async callable
        Called with each event of the call. What it raises is logged, and ends nothing.
    role : str
        Who is heard: ``customer``, ``agent`` or ``unknown``.
    key : str, optional
        Sent as ``Authorization: Bearer``.
    labels : mapping of str to str, optional
        Carried in every event of the call.
    notice : bool
        The person has been told that emotion is inferred.
    queue_s : float
        How much audio may wait for the network; above 0.
    on_status : callable, optional
        Called with ``"connected"`` and the session's id, or ``"lost"`` and the reason, each new one once.

    Raises
    ------
    OptionError
        An argument that cannot be right.
    """

    def __init__(
        self,
        url: str,
        *,
        call_id: str,
        on_event: OnEvent,
        role: str = "customer",
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        notice: bool = False,
        queue_s: float = 2.0,
        on_status: OnStatus | None = None,
    ) -> None:
        if not queue_s > 0:
            raise OptionError(f"got queue_s={queue_s}; give more than 0 seconds")
        native.start(call_id=call_id, roles=[role], rate_hz=_OTHERWISE_HZ, labels=labels)
        self._url = with_path(url, native.PATH)
        self.dropped_ms = 0.0
        """Audio that was left out because it could not be sent in time."""
        self._call_id, self._role, self._key = call_id, role, key
        self._labels, self._notice = labels, notice
        self._on_event = on_event
        self._on_status = on_status or (lambda _status, _reason: None)
        self._queue_ms = queue_s * 1000
        self._rate_hz = 0
        """Of the stream; known with the first audio."""
        self._resampler: tuple[int, soxr.ResampleStream] | None = None
        self._waiting: deque[npt.NDArray[np.int16] | float] = deque()
        """Audio in its order; a number is that many ms left out."""
        self._waiting_ms = 0.0
        """Of the audio in it."""
        self._head_ms = 0.0
        """Where on the call's clock the first of it stands."""
        self._changed = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def push(self, pcm: bytes, rate_hz: int, channels: int = 1) -> None:
        """Take audio; never waits, never raises for what the network or the server does.

        Parameters
        ----------
        pcm : bytes
            Whole frames of 16-bit samples in the machine's order, interleaved by channel; channels are mixed to one.
        rate_hz : int
            Any; what the server does not take is resampled.

        Raises
        ------
        RuntimeError
            Called outside an event loop.
        """
        if self._closing:
            return
        self._task = self._task or asyncio.get_running_loop().create_task(self._run(), name="audio to the server")
        samples = self._at_rate(_mono(pcm, channels), rate_hz)
        if not len(samples):
            return
        ms = self._ms(samples)
        if self._waiting_ms + ms > self._queue_ms:
            self.dropped_ms += ms
            last = self._waiting[-1] if self._waiting else None
            if isinstance(last, float):
                self._waiting[-1] = last + ms
            else:
                self._waiting.append(ms)
        else:
            self._waiting.append(samples)
            self._waiting_ms += ms
        self._changed.set()

    async def close(self, timeout_s: float = 5.0) -> None:
        """End the call and hand over its last events; after `timeout_s` without them."""
        self._closing = True
        self._changed.set()
        if self._task is None:
            return
        _, late = await asyncio.wait([self._task], timeout=timeout_s)
        if late:
            await self.abort()

    async def abort(self) -> None:
        """Break the call off; the server sees it as disconnected."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        delays_s = backoff(Random())  # noqa: S311 - jitter, no secret
        told = ""
        while not (self._closing and not self._waiting):
            await self._more()
            if not self._waiting:
                return
            try:
                async with stream_call(
                    self._url,
                    call_id=self._call_id,
                    roles=[self._role],
                    rate_hz=self._rate_hz,
                    labels=self._labels,
                    notice=self._notice,
                    key=self._key,
                ) as call:
                    delays_s, told = backoff(Random()), ""  # noqa: S311 - as above
                    self._tell("connected", call.session_id)
                    await self._converse(call)
            except ClientError as problem:
                if str(problem) != told:
                    told = str(problem)
                    log.warning("no emotion events for now: %s (trying again)", told)
                    self._tell("lost", told)
                if self._closing:
                    return  # a call that is over needs no new connection
                await self._pause(next(delays_s))

    async def _converse(self, call: CallStream) -> None:
        hearing = asyncio.create_task(self._hear(call), name="events for the pipeline")
        sending = asyncio.create_task(self._send(call), name="audio for the server")
        try:
            await asyncio.wait([hearing, sending], return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                hearing.result()
                return  # the server has ended the call; leaving the block says why
            sending.result()
            await call.stop()
            await hearing
        finally:
            for task in (hearing, sending):
                task.cancel()
            await asyncio.wait([hearing, sending])
            for task in (hearing, sending):
                if not task.cancelled():
                    task.exception()  # one of them has been raised above; the other says the same

    async def _send(self, call: CallStream) -> None:
        if self._head_ms:
            await call.gap(self._head_ms)  # an earlier connection had what came before
        while True:
            await self._more()
            if not self._waiting:
                return
            item = self._waiting.popleft()
            if isinstance(item, float):
                self._head_ms += item
                await call.gap(item)
            else:
                ms = self._ms(item)
                self._waiting_ms -= ms
                self._head_ms += ms
                await call.send(item)

    async def _hear(self, call: CallStream) -> None:
        async for event in call:
            try:
                await self._on_event(event)
            except Exception:
                log.exception("what was given as on_event failed")

    async def _more(self) -> None:
        """Return when something waits to be sent, or nothing will come any more."""
        while not self._waiting and not self._closing:
            self._changed.clear()
            await self._changed.wait()

    async def _pause(self, delay_s: float) -> None:
        """Wait, but not for a call that is being closed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + delay_s
        while not self._closing and (left_s := until - loop.time()) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _at_rate(self, samples: npt.NDArray[np.int16], rate_hz: int) -> npt.NDArray[np.int16]:
        if not self._rate_hz:
            self._rate_hz = rate_hz if rate_hz in ACCEPTED_RATES_HZ else _OTHERWISE_HZ
        if rate_hz == self._rate_hz:
            return samples
        if self._resampler is None or self._resampler[0] != rate_hz:
            self._resampler = rate_hz, soxr.ResampleStream(rate_hz, self._rate_hz, 1, dtype="int16")
        resampled: npt.NDArray[np.int16] = self._resampler[1].resample_chunk(samples)
        return resampled

    def _ms(self, samples: npt.NDArray[np.int16]) -> float:
        return len(samples) * 1000 / self._rate_hz

    def _tell(self, status: Status, reason: str) -> None:
        try:
            self._on_status(status, reason)
        except Exception:
            log.exception("what was given as on_status failed")


def _mono(pcm: bytes, channels: int) -> npt.NDArray[np.int16]:
    frames = np.frombuffer(pcm, np.int16, len(pcm) // (2 * channels) * channels)
    if channels == 1:
        return frames
    mixed: npt.NDArray[np.int16] = frames.reshape(-1, channels).mean(axis=1).astype(np.int16)
    return mixed
