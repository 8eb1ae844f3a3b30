"""The server under load, with the configuration that its owner uses: a process of its own, run by `command`.

What a measurement must decide is overridden (`measured`); everything else is as it was given. This file must never
reach the owner's broker, outbox or audit file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from streamer.cli import serve_settings
from streamer.config import (
    LogSettings,
    MqttTable,
    OutboxSettings,
    PrivacySettings,
    ServerSettings,
    Settings,
    TracingSettings,
)

MOST_CALLS = 100_000


def measured(settings: Settings, *, port: int, admin_port: int, mqtt: str, folder: str) -> Settings:
    """Return settings for a measurement: how calls are heard is kept, where things are and who may come in is not.

    Parameters
    ----------
    settings
        Those that are in force where the server works.
    port, admin_port
        On loopback.
    mqtt
        The broker of the measurement.
    folder
        Where the outbox lies.
    """
    server = settings.server
    kept = ServerSettings(
        port=port,
        admin_port=admin_port,
        workers=server.workers,
        transport=server.transport,
        max_calls=MOST_CALLS,
        max_message_bytes=server.max_message_bytes,
        ping_interval_s=server.ping_interval_s,
    )
    return msgspec.structs.replace(
        settings,
        node="bench",
        server=kept,
        mqtt=MqttTable(url=mqtt),
        outbox=msgspec.structs.replace(settings.outbox, path=str(Path(folder) / OutboxSettings().path)),
        privacy=PrivacySettings(),
        log=LogSettings(level="warning"),
        tracing=TracingSettings(),
        keys=(),
        limits=msgspec.structs.replace(settings.limits, calls_per_tenant={}),
    )


def main() -> None:
    """Serve: FILE of settings as JSON, port, admin port, broker, folder."""
    file, port, admin_port, mqtt, folder = sys.argv[1:]
    given = msgspec.json.decode(Path(file).read_bytes(), type=Settings)
    settings = measured(given, port=int(port), admin_port=int(admin_port), mqtt=mqtt, folder=folder)
    serve_settings(settings, lambda: settings)


if __name__ == "__main__":
    main()
