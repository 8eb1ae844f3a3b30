"""Recordings played to the server as live calls: in real time, N times faster, or as fast as it takes them.

One file is one call. The dialects' files say what goes over the wire; this one opens the sockets, keeps the time and
collects what became of each call. It must never change the audio beyond what the wire needs, and never let one bad
file stop the others.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from streamer_client._callable import make_callable
from streamer_client.connection import closed, open_socket, with_path
from streamer_client.dialects import native, twilio
from streamer_client.errors import ClientError, OptionError
from streamer_client.events import Event
from streamer_client.pace import Pace, check_speed
from streamer_client.recording import Recording, open_recording
from streamer_client.stream import CallStream, stream_call

DIALECTS = ("native", "twilio")
DEFAULT_URL = "ws://127.0.0.1:8765"
_DEFAULT_ROLES = {1: ("customer",), 2: ("customer", "agent")}


class Progress(msgspec.Struct, frozen=True):
    """How far one call has got."""

    call_id: str
    path: Path
    position_ms: float
    duration_ms: float


class Replayed(msgspec.Struct, frozen=True):
    """What became of one file."""

    path: Path
    call_id: str
    duration_ms: float = 0.0
    """Length of the recording; 0 where the file could not be read."""
    utterances: int | None = None
    """As the server counted them in its ``ended``; None for a dialect that has no such word."""
    error: ClientError | None = None
    """Why the call failed; None if it reached its end."""


class _Plan(msgspec.Struct, frozen=True):
    """What all calls of one replay share."""

    url: str
    dialect: str
    speed: float | None
    roles: tuple[str, ...] | None
    encoding: native.Encoding
    key: str | None
    token: str | None
    notice: bool
    chunk_ms: int
    on_event: Callable[[Event], None] | None
    on_progress: Callable[[Progress], None] | None


async def replay(
    files: Sequence[str | Path],
    *,
    to: str = DEFAULT_URL,
    dialect: str = "native",
    speed: float | None = 1.0,
    roles: Sequence[str] | None = None,
    call_id: str | None = None,
    encoding: str = "pcm_s16le",
    key: str | None = None,
    token: str | None = None,
    notice: bool = False,
    together: bool = False,
    chunk_ms: int = 20,
    on_event: Callable[[Event], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Replayed]:
    """Play recordings to a server and wait for the end of each call.

    Parameters
    ----------
    files : sequence of path
        WAV, FLAC, mu-law WAV and the like; 1 to 8 channels.
    to : str
        The server; the dialect's own path is added where the URL has none.
    dialect : str
        ``native`` or ``twilio``.
    speed : float or None
        Times faster than life; None = as fast as the server takes it.
    roles : sequence of str, optional
        Who is heard on each channel. Without it one channel is the customer, two are customer and agent.
    call_id : str, optional
        Id of the call, the file's stem if not given; where an id repeats, ``-2``, ``-3``, ... is added.
    encoding : str
        ``pcm_s16le`` at the file's rate, or ``pcmu`` or ``pcma`` at 8 kHz. Twilio is always mu-law.
    key : str, optional
        Bearer key (native), or the auth token that signs the upgrade (Twilio).
    token : str, optional
        Twilio: sent as the parameter ``token``.
    notice : bool
        The people on the recording were told that emotion is inferred.
    together : bool
        All files at once instead of one after the other.
    chunk_ms : int
        Length of a block on the wire; Twilio's is always 20.
    on_event, on_progress : callable, optional
        Called with each event of the call (native only) and after each block.

    Returns
    -------
    list of Replayed
        One per file, in their order. A call that failed carries its error.

    Raises
    ------
    OptionError
        An argument that cannot be right for any file.
    """
    if dialect not in DIALECTS:
        raise OptionError(f"unknown dialect {dialect!r}; choose from {', '.join(DIALECTS)}")
    if not 1 <= chunk_ms <= 1000:
        raise OptionError(f"got chunk_ms={chunk_ms}; give 1 to 1000")
    plan = _Plan(
        url=with_path(to, native.PATH if dialect == "native" else twilio.PATH),
        dialect=dialect,
        speed=check_speed(speed),
        roles=tuple(roles) if roles is not None else None,
        encoding=native.encoding_named(encoding),
        key=key,
        token=token,
        notice=notice,
        chunk_ms=chunk_ms,
        on_event=on_event,
        on_progress=on_progress,
    )
    paths = [Path(file) for file in files]
    calls = list(zip(paths, call_ids(paths, call_id), strict=True))
    if not together:
        return [await _outcome(path, call, plan) for path, call in calls]
    async with _one_error(), asyncio.TaskGroup() as group:
        tasks = [group.create_task(_outcome(path, call, plan), name=f"replay of {call}") for path, call in calls]
    return [task.result() for task in tasks]


def call_ids(paths: Sequence[Path], wanted: str | None = None) -> list[str]:
    """Return one call id per file, each once: `wanted` or the file's stem, with a counter where they repeat."""
    taken: set[str] = set()
    ids = []
    for path in paths:
        stem = wanted or path.stem
        call, count = stem, 1
        while call in taken:
            count += 1
            call = f"{stem}-{count}"
        taken.add(call)
        ids.append(call)
    return ids


