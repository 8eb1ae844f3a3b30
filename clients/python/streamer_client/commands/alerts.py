"""`alerts`: apply compliance rules to the bus. The face of :mod:`streamer_client.alerts.runner`, nothing more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streamer_client.alerts.rules import default_rules, load_rules
from streamer_client.alerts.runner import run_alerts
from streamer_client.broker import DEFAULT_URL, Broker
from streamer_client.commands.options import (
    Base,
    CaFile,
    CertFile,
    KeyFile,
    Mqtt,
    PasswordFile,
    Tenant,
    Username,
    Version,
)
from streamer_client.pretty import style_event
from streamer_client.watch import on_status


def alerts_command(
    *,
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="FILE", help="Rules in TOML; the shipped ones if not given.")
    ] = None,
    mqtt: Mqtt = DEFAULT_URL,
    tenant: Tenant = "default",
    base: Base = "emotion",
    version: Version = "5",
    username: Username = "",
    password_file: PasswordFile = "",
    ca_file: CaFile = "",
    cert_file: CertFile = "",
    key_file: KeyFile = "",
) -> None:
    """Apply alert rules to live calls, publish the alerts, and print each.

    \b
    Examples:
      alerts
      alerts --rules rules.toml --mqtt mqtt://broker.example
      alerts --tenant + --mqtt mqtts://broker.example --username alerts --password-file secret.txt
    """  # noqa: D301 - \b keeps the examples' lines apart
    loaded = load_rules(rules) if rules is not None else default_rules()
    console = Console()
    typer.echo(f"{len(loaded)} rules: {', '.join(rule.name for rule in loaded)}", err=True)
    asyncio.run(
        run_alerts(
            loaded,
            broker=Broker(mqtt, version, username, password_file, ca_file, cert_file, key_file),
            tenant=tenant,
            base=base,
            on_alert=lambda alert: console.print(style_event(alert), soft_wrap=True),
            on_status=on_status(lambda line: typer.echo(line, err=True)),
        )
    )
