"""`replay`: play recordings to a server, show the events and how far it has got.

Events go to standard output, progress and errors to standard error. This file must never know the wire: it is
:func:`streamer_client.replay.replay` with a face.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bars

from streamer_client.commands.options import listed
from streamer_client.dialects import DIALECTS
from streamer_client.errors import ClientError
from streamer_client.events import Event
from streamer_client.line import Faults, parse_break, parse_chunk
from streamer_client.pace import parse_speed
from streamer_client.pretty import position, style_event
from streamer_client.recordings.finding import parse_pairs
from streamer_client.recordings.metadata import read_table
from streamer_client.replay import Progress, Replayed, replay

PROGRESS_EVERY_S = 5.0


def replay_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Recordings of 1 to 8 channels, folders of them, patterns.")
    ],
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="URL",
            help="The server; the dialect's path is added if it has none. ws://127.0.0.1:8765 if not given.",
        ),
    ] = None,
    dialect: Annotated[
        str, typer.Option("--dialect", metavar="NAME", help=f"Whose side to speak: {', '.join(DIALECTS)}.")
    ] = "native",
    speed: Annotated[
        str, typer.Option("--speed", metavar="N|max", help="Times faster than life; max = as fast as it goes.")
    ] = "1",
    roles: Annotated[
        str | None,
        typer.Option("--roles", metavar="LEFT,RIGHT", help="Who is on each channel: customer, agent, unknown."),
    ] = None,
    call_id: Annotated[
        str | None, typer.Option("--call-id", metavar="ID", help="Id of the call; the file's name if not given.")
    ] = None,
    encoding: Annotated[
        str, typer.Option("--encoding", metavar="NAME", help="Native only: pcm_s16le, or pcmu or pcma at 8 kHz.")
    ] = "pcm_s16le",
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="KEY",
            envvar="EMOTION_STREAMER_KEY",
            help="Credential, sent in the platform's way: bearer key, user:password ... Better kept in the variable.",
        ),
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", metavar="TOKEN", help="Second secret, where a platform sends one.")
    ] = None,
    notice: Annotated[
        bool, typer.Option("--notice", help="The people heard were told that emotion is inferred.")
    ] = False,
    together: Annotated[bool, typer.Option("--together", help="All files at once, not one after another.")] = False,
    chunk: Annotated[
        str | None,
        typer.Option("--chunk", metavar="MS|A-B", help="Length of a block, or a range to draw it from."),
    ] = None,
    jitter: Annotated[
        float, typer.Option("--jitter", metavar="MS", help="Each message leaves up to so much later.")
    ] = 0.0,
    loss: Annotated[float, typer.Option("--loss", metavar="PERCENT", help="So many media messages never leave.")] = 0.0,
    reorder: Annotated[
        float, typer.Option("--reorder", metavar="PERCENT", help="So many media messages leave behind the next one.")
    ] = 0.0,
    pause: Annotated[
        list[str] | None,
        typer.Option("--pause", metavar="AT:SECONDS", help="The platform holds the call; may be given again."),
    ] = None,
    stall: Annotated[
        list[str] | None,
        typer.Option("--stall", metavar="AT:SECONDS", help="Nothing leaves, then all at once; may be given again."),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="What --chunk, --jitter, --loss and --reorder draw from.")
    ] = 0,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            "--pair",
            metavar="ROLE=PATTERN|off",
            help="Files of one call, as customer=*_in and agent=*_out. If not given: *_customer, *_caller, *_agent.",
        ),
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(
            "--metadata", metavar="CSV", help="Columns file, call_id, roles, notice, label.NAME; a row a call."
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="STATE", help="File of what is done; what stands there is not played again."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Play recordings to a server as live calls and print the events.

    Exits 0 when the server has handed over every event of every call.

    \b
    Examples:
      replay call.wav
      replay call.wav --to ws://server:8765/v1/stream --roles customer,agent
      replay archive/ --speed max --quiet --resume archive.state
      replay 'archive/**/*.gsm' --metadata calls.csv --speed max
      replay call.wav --dialect twilio --to ws://server:8765/twilio --speed 4
      replay call.wav --dialect telnyx --loss 2 --reorder 5 --speed max
      replay call.wav --dialect jambonz --jitter 200 --chunk 20-400 --stall 30:4
    """  # noqa: D301 - \b keeps the examples' lines apart
    with _shown(quiet, len(files)) as (on_event, on_progress):
        outcomes = asyncio.run(
            replay(
                files,
                to=to,
                dialect=dialect,
                speed=parse_speed(speed),
                roles=listed(roles, "--roles") if roles is not None else None,
                call_id=call_id,
                encoding=encoding,
                key=key,
                token=token,
                notice=notice,
                together=together,
                chunk_ms=parse_chunk(chunk) if chunk is not None else None,
                faults=Faults(
                    jitter_ms=jitter,
                    loss_percent=loss,
                    reorder_percent=reorder,
                    pauses=tuple(parse_break(text, "--pause") for text in pause or ()),
                    stalls=tuple(parse_break(text, "--stall") for text in stall or ()),
                    seed=seed,
                ),
                pairs=parse_pairs(pair or ()),
                metadata=read_table(metadata) if metadata is not None else None,
                resume=resume,
                on_event=on_event,
                on_progress=on_progress,
                on_note=lambda note: typer.echo(note, err=True),
            )
        )
    if not quiet:
        for line in summary(outcomes):
            typer.echo(line, err=True)
    failed = failures(outcomes)
    if failed:
        raise ClientError("\n".join(failed))