async def _outcome(path: Path, call_id: str, plan: _Plan) -> Replayed:
    duration_ms = 0.0
    try:
        recording = open_recording(path)
        duration_ms = recording.duration_ms
        play = _play_native if plan.dialect == "native" else _play_twilio
        utterances = await play(recording, call_id, plan)
    except ClientError as problem:
        return Replayed(path, call_id, duration_ms, error=problem)
    return Replayed(path, call_id, duration_ms, utterances)


def _roles(recording: Recording, plan: _Plan) -> tuple[str, ...]:
    roles = plan.roles or _DEFAULT_ROLES.get(recording.channels)
    if roles is None:
        raise OptionError(
            f"{recording.path} has {recording.channels} channels; say who is on each, for example "
            f"--roles {','.join(['customer', 'agent', *['unknown'] * (recording.channels - 2)])}"
        )
    if len(roles) != recording.channels:
        raise OptionError(
            f"got --roles {','.join(roles)} for {recording.path}, which has "
            f"{recording.channels} channel{'s' * (recording.channels > 1)}; give one role per channel"
        )
    return roles


async def _play_native(recording: Recording, call_id: str, plan: _Plan) -> int:
    rate_hz = recording.wire_rate_hz if plan.encoding is native.Encoding.PCM_S16LE else 8000
    async with (
        _one_error(),
        stream_call(
            plan.url,
            call_id=call_id,
            roles=_roles(recording, plan),
            rate_hz=rate_hz,
            encoding=plan.encoding,
            notice=plan.notice,
            events=plan.on_event is not None,
            key=plan.key,
            speed=plan.speed,
        ) as call,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(_hear(call, plan), name=f"events of {call_id}")
        pace = Pace(plan.speed, asyncio.get_running_loop().time)
        for block in recording.blocks(plan.chunk_ms, rate_hz):
            await pace.until(block.end_ms)
            await call.send(block.samples)
            _report(recording, call_id, block.end_ms, plan)
        ended = await call.stop()
    return ended.utterances


async def _hear(call: CallStream, plan: _Plan) -> None:
    async for event in call:
        if plan.on_event is not None:
            plan.on_event(event)


async def _play_twilio(recording: Recording, call_id: str, plan: _Plan) -> None:
    parameters = {"token": plan.token} if plan.token else {}
    if plan.notice:
        parameters["notice"] = "true"
    stream = twilio.Twilio(
        call_id=call_id,
        stream_sid=f"MZ{secrets.token_hex(16)}",
        roles=_roles(recording, plan),
        parameters=parameters,
    )
    socket = await open_socket(plan.url, twilio.headers(plan.key, plan.url) if plan.key else {})
    said_all = False
    async with _one_error(), socket, asyncio.TaskGroup() as group:
        hearing = group.create_task(_until_closed(socket), name=f"close of {call_id}")
        try:
            await _speak_twilio(recording, call_id, plan, stream, socket)
            said_all = True
        except ConnectionClosed:
            pass  # the one who hears knows why
    if not said_all or not isinstance(hearing.result(), ConnectionClosedOK):
        raise closed(hearing.result())


async def _speak_twilio(
    recording: Recording, call_id: str, plan: _Plan, stream: twilio.Twilio, socket: ClientConnection
) -> None:
    for message in stream.open():
        await socket.send(message)
    pace = Pace(plan.speed, asyncio.get_running_loop().time)
    for block in recording.blocks(twilio.FRAME_MS, twilio.RATE_HZ):
        await pace.until(block.end_ms)
        for message in stream.audio(block.samples):
            await socket.send(message)
        _report(recording, call_id, block.end_ms, plan)
    for message in stream.close():
        await socket.send(message)


async def _until_closed(socket: ClientConnection) -> ConnectionClosed:
    """Let pass whatever comes, since a listener has nothing to say to Twilio; return how the server closed."""
    while True:
        try:
            await socket.recv()
        except ConnectionClosed as problem:
            return problem


@asynccontextmanager
async def _one_error() -> AsyncIterator[None]:
    """Raise the first error of a task group bare: one call has one reason for its end."""
    try:
        yield
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


def _report(recording: Recording, call_id: str, position_ms: float, plan: _Plan) -> None:
    if plan.on_progress is not None:
        plan.on_progress(
            Progress(call_id, recording.path, min(position_ms, recording.duration_ms), recording.duration_ms)
        )


make_callable(__name__)
