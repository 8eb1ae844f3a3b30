"""What has been decided of rows on a disk that does not take it: remembered, and done when it does.

Holds no message and reads no clock. This file must never forget a decision before the disk has it: an acknowledged
message would go again, and one that a person has objected to would leave.
"""

from __future__ import annotations

from streamer.bus.cloudevents import Kind
from streamer.bus.store import Store


class Debts:
    """What a disk still has to be told."""

    def __init__(self) -> None:
        self.gone: set[int] = set()
        """Numbers of rows that are done with."""
        self.objected: set[str] = set()
        """Calls of which nothing may be given out but the clearing of their state."""
        self.cleared: list[tuple[str, int]] = []
        """Topics that were cleared, and the number of the message that did so."""
        self.metas: dict[str, str] = {}
        """Values kept under a key."""

    def lets_go(self, seq: int, call_key: str, kind: str) -> bool:
        """Return whether a row that stands on the disk may still be given out."""
        return seq not in self.gone and (call_key not in self.objected or kind == Kind.CLEAR)

    def pay(self, disk: Store) -> None:
        """Do it all; inside a transaction, after whose commit they are to be cleared."""
        disk.remove(self.gone)  # first: what it frees may be all the room there is
        for call_key in self.objected:
            disk.remove_call(call_key)
        for topic, seq in self.cleared:
            disk.forget_live(topic, seq)
        for key, value in self.metas.items():
            disk.set_meta(key, value)

    def clear(self) -> None:
        """Forget what has been done."""
        for done in (self.gone, self.objected, self.cleared, self.metas):
            done.clear()
