"""`acknowledge`: say that an alert is taken care of. The face of :mod:`streamer_client.alerts.acknowledge`, no more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from streamer_client.alerts.acknowledge import acknowledge
from streamer_client.alerts.lookup import find_alert
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
from streamer_client.events import AlertEvent, CallRef
from streamer_client.running import run


def acknowledge_command(
    alert: Annotated[str, typer.Argument(metavar="ALERT-ID", help="As the alert names it.", show_default=False)],
    *,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who takes care of it.", show_default=False)],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What was done.")] = "",
    call: Annotated[
        str, typer.Option("--call", metavar="ID", help="The alert's call; looked up in the state if not given.")
    ] = "",
    state: Annotated[
        Path,
        typer.Option("--state", metavar="FILE", envvar="STREAMER_ALERTS_STATE", help="State of the alert service."),
    ] = Path("alerts.sqlite"),
    mqtt: Mqtt = DEFAULT_URL,
    tenant: Annotated[
        str, typer.Option("--tenant", metavar="NAME", help="The call's tenant, where --call is given.")
    ] = "default",
    base: Base = "emotion",
    version: Version = "5",
    username: Username = "",
    password_file: PasswordFile = "",
    ca_file: CaFile = "",
    cert_file: CertFile = "",
    key_file: KeyFile = "",
) -> None:
    """Say on the bus that somebody takes care of an alert: alert service and dashboards show it from then on.

    Said twice in the same words it is one acknowledgement.

    \b
    Examples:
      acknowledge 9139255f6b89c1e3506a5de3829e4c8f --call CA1 --by "Desk 2" --note "Called back."
      acknowledge 9139255f6b89c1e3506a5de3829e4c8f --state /var/lib/alerts.sqlite --by "Desk 2"
    """  # noqa: D301 - \b keeps the examples' lines apart
    if not re.fullmatch("[0-9a-f]{32}", alert):
        typer.echo(
            f"note: {alert!r} is no id that the alert service gives (32 digits of 0-9 and a-f); "
            "copy it in full from the alert",
            err=True,
        )
    meant: AlertEvent | str = alert if call else find_alert(state, alert)
    broker = Broker(mqtt, version, username, password_file, ca_file, cert_file, key_file)
    said = run(
        acknowledge(broker, meant, by=by, note=note, call=CallRef(id=call, tenant=tenant) if call else None, base=base)
    )
    # Not "is acknowledged": with --call nobody has looked whether there is such an alert.
    typer.echo(
        f"said on the bus: alert {said.data.alert} of call {said.data.call.id} is acknowledged by {said.data.by}"
    )
