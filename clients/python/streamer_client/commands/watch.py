"""`watch`: follow the bus on a terminal or as JSON lines. The face of :mod:`streamer_client.watch`, nothing more."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from streamer_client.board import Board
from streamer_client.broker import DEFAULT_URL
from streamer_client.commands.options import (
    Base,
    CaFile,
    CertFile,
    KeyFile,
    Mqtt,
    PasswordFile,
    Share,
    Tenant,
    Username,
    Version,
    listed,
)
from streamer_client.running import run
from streamer_client.subscribe import Status, subscribe
from streamer_client.watch import KINDS, on_status, watch_json, watch_lines, watch_table


def watch_command(
    *,
    mqtt: Mqtt = DEFAULT_URL,
    json: Annotated[bool, typer.Option("--json", help="One CloudEvent a line, for programs.")] = False,
    kinds: Annotated[str, typer.Option("--kinds", metavar="NAME,NAME", help="Also possible: partial.")] = ",".join(
        KINDS
    ),
    call: Annotated[str, typer.Option("--call", metavar="ID", help="One call only.")] = "+",
    role: Annotated[str, typer.Option("--role", metavar="NAME", help="One role only.")] = "+",
    tenant: Tenant = "default",
    share: Share = "",
    base: Base = "emotion",
    version: Version = "5",
    username: Username = "",
    password_file: PasswordFile = "",
    ca_file: CaFile = "",
    cert_file: CertFile = "",
    key_file: KeyFile = "",
) -> None:
    """Follow emotion events and alerts as they are published.

    A live table on a terminal, a line an event in a pipe, CloudEvents with --json. Ctrl-C ends it.

    \b
    Examples:
      watch
      watch --mqtt mqtts://broker.example --username reader --password-file secret.txt
      watch --json --kinds utterance | jq .data.emotion.top
      watch --call CA1
      watch --json --share 1/2
    """  # noqa: D301 - \b keeps the examples' lines apart
    console = Console()
    board = Board(max(5, console.height - 12))
    table = console.is_terminal and not json
    say = on_status(lambda line: typer.echo(line, err=True))

    def tell(status: Status, reason: str) -> None:
        if table:
            board.status = f"connected to {reason}" if status == "connected" else f"{reason} (trying again)"
        else:
            say(status, reason)

    async def follow() -> None:
        subscription = subscribe(
            mqtt,
            kinds=listed(kinds, "--kinds"),
            tenant=tenant,
            base=base,
            call=call,
            role=role,
            share=share,
            version=version,
            username=username,
            password_file=password_file,
            ca_file=ca_file,
            cert_file=cert_file,
            key_file=key_file,
            on_status=tell,
        )
        async with subscription as events:
            if json:
                await watch_json(events, sys.stdout)
            elif table:
                await watch_table(events, board, console)
            else:
                await watch_lines(events, console)

    run(follow())
