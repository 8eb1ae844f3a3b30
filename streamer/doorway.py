"""A connection before its WebSocket: the request is read and answered, and the connection handed on.

For a listener whose own library decides on a request without waiting. The request is read, checked and refused by
websockets, word for word as in `listener.py`; only who is let in goes on with the other library. This file must never
let anybody through who was not welcomed, nor hold more of a peer than a request.

Whoever sends frames before he is answered (RFC 6455, 4.1: he must wait) may have sent a portion of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import structlog
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from streamer.access.tls import client_certificate
from streamer.entrance import Entrance, Sorry, Welcome, address_of
from streamer.load.guarded import MAX_HEAD_BYTES, OPEN_WITHIN_S, Guard, keep_alive
from streamer.load.portions import PORTION_BYTES

LINGER_S: Final = 5.0
"""How long a peer may take to close its side once we have said our last word."""
_END: Final = b"\r\n\r\n"

log = structlog.get_logger()

Open = Callable[["Doorway", Welcome, Response, bytes], None]
"""Goes on with a connection that is welcome: our answer, not sent yet, and what has come behind the request."""


class Doorway(asyncio.Protocol):
    """A connection until it is refused or handed on.

    Parameters
    ----------
    entrance
        Decides.
    guard
        Bounds what comes before a call.
    go_on
        Goes on with the connection.
    present
        Those that are undecided; it is among them until it is refused or handed on.
    """

    transport: asyncio.Transport
    request: Request

    def __init__(self, entrance: Entrance, guard: Guard, go_on: Open, present: set[Doorway]) -> None:
        self._entrance = entrance
        self._guard = guard
        self._go_on = go_on
        self._present = present
        self._loop = asyncio.get_running_loop()
        self._handshake = _Handshake()
        self._head_bytes = 0
        self._tail = b""
        """The last bytes of the request so far, in which its end may have begun."""
        self._behind: bytes | None = None
        """What has come behind the request; None while that has not ended."""
        self._said = False
        """Whether the last word is said: what comes is dropped."""
        self._deciding: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection among those that carry no call."""
        self.transport = transport  # type: ignore[assignment] # what a listener is given; uvloop's is no subclass
        self._present.add(self)
        keep_alive(transport.get_extra_info("socket"))
        self._timer = self._loop.call_later(OPEN_WITHIN_S, self.transport.abort)
        if self._guard.strangers.come(self, self.transport.abort):
            self._guard.cut_off("crowd")

    def data_received(self, data: bytes) -> None:
        """Take what came, if the request ends in time."""
        if self._said or self.transport.is_closing():
            return
        if self._behind is None:
            near = self._tail + data
            end = near.find(_END)
            head = data if end < 0 else data[: end + len(_END) - len(self._tail)]
            self._tail = near[-len(_END) + 1 :]
            self._head_bytes += len(head)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._cut("head")
                return
            self._handshake.receive_data(head)
            if end >= 0:
                self._behind = data[len(head) :]
            self._ask()
        else:
            self._behind += data
        if self._behind is not None and len(self._behind) > PORTION_BYTES:
            self._cut("head")

    def eof_received(self) -> None:
        """Take note that nothing more comes: whoever has asked and hangs up gets no answer."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how it was lost is the same to us
        """Forget it; also told of a connection that was handed on."""
        self.settle()
        self._present.discard(self)
        self._stop_timer()
        if self._deciding is not None:
            self._deciding.cancel()

    def settle(self) -> None:
        """Take note that it carries a call now, and is not cut off to make room for others."""
        self._guard.strangers.go(self)

    def abort(self) -> None:
        """End it at once."""
        self.transport.abort()

    def cut_off(self, why: str) -> None:
        """Count that it was ended for what its peer did."""
        self._guard.cut_off(why)

    def _ask(self) -> None:
        """Have it decided, if the request is there; end a connection that is none."""
        for request in self._handshake.events_received():
            if isinstance(request, Request):
                self.request = request
                self.transport.pause_reading()
                self._deciding = asyncio.create_task(self._decide(request), name="at the door")
                return
        if self._handshake.handshake_exc is not None:
            self._say_last()

    async def _decide(self, request: Request) -> None:
        try:
            decided: Welcome | Sorry = await self._entrance.decide(
                request.path,
                request.headers.raw_items(),
                address_of(self.transport.get_extra_info("peername")),
                client_certificate(self.transport.get_extra_info("ssl_object")),
            )
        except Exception:
            log.exception("a defect of ours before an upgrade", path=request.path[:80])
            decided = Sorry(HTTPStatus.INTERNAL_SERVER_ERROR, "our fault; see the server's log\n")
        if self.transport.is_closing():
            return
        if isinstance(decided, Welcome):
            self._handshake.known = tuple(map(Subprotocol, decided.subprotocols))
            response = self._handshake.accept(request)
            if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                self._stop_timer()
                self._present.discard(self)
                self._go_on(self, decided, response, self._behind or b"")
                return
        else:
            response = self._handshake.reject(decided.status, decided.text)
        self._handshake.send_response(response)
        self._say_last()

    def _say_last(self) -> None:
        """Send what there is to be said, and give the peer its time to read it."""
        self._said, self._behind = True, None
        for data in self._handshake.data_to_send():
            if data:
                self.transport.write(data)
        self._stop_timer()
        self._timer = linger(self.transport, self._loop)

    def _cut(self, why: str) -> None:
        if not self.transport.is_closing():
            self._guard.cut_off(why)
            self.transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Handshake(ServerProtocol):
    """Reads a request and makes its answer."""

    known: tuple[Subprotocol, ...] = ()

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """Select the subprotocol that the platform speaks, if it is offered."""
        return next((name for name in self.known if name in subprotocols), None)


def linger(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> asyncio.TimerHandle:
    """Say that nothing more is sent, and read on until the peer closes or has had its time; return that time's timer.

    Closed at once, with something still unread, a socket is reset, and the peer may never see our last words.
    """
    if transport.can_write_eof():
        transport.write_eof()
        transport.resume_reading()
    else:
        transport.close()  # TLS has an end of its own, which it waits for
    return loop.call_later(LINGER_S, transport.abort)
