"""What a place that alerts are sent to must offer, and how it says that a delivery failed.

The runner stores one row for each alert and output before it sends, so that a restart forgets none; an output itself
remembers nothing. This file must never send anything.
"""

from __future__ import annotations

from typing import Protocol

from streamer_client.errors import ClientError
from streamer_client.events import AlertEvent


class OutputError(ClientError):
    """An output could not deliver an alert.

    Attributes
    ----------
    retry : bool
        True where the same alert may get through later, like a server that is down. False where trying again would be
        answered in the same way, like an address that does not exist: the delivery is then given up, and kept as
        failed.
    after_s : float
        The other side asked for no next try before this many seconds (HTTP's Retry-After); 0 = it did not say.
    """

    def __init__(self, message: str, retry: bool, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry = retry
        self.after_s = after_s


class Output(Protocol):
    """One place that alerts go to: a webhook, a mailbox, the bus."""

    @property
    def name(self) -> str:
        """What rules and the state call it; the same after every restart, or its deliveries are lost track of."""
        ...

    async def send(self, alert: AlertEvent) -> None:
        """Deliver one alert; return once the other side has taken it.

        The same alert may come again where the process died between delivery and commit: its id is the same.

        Raises
        ------
        OutputError
            It was not delivered.
        """
        ...
