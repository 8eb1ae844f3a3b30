"""What the supervisor and a worker say to each other, in one place.

This file must never import what serves calls: the supervisor is light.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from streamer.config import Settings


class Order(bytes, Enum):
    """What a worker can be told; one byte each."""

    CALLS = b"c"
    """Take this connection, which came to the port for WebSockets."""
    AUDIO = b"a"
    """Take this connection, which came to the port for AudioSocket."""
    RETIRE = b"r"
    DRAIN = b"d"
    HURRY = b"h"
    FIGURES = b"f"


class Assignment(msgspec.Struct, frozen=True):
    """What a worker is to be."""

    number: int
    """Of the process in the life of the node; never given twice."""
    settings: Settings
    """Of the node."""
    ports: tuple[int, int, int]
    """Those that were bound, for calls, for AudioSocket (0 = off) and for health."""
    place: int
    """Of its outbox; no other process of the node's name has it, so it makes its name at the broker its own, too."""
    outbox: str
    """The file that is its own."""
    salt: str
    """Of the pseudonyms: one for all workers."""
    folder: str
    """Where the workers' Unix sockets are."""
    announces: bool
    """Whether it says in the audit log what is in force: one of the workers that began with these settings."""

    @property
    def own_settings(self) -> Settings:
        """The node's settings with what differs for this worker."""
        its, replace = self.settings, msgspec.structs.replace
        calls, audio, admin = self.ports
        return replace(
            its,
            server=replace(its.server, port=calls, admin_port=admin),
            outbox=replace(its.outbox, path=self.outbox),
            dialects=replace(its.dialects, audiosocket=replace(its.dialects.audiosocket, port=audio)),
        )


BEATS_MISSED: Final = 30
"""Signs of life, one a second, after which a worker counts as hung."""