def summary(outcomes: Sequence[Replayed]) -> list[str]:
    """Return one line for each call that reached its end."""
    lines = []
    for outcome in outcomes:
        if outcome.error is None and not outcome.was_done:
            heard = f", {outcome.utterances} utterance events" if outcome.utterances is not None else ""
            lost = f", {outcome.lost_messages} messages lost" if outcome.lost_messages else ""
            lines.append(f"{outcome.call_id}: {position(round(outcome.duration_ms))} of audio streamed{heard}{lost}")
    was_done = sum(outcome.was_done for outcome in outcomes)
    if was_done:
        lines.append(f"{was_done} call{'s' * (was_done > 1)} done before and not played again")
    return lines


def failures(outcomes: Sequence[Replayed]) -> list[str]:
    """Return one line for each reason, with the calls that it ended where there are several files."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.error is not None:
            by_reason[str(outcome.error)].append(outcome.call_id)
    if len(outcomes) == 1:
        return list(by_reason)
    lines = []
    for reason, calls in by_reason.items():
        more = f" and {len(calls) - 3} more" if len(calls) > 3 else ""
        lines.append(f"{', '.join(calls[:3])}{more}: {reason}")
    return lines


class Ticker:
    """Progress for a log: a line now and then, never a flood.

    Parameters
    ----------
    say : callable
        Takes a line.
    now : callable
        A monotonic clock, in seconds.
    """

    def __init__(self, say: Callable[[str], None], now: Callable[[], float]) -> None:
        self._say = say
        self._now = now
        self._next_s = now() + PROGRESS_EVERY_S

    def __call__(self, progress: Progress) -> None:
        """Take the progress of one call."""
        if self._now() < self._next_s:
            return
        self._next_s = self._now() + PROGRESS_EVERY_S
        done = progress.position_ms / progress.duration_ms if progress.duration_ms else 1.0
        self._say(
            f"{progress.call_id}: {position(round(progress.position_ms))} of "
            f"{position(round(progress.duration_ms))} ({done:.0%})"
        )


Shown = tuple[Callable[[Event], None] | None, Callable[[Progress], None] | None]


@contextmanager
def _shown(quiet: bool, files: int) -> Iterator[Shown]:
    """Give the callbacks that show events and progress, as fits the terminal or the lack of one."""
    if quiet:
        yield None, None
        return
    out, err = Console(), Console(stderr=True)
    if not err.is_terminal:
        yield _printer(out), Ticker(lambda line: typer.echo(line, err=True), time.monotonic)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Bars(*columns, console=err, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(progress: Progress) -> None:
            if progress.call_id not in tasks:
                label = progress.call_id if files == 1 else f"{progress.call_id} ({len(tasks) + 1} of {files})"
                tasks[progress.call_id] = bars.add_task(label, total=progress.duration_ms)
            done = progress.position_ms >= progress.duration_ms
            bars.update(tasks[progress.call_id], completed=progress.position_ms, visible=not done or files == 1)

        # On one screen, lines must go through the bars, or both would write over each other.
        yield _printer(err if out.is_terminal else out), advance


def _printer(console: Console) -> Callable[[Event], None]:
    return lambda event: console.print(style_event(event), soft_wrap=True)
