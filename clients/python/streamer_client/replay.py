"""Recordings played to the server as live calls: in real time, N times faster, or as fast as it takes them.

One file, or one pair of files, is one call. The dialects' files say what goes over the wire, `line` what goes wrong on
it, `player` keeps the time; this one joins them and collects what became of each call. It must never know more of a
dialect than the table says, and never let one bad file stop the others.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path

import msgspec

from streamer_client import dialects
from streamer_client._callable import make_callable
from streamer_client.connection import with_path
from streamer_client.dialects import native
from streamer_client.dialects.speaker import CallOptions, Speaker
from streamer_client.errors import ClientError, OptionError, RecordingError
from streamer_client.events import Event
from streamer_client.line import Faults, Line, chunks_ms
from streamer_client.pace import Pace, check_speed
from streamer_client.player import Leg, play_call
from streamer_client.recording import Recording
from streamer_client.recordings import progress
from streamer_client.recordings.finding import PAIRS, Patterns, Source, Unusable, find
from streamer_client.recordings.metadata import NOTHING, Row, Table
from streamer_client.recordings.names import content_key, has_number, keyed, without_numbers
from streamer_client.recordings.pair import Pair

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
    lost_messages: int = 0
    """Media messages that a bad line swallowed."""
    was_done: bool = False
    """It had reached its end before, and was not played again."""


class _Plan(msgspec.Struct, frozen=True):
    """What all calls of one replay share."""

    url: str
    dialect: dialects.Dialect
    speed: float | None
    roles: tuple[str, ...] | None
    encoding: native.Encoding
    key: str | None
    token: str | None
    notice: bool
    chunk_ms: int | tuple[int, int] | None
    faults: Faults
    on_event: Callable[[Event], None] | None
    on_progress: Callable[[Progress], None] | None
    resumed: progress.Progress | None


class _Planned(msgspec.Struct, frozen=True):
    """One call to be played."""

    source: Source
    call_id: str
    row: Row


async def replay(
    files: Sequence[str | Path],
    *,
    to: str | None = None,
    dialect: str = "native",
    speed: float | None = 1.0,
    roles: Sequence[str] | None = None,
    call_id: str | None = None,
    encoding: str = "pcm_s16le",
    key: str | None = None,
    token: str | None = None,
    notice: bool = False,
    together: bool = False,
    chunk_ms: int | tuple[int, int] | None = None,
    faults: Faults | None = None,
    pairs: Patterns = PAIRS,
    metadata: Table | None = None,
    resume: str | Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> list[Replayed]:
    """Play recordings to a server and wait for the end of each call.

    Parameters
    ----------
    files : sequence of path
        Recordings of 1 to 8 channels, folders of them, or patterns; see `recordings.finding`.
    to : str, optional
        The server; the dialect's own path is added where the URL has none. This machine, if not given.
    dialect : str
        One of `streamer_client.dialects.DIALECTS`: ``native``, or the platform whose side is spoken.
    speed : float or None
        Times faster than life; None = as fast as the server takes it.
    roles : sequence of str, optional
        Who is heard on each channel. Without it one channel is the customer, two are customer and agent.
    call_id : str, optional
        Id of the call; the file's stem without telephone numbers, if not given. Where an id repeats, ``-2``, ``-3``,
        ... is added.
    encoding : str
        ``pcm_s16le`` at the file's rate, or ``pcmu`` or ``pcma`` at 8 kHz. Native only: a platform has its own.
    key : str, optional
        The credential, which goes out in the way of the platform: bearer key, user and password, or what signs.
    token : str, optional
        A second secret, for platforms that send one in their first message.
    notice : bool
        The people on the recording were told that emotion is inferred.
    together : bool
        All files at once instead of one after the other.
    chunk_ms : int or (int, int), optional
        Length of a block on the wire, or shortest and longest of blocks that vary; the platform's usual if not given.
    faults : Faults, optional
        What goes wrong on the way; nothing if not given.
    pairs : sequence of (role, pattern)
        Which files are the parties of one call.
    metadata : Table, optional
        What is known of the calls: ids, roles, notice, and, natively, labels.
    resume : path, optional
        File in which is kept what was done; what stands there already is not played again.
    on_event, on_progress : callable, optional
        Called with each event of the call (native only) and after each block.
    on_note : callable, optional
        Called with a line about what does not fit between files and table.

    Returns
    -------
    list of Replayed
        One per call, in their order, then what was named and is none. A call that failed carries its error.

    Raises
    ------
    OptionError
        An argument that cannot be right for any file.
    """
    spoken, faults = dialects.load(dialect), faults or Faults()
    _check_faults(faults, spoken, speed)
    if chunk_ms is not None:
        chunks_ms(chunk_ms, faults.seed, "")
    if spoken.name != "native" and metadata is not None and any(row.labels for row in metadata.rows.values()):
        raise OptionError(f"{metadata.path} has labels, which only native calls can carry; take the columns out")
    url = _address(to or spoken.url, spoken)
    found = find(files, patterns=pairs, roles_are_given=roles is not None)
    calls = _planned([one for one in found if isinstance(one, Source)], call_id, metadata, on_note)
    opened = progress.Progress(resume, to=url, dialect=spoken.name) if resume is not None else None
    plan = _Plan(
        url=url,
        dialect=spoken,
        speed=check_speed(speed),
        roles=tuple(roles) if roles is not None else None,
        encoding=native.encoding_named(encoding),
        key=key,
        token=token,
        notice=notice,
        chunk_ms=chunk_ms,
        faults=faults,
        on_event=on_event,
        on_progress=on_progress,
        resumed=opened,
    )
    refused = [Replayed(one.path, one.path.stem, error=one.error) for one in found if isinstance(one, Unusable)]
    with opened or nullcontext():
        if not together:
            return [*[await _resumable(call, plan) for call in calls], *refused]
        async with _one_error(), asyncio.TaskGroup() as group:
            tasks = [group.create_task(_resumable(call, plan), name=f"replay of {call.call_id}") for call in calls]
    return [*[task.result() for task in tasks], *refused]


def call_ids(paths: Sequence[Path], wanted: str | None = None) -> list[str]:
    """Return one call id per file, each once: `wanted` or the file's stem, with a counter where they repeat."""
    return distinct([wanted or path.stem for path in paths])


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names, ``-2``, ``-3``, ... added where they repeat."""
    taken: set[str] = set()
    ids = []
    for name in names:
        call, count = name, 1
        while call in taken:
            count += 1
            call = f"{name}-{count}"
        taken.add(call)
        ids.append(call)
    return ids


def _planned(
    sources: Sequence[Source], wanted: str | None, metadata: Table | None, on_note: Callable[[str], None] | None
) -> list[_Planned]:
    """Return what is to be played under which id."""
    rows, notes = metadata.match(sources) if metadata is not None else ([NOTHING] * len(sources), [])
    for note in notes if on_note is not None else ():
        on_note(note)  # type: ignore[misc]
    ids = distinct([row.call_id or wanted or _name(source) for source, row in zip(sources, rows, strict=True)])
    return [_Planned(*parts) for parts in zip(sources, ids, rows, strict=True)]


def _name(source: Source) -> str:
    """Return what a call is called after its files; a telephone number does not leave this machine."""
    if not has_number(source.stem):
        return source.stem
    try:
        return without_numbers(source.stem, keyed(content_key(source.paths)))
    except OSError:  # what cannot be read is said when it is opened
        return without_numbers(source.stem, lambda _: "n")


def _address(to: str, dialect: dialects.Dialect) -> str:
    is_tcp = dialect.url.startswith("tcp:")
    if is_tcp and not to.startswith("tcp:"):
        raise OptionError(f"got {to!r} as the server's address; {dialect.name} is plain TCP, as in {dialect.url}")
    return to if is_tcp else with_path(to, dialect.path)


def _check_faults(faults: Faults, dialect: dialects.Dialect, speed: float | None) -> None:
    if faults.reorder_percent and not dialect.has_clock:
        raise OptionError(
            f"messages of {dialect.name} do not say where they belong, so swapped ones are other audio, which no "
            "platform sends; leave reordering out"
        )
    if speed is None and (faults.jitter_ms or faults.stalls):
        raise OptionError("jitter and stalls are delays, and at full speed there is no clock; give a speed, such as 4")


async def _resumable(call: _Planned, plan: _Plan) -> Replayed:
    """Play a call, unless it is known to have reached its end."""
    if plan.resumed is None:
        return await _outcome(call, plan)
    try:
        mark = progress.Mark.of(call.source.paths)
    except OSError as problem:
        reason = (problem.strerror or str(problem)).lower()
        return Replayed(
            call.source.path, call.call_id, error=RecordingError(f"cannot read {call.source.path}: {reason}")
        )
    before = plan.resumed.done(mark)
    if before is not None:
        return Replayed(call.source.path, before, was_done=True)
    outcome = await _outcome(call, plan)
    if outcome.error is None:
        plan.resumed.add(mark, call.call_id)
    return outcome


async def _outcome(call: _Planned, plan: _Plan) -> Replayed:
    path, call_id = call.source.path, call.call_id
    duration_ms = 0.0
    try:
        recording = call.source.open()
        duration_ms = recording.duration_ms
        speakers = _speakers(recording, call, plan)
        legs = [_leg(speaker, f"{call_id} {number}", recording, plan) for number, speaker in enumerate(speakers)]
        async with _one_error():
            pace = Pace(plan.speed, asyncio.get_running_loop().time)
            await play_call(legs, pace, partial(_report, recording, call_id, plan))
    except ClientError as problem:
        return Replayed(path, call_id, duration_ms, error=problem)
    utterances = next((one.utterances for one in speakers if isinstance(one, native.Native)), None)
    return Replayed(path, call_id, duration_ms, utterances, lost_messages=sum(leg.line.lost for leg in legs))


def _speakers(recording: Recording | Pair, call: _Planned, plan: _Plan) -> list[Speaker]:
    options = CallOptions(
        url=plan.url,
        call_id=call.call_id,
        roles=roles_of(recording, call.row.roles or plan.roles or call.source.roles),
        key=plan.key,
        token=plan.token,
        notice=plan.notice if call.row.notice is None else call.row.notice,
        stream_id=secrets.token_hex(16),
        now_s=time.time(),
    )
    if plan.dialect.name != "native":
        return plan.dialect.speakers(options)
    rate_hz = recording.wire_rate_hz if plan.encoding is native.Encoding.PCM_S16LE else 8000
    return [
        native.Native(
            options,
            rate_hz=rate_hz,
            encoding=plan.encoding,
            speed=plan.speed,
            labels=call.row.labels,
            on_event=plan.on_event,
        )
    ]


def _leg(speaker: Speaker, name: str, recording: Recording | Pair, plan: _Plan) -> Leg:
    lengths_ms = chunks_ms(plan.chunk_ms or speaker.frame_ms, plan.faults.seed, name)
    blocks = recording.blocks(lengths_ms, speaker.rate_hz)
    return Leg(speaker, Line(plan.faults, name, is_text=plan.dialect.is_text), blocks)


def roles_of(recording: Recording | Pair, said: Sequence[str] | None) -> tuple[str, ...]:
    """Return who is heard on each channel: as said, or one channel the customer, two customer and agent.

    Raises
    ------
    OptionError
        There are more channels and nobody said who they are, or as many roles as channels were not said.
    """
    roles = tuple(said) if said else _DEFAULT_ROLES.get(recording.channels)
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


@asynccontextmanager
async def _one_error() -> AsyncIterator[None]:
    """Raise the first error of a task group bare: one call has one reason for its end."""
    try:
        yield
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


def _report(recording: Recording | Pair, call_id: str, plan: _Plan, position_ms: float) -> None:
    if plan.on_progress is not None:
        plan.on_progress(
            Progress(call_id, recording.path, min(position_ms, recording.duration_ms), recording.duration_ms)
        )


make_callable(__name__)
