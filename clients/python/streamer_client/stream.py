"""A live call towards the server, over the native protocol: audio in, typed events out.

The socket is read all the time by a task of its own, so that a server which waits for us to take its events and a
sender which waits for the server to take its audio can never wait for each other. This file must never pace audio:
a live source paces itself, and a recording is :mod:`streamer_client.replay`'s business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import numpy as np
import numpy.typing as npt
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from streamer_client.connection import closed, open_socket, with_path
from streamer_client.dialects import native
from streamer_client.errors import CallRefused, ConnectError, OptionError, StreamError
from streamer_client.events import Event

READY_TIMEOUT_S = 10.0


class CallStream:
    """One call under way; made by :func:`stream_call`.

    Iterate it for the call's events, as they come and until the call has ended. Events that nobody iterates are kept
    until the block is left: some kilobytes a minute of speech.
    """

    def __init__(self, socket: ClientConnection, encoding: native.Encoding, channels: int) -> None:
        self.session_id = ""
        """The server's id of this stream, for its log."""
        self.analysed: tuple[str, ...] = ()
        """Roles whose emotion the server names."""
        self._socket = socket
        self._encoding = encoding
        self._channels = channels
        self._ready: native.Ready | None = None
        self._ended: native.Ended | None = None
        self._stopped = False
        self._error: StreamError | None = None
        self._answered = asyncio.Event()
        self._over = asyncio.Event()
        # None stands behind the last event. Unbounded, because a bounded one would stop the reading.
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()

    async def send(self, audio: bytes | npt.NDArray[np.int16]) -> None:
        """Send audio; returns when the connection can take more.

        Parameters
        ----------
        audio : bytes or ndarray of int16, shape (frames,) or (frames, channels)
            Bytes go out as they are: in the call's encoding, interleaved by channel, cut anywhere. Samples are
            encoded here.

        Raises
        ------
        StreamError
            The server ended the call, or the connection was lost.
        OptionError
            Samples of another type or number of channels.
        """
        if isinstance(audio, bytes | bytearray | memoryview):
            await self._send(bytes(audio))
            return
        frames = audio[:, np.newaxis] if audio.ndim == 1 else audio
        if audio.dtype != np.int16 or frames.ndim != 2 or frames.shape[1] != self._channels:
            raise OptionError(
                f"got samples of type {audio.dtype} and shape {audio.shape}; expected int16 of shape "
                f"(frames, {self._channels})"
            )
        await self._send(native.audio(frames, self._encoding))

    async def gap(self, duration_ms: float) -> None:
        """Say that this much media time is left out on all channels, instead of sending silence for it."""
        if not duration_ms >= 0:
            raise OptionError(f"got a gap of {duration_ms} ms; expected 0 or more")
        await self._send(native.gap(duration_ms))

    async def pause(self) -> None:
        """Say that no audio will come for a while: hold, or a card number being read out."""
        await self._control("pause")

    async def resume(self) -> None:
        """Say that the pause is over."""
        await self._control("resume")

    async def notice(self) -> None:
        """Say that the person has now been told that emotion is inferred (AI Act art. 50(3))."""
        await self._control("notice")

    async def withdraw(self) -> None:
        """Say that the person objects: analysis ends at once, what is pending of the call is removed."""
        await self._control("withdraw")

    async def stop(self) -> native.Ended:
        """End the call and wait until every event of it has been handed over.

        Raises
        ------
        StreamError
            The call ended otherwise.
        """
        if not self._stopped and self._ended is None:
            await self._control("stop")
            self._stopped = True
        await self._over.wait()
        if self._error is not None:
            raise self._error
        if self._ended is None:
            raise StreamError("closed", "the server closed the call before every event of it was handed over")
        return self._ended

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            yield event
        self._events.put_nowait(None)  # a second iteration ends at once instead of waiting for ever
        if self._error is not None:
            raise self._error

    async def _control(self, kind: Literal["pause", "resume", "notice", "withdraw", "stop"]) -> None:
        await self._send(native.control(kind))

    async def _send(self, message: native.Message) -> None:
        if self._stopped or self._ended is not None:
            raise StreamError("after_stop", "the call has ended, nothing more can be sent; start a new one")
        try:
            await self._socket.send(message)
        except ConnectionClosed as problem:
            # The reader knows better: the server's own words come before its close.
            await self._over.wait()
            raise self._error or closed(problem) from problem

    async def _read(self) -> None:
        """Take what the server says, until it closes."""
        try:
            while True:
                reply = native.receive(await self._socket.recv())
                if isinstance(reply, native.EventSaid):
                    self._events.put_nowait(reply.event)
                elif isinstance(reply, native.Ready):
                    self._ready = reply
                    self.session_id, self.analysed = reply.session_id, reply.analysed
                    self._answered.set()
                elif isinstance(reply, native.Ended):
                    self._ended = reply
                elif isinstance(reply, native.Refusal):
                    self._fail(StreamError(reply.code, reply.message))
        except ConnectionClosed as problem:
            if self._ended is None:
                self._fail(closed(problem))
        except StreamError as problem:
            self._fail(problem)
        finally:
            self._answered.set()
            self._over.set()
            self._events.put_nowait(None)

    def _fail(self, error: StreamError) -> None:
        if self._error is None:
            self._error = error if self._ready else CallRefused(error.code, error.reason)


