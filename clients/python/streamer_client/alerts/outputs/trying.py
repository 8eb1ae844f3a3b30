"""Send a test alert to each output and say what came of it, before the first real one has to find out.

This file must never send anything that could be taken for an alert about a call.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime

import msgspec

from streamer_client.alerts.output import OutputError
from streamer_client.alerts.outputs.place import Place
from streamer_client.events import AlertData, AlertEvent, CallRef, Severity


class Outcome(msgspec.Struct, frozen=True):
    """What came of a test alert."""

    name: str
    """Of the output."""
    error: str = ""
    """Empty = it was taken."""

    @property
    def line(self) -> str:
        """The same for people."""
        return f"WRONG  {self.name}: {self.error}" if self.error else f"ok     {self.name}: took a test alert"


async def try_outputs(outputs: Iterable[Place], now_s: Callable[[], float] = time.time) -> AsyncIterator[Outcome]:
    """Send each output a test alert, whatever severities it is for; yield what came of it, one after the other.

    Parameters
    ----------
    outputs : iterable of Place
    now_s : callable
        The clock, in seconds since 1970 (UTC).
    """
    for output in outputs:
        try:
            # An id of its own each time: receivers that have seen an id may throw the next away.
            await output.deliver(example(f"test-{secrets.token_hex(8)}", now_s()))
        except OutputError as problem:
            yield Outcome(output.name, str(problem))
        else:
            yield Outcome(output.name)


def example(name: str, at_s: float) -> AlertEvent:
    """Return an alert that says of itself that it is a test."""
    return AlertEvent(
        id=name,
        source="/alerts",
        subject="test/customer/test",
        time=datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        data=AlertData(
            call=CallRef(id="test", dialect="none"),
            rule="test",
            severity=Severity.INFO,
            role="customer",
            message="This is a test of this output of the alerts. Nothing happened in any call.",
            utterances=(),
        ),
    )
