"""Does the configuration fit together, with the files that it names.

This file must never look at anything outside the machine.
"""

from __future__ import annotations

from streamer.access.doors import Doors
from streamer.access.tls import server_context
from streamer.checks.outcome import Level, Outcome
from streamer.config import Settings
from streamer.leg import prove
from streamer.transports import listener_of


def check(settings: Settings) -> list[Outcome]:
    """Return one outcome: who is analysed, how many keys, TLS or not, a transport that is not the usual one.

    Raises
    ------
    StreamerError
        A key, a token, a certificate, the VAD or the transport cannot be used.
    """
    Doors(settings)
    more = ", TLS" if server_context(settings.server) else ""
    prove(settings.speech)
    listener_of(settings.server)
    analysed = ", ".join(settings.emotion.analyse) or "nobody"
    if settings.server.transport != "websockets":
        more += f", {settings.server.transport}"
    text = f"node {settings.node}, analyses {analysed}, {len(settings.keys)} keys{more}"
    return [Outcome("configuration", Level.OK, text)]
