"""WebSocket frames as a client sends them, and as a server answers (RFC 6455, section 5). Pure.

Made beforehand, so that sending one costs a system call and nothing else. The masking key is fixed: a server unmasks
whatever the key is, and only who guards against hostile web pages needs one that cannot be guessed. This file must
never be used to talk to a stranger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_KEY: Final = b"\x37\xfa\x21\x3d"
_LAST: Final = 0x80
_MASKED: Final = 0x80


def frame(message: str | bytes) -> bytes:
    """Return a message as one masked frame; text as text, bytes as binary."""
    return made(TEXT, message.encode()) if isinstance(message, str) else made(BINARY, message)


def made(opcode: int, payload: bytes) -> bytes:
    """Return a masked frame.

    Parameters
    ----------
    opcode
        What kind it is, such as `PONG`.
    payload
        Below 2**32 bytes.
    """
    length = len(payload)
    if length < 126:
        head = bytes((_LAST | opcode, _MASKED | length))
    elif length < 1 << 16:
        head = bytes((_LAST | opcode, _MASKED | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((_LAST | opcode, _MASKED | 127)) + length.to_bytes(8, "big")
    key = (_KEY * (length // 4 + 1))[:length]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")
    return head + _KEY + masked


@dataclass(frozen=True)
class Heard:
    """A frame of a server."""

    opcode: int
    payload: bytes


class Reader:
    """Takes a server's bytes, however they are cut, and returns its frames."""

    def __init__(self) -> None:
        self._rest = b""

    def receive(self, data: bytes) -> list[Heard]:
        """Return the frames that are whole now; those of servers are not masked."""
        self._rest += data
        found: list[Heard] = []
        while len(self._rest) >= 2:
            length, begin = self._rest[1] & 0x7F, 2
            if length >= 126:
                begin = 4 if length == 126 else 10
                length = int.from_bytes(self._rest[2:begin], "big")
            if len(self._rest) < begin + length:
                break
            found.append(Heard(self._rest[0] & 0x0F, self._rest[begin : begin + length]))
            self._rest = self._rest[begin + length :]
        return found