@asynccontextmanager
async def stream_call(
    url: str,
    *,
    call_id: str,
    roles: Sequence[str],
    rate_hz: int,
    encoding: str = "pcm_s16le",
    labels: Mapping[str, str] | None = None,
    notice: bool = False,
    events: bool = True,
    key: str | None = None,
    speed: float | None = 1.0,
    ready_timeout_s: float = READY_TIMEOUT_S,
) -> AsyncIterator[CallStream]:
    """Stream one call to the server.

    Leaving the block normally stops the call and waits for its last event; leaving it by an exception closes the
    connection, and the server sees the call as disconnected.

    Parameters
    ----------
    url : str
        ``ws://host:8765`` or ``wss://...``; the path ``/v1/stream`` is added where there is none.
    call_id : str
        Your id of the call.
    roles : sequence of str
        Who is heard on each channel: ``customer``, ``agent`` or ``unknown``.
    rate_hz : int
        8000, 16000, 24000, 32000, 44100 or 48000.
    encoding : str
        ``pcm_s16le``, or ``pcmu`` or ``pcma`` at 8000 Hz.
    labels : mapping of str to str, optional
        Carried in every event of the call: queue, campaign, never a name or number.
    notice : bool
        The person has been told that emotion is inferred.
    events : bool
        Whether the server sends this call's events here, too.
    key : str, optional
        Sent as ``Authorization: Bearer``.
    speed : float or None
        1 for a live call; N or None for a recording played faster, see :func:`streamer_client.dialects.native.start`.
    ready_timeout_s : float
        How long the server may take to accept.

    Raises
    ------
    ConnectError
        No connection came about.
    CallRefused
        The server does not take this call.
    StreamError
        The server ended the call, or the connection was lost.
    OptionError
        An argument that cannot be right.
    """
    known = native.encoding_named(encoding)
    start = native.start(
        call_id=call_id,
        roles=roles,
        rate_hz=rate_hz,
        encoding=known,
        labels=labels,
        notice=notice,
        wants_events=events,
        speed=speed,
    )
    socket = await open_socket(with_path(url, native.PATH), {"Authorization": f"Bearer {key}"} if key else {})
    call = CallStream(socket, known, len(roles))
    reader = asyncio.create_task(call._read(), name=f"events of call {call_id}")  # noqa: SLF001 - one module, two halves
    try:
        await call._send(start)  # noqa: SLF001
        await _accepted(call, ready_timeout_s)
        yield call
        await call.stop()
    finally:
        await socket.close()
        reader.cancel()
        await asyncio.wait([reader])
    if not reader.cancelled():
        reader.result()


async def _accepted(call: CallStream, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await call._answered.wait()  # noqa: SLF001
    except TimeoutError:
        raise ConnectError(
            f"the server did not answer `start` within {timeout_s:g} s; is that an Emotion Streamer?"
        ) from None
    if call._error is not None:  # noqa: SLF001
        raise call._error  # noqa: SLF001
