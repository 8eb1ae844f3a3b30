"""What one event has changed: for the pages that are open, and for what is kept on disk. Values; no behaviour."""

from __future__ import annotations

from typing import Literal

from streamer_client.dashboard.records import CallKey

Kind = Literal["call", "alert", "today", "node", "broker", "gone", "alert_gone"]
Name = CallKey | str
"""Which one: a call's key, an alert's id, a node's name; empty for `today` and `broker`."""


class Changes:
    """Collected while an event is taken."""

    def __init__(self) -> None:
        self.shown: list[tuple[Kind, Name]] = []
        """In the order in which a page must hear of them."""
        self.keep = False
        """The event is new, and of a kind that a restart must not forget."""
        self.today = False
        """The day's overview is another one."""
        self.lost: list[CallKey] = []
        self.withdrawn: list[tuple[CallKey, float]] = []
        """Calls of which nothing may stay, and until when what comes of them is to be left out."""
        self.evicted: list[CallKey] = []
        """Calls that went because there is too much, or it is too long ago."""
        self.objections_over = False
        """Some objections are so long ago that nothing of their calls comes any more."""
        self.hidden: list[tuple[CallKey, str, float]] = []
        """Calls among those evicted that may still go on: their server's source and the time of their last event."""
        self.alerts_dropped: list[str] = []
        self.early_dropped: list[tuple[CallKey, str]] = []
        """Calls and alerts whose acknowledgements went although the alert never came."""
        self.rows: list[str] = []
        """Utterances that went although their call stays."""

    def call(self, key: CallKey) -> None:
        """Note that a call looks different."""
        self.shown.append(("call", key))

    def alert(self, name: str) -> None:
        """Note that an alert is new or looks different."""
        self.shown.append(("alert", name))

    def alert_gone(self, name: str) -> None:
        """Note that an alert is to be shown no more."""
        self.shown.append(("alert_gone", name))
        self.today = True

    def node(self, name: str) -> None:
        """Note that a server said something new."""
        self.shown.append(("node", name))

    def gone(self, key: CallKey) -> None:
        """Note that a call is to be shown no more."""
        self.shown.append(("gone", key))
        self.today = True
