"""`home-assistant`: sensors by MQTT discovery. The face of :mod:`streamer_client.home_assistant`, nothing more."""

from __future__ import annotations

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
    Tenant,
    Username,
    Version,
)
from streamer_client.home_assistant.bridge import remove, run_bridge
from streamer_client.home_assistant.discovery import Places
from streamer_client.running import run
from streamer_client.watch import on_status


def home_assistant_command(
    *,
    remove_all: Annotated[
        bool, typer.Option("--remove", help="Take the sensors out of Home Assistant again, and end.")
    ] = False,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TOPIC", help="Discovery prefix, as set in Home Assistant.")
    ] = "homeassistant",
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
    """Show a tenant's live calls, open alerts and last alert, and the servers' status, in Home Assistant.

    Runs until Ctrl-C; without it the sensors of the tenant show as unavailable. There is no sensor of a caller or call.

    \b
    Examples:
      home-assistant
      home-assistant --mqtt mqtt://homeassistant.local --username streamer --password-file secret.txt
      home-assistant --remove
    """  # noqa: D301 - \b keeps the examples' lines apart
    broker = Broker(mqtt, version, username, password_file, ca_file, cert_file, key_file)
    places = Places(base=base, tenant=tenant, prefix=prefix)
    if remove_all:
        removed = run(remove(broker, places))
        devices = f"{len(removed)} device{'s' * (len(removed) != 1)}"
        typer.echo(f"removed {devices}" if removed else "there was nothing to remove", err=True)
        return
    run(
        run_bridge(
            broker,
            places,
            on_status=on_status(lambda line: typer.echo(line, err=True)),
            on_ready=lambda: typer.echo(f"the sensors of {tenant} are there; Ctrl-C ends them", err=True),
        )
    )
