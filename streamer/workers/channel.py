"""The two channels between the supervisor and a worker: orders go down, reports come up.

An order is one byte, and may carry a socket (SCM_RIGHTS, unix(7)): the connection that the worker shall serve. Both
are read in the order in which they were sent, so a worker that is told to take no more has all that it was given. A
report is a length and a MessagePack array, a verb and what belongs to it. Some are answered; then the worker waits,
without its event loop: what it asks must be known before anything else happens (is there room for this call?), and the
supervisor does nothing else that takes time. `benchmarks/workers.py` measures it.

This file must never know what a verb means, and never keep a socket open that nobody took.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
import struct
from typing import Any, Final

import msgspec

_LENGTH: Final = struct.Struct("!I")
_LARGEST: Final = 64 * 2**20
"""A report that says it is larger is none."""
ANSWER_WITHIN_S: Final = 10.0
"""A supervisor that takes longer is as good as dead."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


class ChannelError(Exception):
    """The other side is gone, or says what no program of ours would."""


def pack(said: object) -> bytes:
    """Return a report as it goes over the channel."""
    body = _encoder.encode(said)
    return _LENGTH.pack(len(body)) + body


async def read(reader: asyncio.StreamReader) -> Any | None:  # noqa: ANN401 - whatever was packed
    """Return the next report; None at the end of the channel.

    Raises
    ------
    ChannelError
        What came is no report.
    """
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > _LARGEST:
            raise ChannelError(f"a report of {length} bytes was announced; at most {_LARGEST} are possible")
        return _decoder.decode(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except msgspec.DecodeError as problem:
        raise ChannelError(f"a report cannot be read: {problem}") from problem


class Reports:
    """The worker's end of the channel of reports.

    Parameters
    ----------
    channel
        A stream socket; blocking from now on.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        channel.settimeout(ANSWER_WITHIN_S)

    def tell(self, verb: str, *what: object) -> None:
        """Say something that is not answered; quietly nothing once the supervisor is gone: its orders say so, too."""
        try:
            self._channel.sendall(pack([verb, *what]))
        except OSError:
            return

    def ask(self, verb: str, *what: object) -> Any:  # noqa: ANN401 - whatever the other side answers
        """Ask and wait for the answer.

        Raises
        ------
        ChannelError
            The supervisor is gone, or took longer than `ANSWER_WITHIN_S`.
        """
        try:
            self._channel.sendall(pack([verb, *what]))
            (length,) = _LENGTH.unpack(self._receive(_LENGTH.size))
            return _decoder.decode(self._receive(length))
        except OSError as problem:
            raise ChannelError(f"the supervisor does not answer: {problem or type(problem).__name__}") from problem

    def close(self) -> None:
        """Let go of the channel."""
        self._channel.close()

    def _receive(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            piece = self._channel.recv(count - len(found))
            if not piece:
                raise ConnectionError("it is gone")
            found += piece
        return bytes(found)


def send_order(channel: socket.socket, order: bytes, connection: socket.socket | None = None) -> bool:
    """Give an order without waiting; False where the worker takes none now: it is gone, or far behind.

    Parameters
    ----------
    channel
        A stream socket that does not block.
    order
        One byte.
    connection
        Goes with it; ours may be closed afterwards.
    """
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection.fileno()]))] if connection else []
    try:
        return channel.sendmsg([order], rights) == len(order)
    except OSError:
        return False


def read_order(channel: socket.socket) -> tuple[bytes, socket.socket | None]:
    """Return the next order, and the connection that came with it; an empty order at the end of the channel.

    Raises
    ------
    BlockingIOError
        There is none now.
    """
    # One byte at a time, so that a connection is never taken for that of another order.
    try:
        order, rights, _, _ = socket.recv_fds(channel, 1, 1)
    except ConnectionError:
        return b"", None
    if not rights:
        return order, None
    os.set_inheritable(rights[0], False)  # noqa: FBT003 - the library's own parameter
    return order, socket.socket(fileno=rights[0])
