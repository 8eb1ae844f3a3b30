"""Flags that several commands share, and how a comma-separated one is read. Never behaviour of a command."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer_client.errors import OptionError

Mqtt = Annotated[
    str, typer.Option("--mqtt", metavar="URL", envvar="STREAMER_MQTT_URL", help="Broker: mqtt://host or mqtts://host.")
]
Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose calls; + for all.")]
Share = Annotated[
    str,
    typer.Option("--share", metavar="K/N", help="Only the calls of member K of N that share them; all if not given."),
]
Base = Annotated[
    str, typer.Option("--base", metavar="TOPIC", envvar="STREAMER_MQTT_BASE", help="First level of every topic.")
]
Version = Annotated[
    str, typer.Option("--mqtt-version", metavar="5|3.1.1", envvar="STREAMER_MQTT_VERSION", help="MQTT version.")
]
Username = Annotated[
    str, typer.Option("--username", metavar="NAME", envvar="STREAMER_MQTT_USERNAME", help="User name at the broker.")
]
PasswordFile = Annotated[
    str,
    typer.Option(
        "--password-file",
        metavar="FILE",
        envvar="STREAMER_MQTT_PASSWORD_FILE",
        help="File whose first line is the password at the broker.",
    ),
]
CaFile = Annotated[
    str,
    typer.Option(
        "--ca-file",
        metavar="FILE",
        envvar="STREAMER_MQTT_CA_FILE",
        help="Certificate authority of a broker that the system does not know.",
    ),
]
CertFile = Annotated[
    str,
    typer.Option(
        "--cert-file",
        metavar="FILE",
        envvar="STREAMER_MQTT_CERT_FILE",
        help="Certificate for a broker that asks its clients for one.",
    ),
]
KeyFile = Annotated[
    str,
    typer.Option(
        "--key-file",
        metavar="FILE",
        envvar="STREAMER_MQTT_KEY_FILE",
        help="Its private key, not encrypted; left out where it is in the same file.",
    ),
]


def listed(text: str, flag: str) -> tuple[str, ...]:
    """Return the items of a comma-separated flag.

    Raises
    ------
    OptionError
        An item is empty.
    """
    items = tuple(item.strip() for item in text.split(","))
    if not all(items):
        raise OptionError(f"got {flag} {text!r}; give names separated by commas")
    return items
