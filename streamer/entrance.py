"""What is asked of a WebSocket request before it is answered, in one order, whichever library took it off the socket.

Is anything at this path; may this one come in (`access.doors`); is it his turn (`load.pacing`). Refusals take their
time, so that how long one took says nothing of how far the check got. This file must never know a socket or a library
for them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final

import msgspec
import structlog

from streamer.access.doors import THROTTLED, Doors
from streamer.auth import Certificate, Pass, Refusal, Upgrade
from streamer.config import Settings
from streamer.load.guarded import Guard
from streamer.load.pacing import Turnstile
from streamer.metrics import Metrics
from streamer.observing.loggable import loggable
from streamer.platforms import PATHS
from streamer.session import Peer
from streamer.wire.events import Dialect

WAITING_REFUSALS: Final = 200
"""Refusals that may wait for their time (`Refusal.after_s`) at once; beyond, they are given without."""
UNREAD_MESSAGES: Final = 4
"""Messages, or frames, that may wait for a session that is busy; each may be as large as may be, so few."""

log = structlog.get_logger()

Serve = Callable[[Peer, Dialect, Pass], Awaitable[None]]
"""Serves one stream to its end."""


class Welcome(msgspec.Struct, frozen=True):
    """A request is let in."""

    admitted: Pass
    dialect: Dialect
    """Made for this stream alone."""
    subprotocols: tuple[str, ...]
    """What its platform speaks; the first that is offered, too, is spoken."""
    max_message_bytes: int
    ping_interval_s: float
    """0 = no pings."""


class Sorry(msgspec.Struct, frozen=True):
    """A request is not let in."""

    status: HTTPStatus
    text: str
    """The answer's body."""


class Entrance:
    """Decides on requests.

    Parameters
    ----------
    settings
        The configuration.
    doors
        Decide who may come in.
    metrics
        Where refusals are counted.
    guard
        Counts what is cut off.
    turnstile
        Who may come in comes in one by one.
    """

    def __init__(self, settings: Settings, doors: Doors, metrics: Metrics, guard: Guard, turnstile: Turnstile) -> None:
        self._settings = settings
        self._doors = doors
        self._metrics = metrics
        self._guard = guard
        self._turnstile = turnstile
        self.refusals_waiting = 0
        """For their time."""

    async def decide(
        self, target: str, headers: Iterable[tuple[str, str]], address: str, certificate: Certificate | None
    ) -> Welcome | Sorry:
        """Decide on a request; takes as long as a refusal has to take, or as others are ahead.

        Parameters
        ----------
        target
            Path and query.
        headers
            In their order; one name may come several times.
        address
            IP address of the socket's other end; no header can change it.
        certificate
            What the client proved to have.
        """
        now_s = time.monotonic()
        door = self._doors.at(target)
        if door is None:
            path = target.partition("?")[0]
            known = ", ".join(sorted(PATHS))
            return Sorry(HTTPStatus.NOT_FOUND, f"nothing at {path[:80]!r}; calls are taken at {known}\n")
        platform = door.platform
        together: dict[str, str] = {}
        for name, value in headers:
            key = name.lower()  # as all headers are compared
            together[key] = f"{together[key]}, {value}" if key in together else value
        upgrade = Upgrade(dialect=platform.name, target=target, headers=together, certificate=certificate)
        decision = self._doors.knock(door, upgrade, address, now_s)
        if isinstance(decision, Refusal):
            shown = certificate.fingerprint if certificate else None
            count_refusal(self._metrics, decision, platform.name, certificate=shown)
            return await self._refused(decision, now_s)
        if not await self._turnstile.enter():
            self._guard.cut_off("storm")
            return Sorry(HTTPStatus.SERVICE_UNAVAILABLE, "too many connect at once; try again\n")
        return Welcome(
            decision,
            door.reader(upgrade),
            platform.subprotocols,
            platform.max_message_bytes(self._settings),
            platform.ping_interval_s(self._settings),
        )

    async def _refused(self, refusal: Refusal, asked_s: float) -> Sorry:
        """Return a refusal at its time.

        Each one that waits holds a socket. Where a flood holds many, the next are answered at once, all with one word.
        """
        if refusal.after_s:
            if self.refusals_waiting >= WAITING_REFUSALS:
                return Sorry(HTTPStatus.TOO_MANY_REQUESTS, "too many are being refused; try again later\n")
            self.refusals_waiting += 1
            try:
                await asyncio.sleep(asked_s + refusal.after_s - time.monotonic())
            finally:
                self.refusals_waiting -= 1
        return Sorry(refusal.status, f"{refusal.message}\n")


def count_refusal(metrics: Metrics, refusal: Refusal, dialect: str, **more: str | None) -> None:
    """Count a refusal, and say it in the log unless its address has had too many."""
    metrics.auth_failures.labels(refusal.reason).inc()
    if refusal is not THROTTLED:  # a flood must not become one of the log
        shown = {name: value for name, value in more.items() if value}
        message = loggable(refusal.message)
        log.warning("connection refused", dialect=dialect, reason=refusal.reason, message=message, **shown)


def address_of(name: object) -> str:
    """Return the IP address in what a socket says of its other end."""
    return str(name[0]) if isinstance(name, tuple) else ""
