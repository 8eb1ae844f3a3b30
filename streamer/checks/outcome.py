"""What one check found, for people and for machines.

Pure. This file must never know what was looked at.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """The server runs, and something is worse than it should be or cannot be known."""
    WRONG = "wrong"
    """It does not start, or does not do its work."""


class Outcome(msgspec.Struct, frozen=True):
    """What one check found."""

    what: str
    level: Level
    says: str
    """One line; where something is to be done, what."""

    @property
    def ok(self) -> bool:
        """Whether a node can do its work with it."""
        return self.level is not Level.WRONG

    @property
    def line(self) -> str:
        """For a terminal."""
        shown = "WRONG" if self.level is Level.WRONG else str(self.level)
        return f"{shown:<6} {self.what}: {self.says}"


def to_json(outcomes: list[Outcome]) -> str:
    """Return what a machine reads: one object, with `ok` for all of them together."""
    found = {"ok": all(outcome.ok for outcome in outcomes), "checks": outcomes}
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
