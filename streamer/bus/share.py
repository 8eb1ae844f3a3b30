"""A worker's share in the bus of its node: what it is given, and what it must leave to the supervisor.

The node's status, with its last will, is the supervisor's: a worker that falls must not make the node look offline. So
are the look for retained junk and the secret of the pseudonyms. This file must never hold more than that.
"""

from __future__ import annotations

import msgspec

from streamer.config import Settings


class Share(msgspec.Struct, frozen=True):
    """What a worker is given for the bus."""

    worker: int
    """Its number; makes its name at the broker its own."""
    salt: str
    """Of the pseudonyms: one for all workers of a node."""
    in_force: Settings | None = None
    """What it says is in force when it begins; None where another worker has said it."""
