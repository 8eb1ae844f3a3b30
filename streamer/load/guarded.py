"""A WebSocket before and beneath its messages: what a peer can do there without ever sending one.

It may connect and say nothing, send a request that does not end, ping without end, or vanish without a word. Each of
them is bounded here, for the calls' port and for the admin port. This file must never look into a message, nor refuse
anybody for who he is.

==================================== ==================================================================================
what a peer does                     what ends it
==================================== ==================================================================================
says nothing, or a byte now and then ``OPEN_WITHIN_S`` for TLS, as much again for the request; then the watch
is one of very many who say nothing  it is cut off to make room, the one that has waited longest first
sends a request that does not end    ``MAX_HEAD_BYTES``
pings without end                    ``CONTROL_PER_S``: each one has to be answered, and no queue bounds the answers
sends very much at once              ``streamer.load.portions``: others have their turn in between
vanishes                             TCP's keep-alive, after about two minutes, also in a pause that nothing else ends
==================================== ==================================================================================
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Event

from streamer.load.framing import Framing
from streamer.load.portions import Portions
from streamer.load.rates import Bucket
from streamer.load.strangers import Strangers

OPEN_WITHIN_S: Final = 10.0
"""What a TLS handshake may take, and then the request with our answer to it."""
MAX_HEAD_BYTES: Final = 32_768
"""A request of a platform has 1 to 4 KB."""
CONTROL_PER_S: Final = 20.0
CONTROL_AT_ONCE: Final = 200.0
"""Pings and pongs: platforms send one in 5 s or less often."""
_KEEP_ALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
_END_OF_HEAD: Final = b"\r\n\r\n"
_CONTROL: Final = frozenset({Opcode.PING, Opcode.PONG})


class Guard(msgspec.Struct, frozen=True, eq=False):
    """What the connections of a listener share."""

    strangers: Strangers
    cut_off: Callable[[str], None]
    """Is told why a connection was cut off: `crowd`, `head`, `pings`, `storm`."""


class GuardedConnection(ServerConnection):
    """A WebSocket whose peer is bounded before it sends its first message.

    Parameters
    ----------
    guard
        What it shares with its like.
    """

    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:  # noqa: ANN401 - as the library's
        super().__init__(*args, **kwargs)
        self._guard = guard
        self._control = Bucket(CONTROL_PER_S, CONTROL_AT_ONCE)
        self._head_bytes = 0
        self._last = b""
        """The last bytes of the request, as far as it has come."""
        self._is_apart = False
        """Whether it is known where frames begin, and they need not all go through the library."""
        self._ends = False
        """Whether the peer has ended its side while something was left of what came before."""
        self.frames_read = 0
        """Frames of data so far: a message has one or more."""
        self.bytes_read = 0
        """Bytes in them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection among those that carry no call."""
        super().connection_made(transport)
        self._framing = Framing(super().data_received, self._take)
        self._portions = Portions(self.transport, self._feed, self.loop)
        # The library has told its queue of frames to pause and resume the transport itself.
        self.recv_messages.pause, self.recv_messages.resume = self._portions.pause, self._portions.resume
        keep_alive(transport.get_extra_info("socket"))
        if self._guard.strangers.come(self, self.transport.abort):
            self._guard.cut_off("crowd")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it, as soon as all has been taken apart that came before; others have their turn meanwhile."""
        self._portions.finish(partial(self._lose, exc))

    def settle(self) -> None:
        """Take note that it carries a call now, and is not cut off to make room for others."""
        self._guard.strangers.go(self)

    def data_received(self, data: bytes) -> None:
        """Take what came, if the request ends in time."""
        self._portions.receive(data)
        if self.request is None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._end("head")

    def eof_received(self) -> None:
        """Take note that nothing more comes."""
        if self._portions.is_done:
            self._finish()
            super().eof_received()
        else:
            self._ends = True  # over TLS; the transport closes itself

    def process_event(self, event: Event) -> None:
        """Count what came."""
        super().process_event(event)
        if not isinstance(event, Frame):
            return
        if event.opcode in _CONTROL:
            if self._control.take(1, self.loop.time()):
                if not self.transport.is_closing():
                    self.protocol.fail(CloseCode.POLICY_VIOLATION, "too many pings")
                    self.send_data()
                self._end("pings")
        else:
            self.frames_read += 1
            self.bytes_read += len(event.data)

    def _feed(self, data: bytes) -> None:
        """Have a portion taken apart: the request and who sends frames before its answer by the library alone."""
        if self._is_apart:
            self._framing.receive(data)
            return
        asked = self.request is None
        super().data_received(data)
        if asked:
            self._last = (self._last + data[-len(_END_OF_HEAD) :])[-len(_END_OF_HEAD) :]
            self._is_apart = self.request is not None and self._last == _END_OF_HEAD

    def _take(self, _first: int, _data: bytes) -> bool:
        """Take a message off its way through the library; False, and it goes there.

        Parameters
        ----------
        _first
            First byte of its frame: text or binary.
        _data
            Its data, as it came: text may not be UTF-8.
        """
        return False

    def _finish(self) -> None:
        """Have the last of what came before the end taken."""
        self._framing.finish()

    def _lose(self, exc: Exception | None) -> None:
        self._finish()
        if self._ends:
            super().eof_received()
        self.settle()
        super().connection_lost(exc)

    def _end(self, why: str) -> None:
        self._portions.drop()
        if not self.transport.is_closing():
            self._guard.cut_off(why)
            self.transport.abort()


def keep_alive(connection: Any) -> None:  # noqa: ANN401 - a socket, or asyncio's or uvloop's view of one
    """Have the system notice when the other end of a TCP connection is gone: after 60 s of silence, within 60 s."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
