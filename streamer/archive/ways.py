"""What decides the verdicts of an archive: model, settings, program. Two runs that agree on it give the same bytes.

This file must never leave out a setting that could change a verdict, nor hold one that could not: the first would mix
two kinds of results in one archive unseen, the second would stop an archive for nothing.
"""

from __future__ import annotations

import hashlib

import msgspec

from streamer import __version__
from streamer.config import Settings, SpeechSettings
from streamer.emotion.model import ModelCard
from streamer.wire.events import Role


class Ways(msgspec.Struct, frozen=True):
    """How a run judges; the same for all its recordings."""

    program: str
    """Version of this program."""
    model: str
    model_version: str
    model_sha256: str
    speech: SpeechSettings
    analyse: tuple[Role, ...]
    lawful_basis: str
    require_notice: bool
    notice: bool
    """Said for all recordings whose row does not say it."""
    roles: tuple[str, ...] | None
    """Likewise."""

    @classmethod
    def of(cls, settings: Settings, card: ModelCard, *, notice: bool, roles: tuple[str, ...] | None) -> Ways:
        """Take from the settings what counts."""
        return cls(
            program=__version__,
            model=card.name,
            model_version=card.version,
            model_sha256=card.sha256,
            speech=settings.speech,
            analyse=settings.emotion.analyse,
            lawful_basis=settings.emotion.lawful_basis,
            require_notice=settings.emotion.require_notice,
            notice=notice,
            roles=roles,
        )

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that are the same only for the same ways."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def differences(self, other: Ways) -> list[str]:
        """Return what the other does otherwise, a few words each: the key, what it is here, what it is there."""
        mine, theirs = _flat(self), _flat(other)
        return [f"{key} was {mine[key]}, is {theirs[key]}" for key in mine if mine[key] != theirs[key]]


def _flat(ways: Ways) -> dict[str, str]:
    tables = msgspec.to_builtins(ways)
    speech = tables.pop("speech")
    tables |= {f"speech.{key}": value for key, value in speech.items()}
    return {key: str(msgspec.json.encode(value), "utf-8") for key, value in tables.items()}
