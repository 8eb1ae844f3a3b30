"""The server's half of a dialect in which a listener says nothing, as most platforms have it.

This file must never send, keep or read anything.
"""

from __future__ import annotations

from streamer.wire.events import Fault, Message


class Silent:
    """The verbs by which the server speaks, for platforms that expect to hear nothing."""

    def ready(self, session_id: str, analysed: tuple[str, ...]) -> list[Message]:  # noqa: ARG002  # one interface for all
        """Return nothing: the platform expects nothing of a listener."""
        return []

    def event(self, event: bytes) -> list[Message]:  # noqa: ARG002  # as ready
        """Return nothing."""
        return []

    def fault(self, fault: Fault) -> list[Message]:  # noqa: ARG002  # as ready
        """Return nothing: the close, its code and its reason say all the platform can hear."""
        return []

    def ended(self, utterances: int) -> list[Message]:  # noqa: ARG002  # as ready
        """Return nothing."""
        return []
