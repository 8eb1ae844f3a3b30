"""May anybody on this machine read a file with a secret in it.

This file must never read a secret, nor change a file's rights.
"""

from __future__ import annotations

from pathlib import Path

from streamer.access.exposure import readable_secrets
from streamer.checks.outcome import Level, Outcome
from streamer.config import Settings


def check(settings: Settings, config_file: Path | None) -> list[Outcome]:
    """Return an outcome for each such file, or one that there is none."""
    found = [Outcome("secrets", Level.WARN, said) for said in readable_secrets(settings, config_file)]
    return found or [Outcome("secrets", Level.OK, "no file with a secret in it may be read by everybody")]
