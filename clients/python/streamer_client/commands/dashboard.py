"""`dashboard`: the calls on one page. The face of :mod:`streamer_client.dashboard.server`, and the signals."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from streamer_client.broker import DEFAULT_URL, Broker
from streamer_client.commands.options import (
    Base,
    CaFile,
    CertFile,
    KeyFile,
    Mqtt,
    PasswordFile,
    Username,
    Version,
)
from streamer_client.errors import OptionError
from streamer_client.running import on_signals, run

_DAY_S = 86_400.0
_HOUR_S = 3600.0
TOKEN_VARIABLE = "STREAMER_DASHBOARD_TOKEN"  # noqa: S105 - its name, not its value


def dashboard_command(
    *,
    mqtt: Mqtt = DEFAULT_URL,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 = one that is free.")] = 8080,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="Lines NAME TOKEN, or one TOKEN for all. Without it STREAMER_DASHBOARD_TOKEN; without both a new one.",
        ),
    ] = None,
    tls_cert: Annotated[
        str, typer.Option("--tls-cert", metavar="FILE", help="Certificate (PEM) to serve HTTPS with.")
    ] = "",
    tls_key: Annotated[
        str, typer.Option("--tls-key", metavar="FILE", help="Its private key; left out where it is in the same file.")
    ] = "",
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front does TLS and sets X-Forwarded-For.")
    ] = False,
    state: Annotated[
        str, typer.Option("--state", metavar="FILE", help="What a restart goes on from; '' = keep nothing on disk.")
    ] = "dashboard.sqlite",
    keep_days: Annotated[
        float, typer.Option("--keep-days", metavar="N", min=0.01, max=366, help="How long calls and alerts stay.")
    ] = 1.0,
    keep_calls: Annotated[
        int, typer.Option("--keep-calls", metavar="N", min=1, max=100_000, help="How many calls at most.")
    ] = 2000,
    session_hours: Annotated[
        float,
        typer.Option(
            "--session-hours",
            metavar="N",
            min=0.1,
            max=8784,
            help="How long somebody stays signed in; half of it unused.",
        ),
    ] = 24.0,
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose calls; + for all.")] = "+",
    base: Base = "emotion",
    version: Version = "5",
    username: Username = "",
    password_file: PasswordFile = "",
    ca_file: CaFile = "",
    cert_file: CertFile = "",
    key_file: KeyFile = "",
) -> None:
    """Show calls, emotions and alerts on one page, live, and let alerts be acknowledged.

    Prints the link to open. Ctrl-C ends it.

    \b
    Examples:
      dashboard
      dashboard --mqtt mqtt://broker.example --token-file tokens.txt
      dashboard --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem --token-file tokens.txt
      dashboard --behind-proxy --host 0.0.0.0 --tenant acme --keep-days 7
      dashboard --token-file tokens.txt --session-hours 720
    """  # noqa: D301 - \b keeps the examples' lines apart
    from streamer_client.dashboard.access import Served, one_token, read_tokens  # noqa: PLC0415 - keeps --help fast
    from streamer_client.dashboard.floor import Keep  # noqa: PLC0415
    from streamer_client.dashboard.server import dashboard  # noqa: PLC0415

    said = os.environ.get(TOKEN_VARIABLE, "")
    tokens = read_tokens(token_file) if token_file is not None else one_token(said) if said else None

    async def serve() -> None:
        stop = asyncio.Event()
        async with dashboard(
            served=Served(host, port, tls_cert, tls_key, behind_proxy),
            broker=Broker(mqtt, version, username, password_file, ca_file, cert_file, key_file),
            tenant=tenant,
            base=base,
            tokens=tokens,
            state=Path(state) if state else None,
            keep=Keep(age_s=keep_days * _DAY_S, calls=keep_calls),
            session_s=session_hours * _HOUR_S,
        ) as running:
            on_signals(stop.set)
            typer.echo(f"dashboard at {running.link}   (events from {Broker(mqtt).address}; Ctrl-C ends it)")
            stopped = asyncio.create_task(stop.wait(), name="stop")
            failed = asyncio.create_task(running.wait(), name="dashboard failed")
            try:
                await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
                if failed.done():
                    failed.result()
            finally:
                stopped.cancel()
                failed.cancel()

    if not tenant:
        raise OptionError("got an empty --tenant; give a name, or + for all")
    run(serve())
