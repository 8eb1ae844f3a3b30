"""Show the bus as it happens: a live table on a terminal, a line an event elsewhere, or CloudEvents for programs.

This file must never change an event: `--json` passes on what came, byte for byte but for line breaks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

import msgspec
from rich.console import Console
from rich.live import Live

from streamer_client.board import Board
from streamer_client.pretty import style_event
from streamer_client.subscribe import Status, Subscription

KINDS = ("utterance", "state", "ended", "alert", "status")


async def watch_json(events: Subscription, out: TextIO) -> None:
    """Write one CloudEvent a line, flushed, until cancelled."""
    async for item in events.received():
        out.write(msgspec.json.format(item.payload, indent=-1).decode())
        out.write("\n")
        out.flush()


async def watch_lines(events: Subscription, show: Console) -> None:
    """Print a line an event, until cancelled."""
    async for event in events:
        show.print(style_event(event), soft_wrap=True)


async def watch_table(events: Subscription, board: Board, show: Console) -> None:
    """Draw the table anew with each event, until cancelled."""
    with Live(board, console=show, refresh_per_second=8, screen=False):
        async for event in events:
            board.add(event)


def on_status(say: Callable[[str], None]) -> Callable[[Status, str], None]:
    """Return a status callback that says in words when the connection is lost and when it is back."""
    lost = False

    def tell(status: Status, reason: str) -> None:
        nonlocal lost
        if status == "lost":
            say(f"{reason} (trying again)")
        elif lost:
            say(f"connected to {reason} again")
        lost = status == "lost"

    return tell
