"""Alerts as lines in a file or on standard output, for people with `tail -f` and for log collectors.

The file is opened for each line, so that one moved away by logrotate is begun anew. This file must never rotate,
shorten or read what it has written.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Literal

from streamer_client.alerts.output import OutputError
from streamer_client.alerts.outputs.place import Place, Settings
from streamer_client.alerts.outputs.words import sentence
from streamer_client.alerts.tables import KeyProblem
from streamer_client.events import AlertEvent, encode


class LogSettings(Settings, frozen=True, kw_only=True, tag="log"):
    """Keys of an output of kind ``log``."""

    name: str = "log"
    path: str = ""
    """Empty = standard output."""
    format: Literal["json", "text"] = "json"
    """``json``: the CloudEvent. ``text``: one line for people."""


class Log(Place):
    """Writes one line for each alert.

    Parameters
    ----------
    settings : LogSettings

    Raises
    ------
    KeyProblem
        The folder of the file is not there.
    """

    def __init__(self, settings: LogSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        folder = Path(settings.path).parent
        if settings.path and not folder.is_dir():
            raise KeyProblem("path", f"there is no folder {folder}; make it")

    async def deliver(self, alert: AlertEvent) -> None:
        """Append one line.

        Raises
        ------
        OutputError
            It cannot be written; a full disk or a missing folder may be mended.
        """
        line = encode(alert) if self._settings.format == "json" else sentence(alert).encode()
        try:
            await asyncio.to_thread(self._write, line + b"\n")
        except OSError as problem:
            where = self._settings.path or "standard output"
            reason = (problem.strerror or str(problem)).lower()
            raise OutputError(f"cannot write to {where}: {reason}", retry=True) from problem

    def _write(self, line: bytes) -> None:
        if not self._settings.path:
            sys.stdout.write(line.decode())
            sys.stdout.flush()
            return
        # 0640: alerts are about persons; whoever may read them is in the file's group.
        descriptor = os.open(self._settings.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line)
