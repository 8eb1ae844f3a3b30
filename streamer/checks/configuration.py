"""Does the configuration fit together, with the files that it names.

This file must never look at anything outside the machine.
"""

from __future__ import annotations

from streamer.access.doors import Doors
from streamer.access.tls import server_context
from streamer.checks.outcome import Level, Outcome
from streamer.config import Settings
from streamer.leg import prove


def check(settings: Settings) -> list[Outcome]:
    """Return one outcome: who is analysed, how many keys, TLS or not.

    Raises
    ------
    StreamerError
        A key, a token, a certificate or the VAD cannot be used.
    """
    Doors(settings)
    tls = ", TLS" if server_context(settings.server) else ""
    prove(settings.speech)
    analysed = ", ".join(settings.emotion.analyse) or "nobody"
    text = f"node {settings.node}, analyses {analysed}, {len(settings.keys)} keys{tls}"
    return [Outcome("configuration", Level.OK, text)]
