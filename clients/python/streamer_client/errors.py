"""Everything that can go wrong in the client, as one small family of exceptions.

Each message is one line that says what came, what was expected and what to do: the commands print it as it is. This
file must never import anything and never hold behaviour beyond building a message.
"""

from __future__ import annotations


class ClientError(Exception):
    """Root of all errors that this package raises on purpose; catch it to catch them all."""


class OptionError(ClientError, ValueError):
    """An argument that cannot be right: a speed of zero, an unknown dialect, two roles for one channel."""


class RecordingError(ClientError):
    """A file that cannot be replayed: missing, not audio, empty, or with too many channels."""


class ConnectError(ClientError):
    """No WebSocket came about: nobody listens, the wrong path, no access, or the server is full."""


class StreamError(ClientError):
    """The server ended a call that was under way.

    Attributes
    ----------
    code : str
        Short and stable, for programs: as the server's ``error`` message said it, or ``closed``.
    reason : str
        For people: what the server said.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason


class CallRefused(StreamError):  # noqa: N818 - what happened to the call, as a telephone engineer says it
    """The server refused a call at its ``start``: nothing of it was analysed."""


class BrokerError(ClientError):
    """The MQTT broker cannot be reached or does not let us in."""


class RuleError(ClientError):
    """An alert rule that cannot be right; the message names file, rule, key and line."""
