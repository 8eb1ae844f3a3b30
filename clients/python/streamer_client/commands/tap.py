"""`tap`: this machine's microphone and loudspeaker as a call. The face of :mod:`streamer_client.tap`, nothing more."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from streamer_client.errors import OptionError
from streamer_client.pretty import position, style_event
from streamer_client.stream import CallStream, stream_call
from streamer_client.tap.card import Card
from streamer_client.tap.devices import find, list_devices, opening_of, table
from streamer_client.tap.meter import line
from streamer_client.tap.run import Tapped, Watcher, tap_call

ROLES = ("customer", "agent")
SHOWN_EVERY_MS = 200


def tap_command(
    *,
    list_them: Annotated[bool, typer.Option("--list", help="Show the devices that sound can be taken from.")] = False,
    agent: Annotated[
        str, typer.Option("--agent", metavar="DEVICE", help="The microphone: number or part of its name.")
    ] = "",
    customer: Annotated[
        str,
        typer.Option("--customer", metavar="DEVICE", help="What the loudspeaker plays: a loopback or monitor device."),
    ] = "",
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The server.")] = "ws://127.0.0.1:8765",
    call_id: Annotated[
        str, typer.Option("--call-id", metavar="ID", help="Id of the call; made up if not given. No number or name.")
    ] = "",
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="KEY", envvar="EMOTION_STREAMER_KEY", help="Credential; better kept in the variable."
        ),
    ] = None,
    notice: Annotated[
        bool, typer.Option("--notice", help="The people heard were told that emotion is inferred.")
    ] = False,
) -> None:
    """Stream what this machine's microphone and loudspeaker carry, as a live call, and print its events.

    Ctrl-C ends the call in order. Nothing is recorded.

    \b
    Examples:
      tap --list
      tap --agent 3 --customer monitor
      tap --agent headset --customer "stereo mix" --to wss://calls.example.com --notice
    """  # noqa: D301 - \b keeps the examples' lines apart
    devices = list_devices()
    if list_them:
        for row in table(devices):
            typer.echo(row)
        return
    if not agent or not customer:
        raise OptionError("give --agent DEVICE and --customer DEVICE; `tap --list` shows the devices")
    chosen = [find(customer, devices, "--customer"), find(agent, devices, "--agent")]
    if chosen[0] == chosen[1]:
        raise OptionError(f"got {chosen[0].name} for both parties; give the loopback device as --customer")
    openings = [opening_of(device) for device in chosen]
    rate_hz = min(opening.rate_hz for opening in openings)
    cards = [Card(device, opening, rate_hz) for device, opening in zip(chosen, openings, strict=True)]
    name = call_id or f"tap-{secrets.token_hex(4)}"
    tapped = asyncio.run(_tap(to, name, key, cards, notice=notice, rate_hz=rate_hz))
    for row in summary(name, tapped):
        typer.echo(row, err=True)


def summary(call_id: str, tapped: Tapped) -> list[str]:
    """Return what to say when the call has ended."""
    rows = [f"{call_id}: {position(round(tapped.duration_ms))} streamed, {tapped.utterances} utterance events"]
    for role, drift_ms in zip(ROLES, tapped.drift_ms, strict=True):
        if drift_ms:
            pace = "behind" if drift_ms > 0 else "ahead"
            rows.append(f"the {role}'s device ran {abs(drift_ms):.0f} ms {pace} in that time, and was put right")
    return rows


class Screen(Watcher):
    """Levels on one line of a terminal, and devices that go and come, on standard error."""

    def __init__(self, *, draws: bool) -> None:
        self._draws = draws
        self._next_ms = 0.0

    def levels(self, position_ms: float, levels_dbfs: Sequence[float | None]) -> None:
        """Draw the line anew, some times a second."""
        if self._draws and position_ms >= self._next_ms:
            self._next_ms = position_ms + SHOWN_EVERY_MS
            shown = line(position_ms, dict(zip(ROLES, levels_dbfs, strict=True)))
            print(f"\r{shown}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make room for a line of something else."""
        if self._draws:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def lost(self, reason: str) -> None:
        """Say why, and that it is tried again."""
        self.clear()
        typer.echo(f"{reason} (trying again; the call goes on with silence)", err=True)

    def back(self, name: str) -> None:
        """Say that it is back."""
        self.clear()
        typer.echo(f"{name} is back", err=True)


async def _tap(url: str, call_id: str, key: str | None, cards: Sequence[Card], *, notice: bool, rate_hz: int) -> Tapped:
    screen = Screen(draws=sys.stderr.isatty())
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, before)  # a second Ctrl-C does not wait for the server
        loop.call_soon_threadsafe(over.set)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        async with stream_call(url, call_id=call_id, roles=ROLES, rate_hz=rate_hz, key=key, notice=notice) as call:
            typer.echo(
                f"{call_id} is live at {rate_hz} Hz; analysed: {', '.join(call.analysed) or 'nobody'}; Ctrl-C ends it",
                err=True,
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(_print_events(call, screen), name="printing")
                tapping = group.create_task(
                    tap_call(call, cards, rate_hz=rate_hz, until=over, watcher=screen), name="tapping"
                )
        return tapping.result()
    except ExceptionGroup as problems:
        raise problems.exceptions[0] from None
    finally:
        screen.clear()
        signal.signal(signal.SIGINT, before)


async def _print_events(call: CallStream, screen: Screen) -> None:
    console = Console()
    async for event in call:
        screen.clear()
        console.print(style_event(event), soft_wrap=True)
