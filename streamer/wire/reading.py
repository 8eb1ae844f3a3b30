"""Reading a peer's JSON without surprises: what all dialects share about it.

This file must never know a dialect's fields.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

T = TypeVar("T")

_SHOWN: Final = 40


def read_json(decoder: msgspec.json.Decoder[T], text: str) -> T:
    """Decode one text message.

    Raises
    ------
    msgspec.ValidationError
        The text is JSON, but a field is missing or of another type.
    msgspec.DecodeError
        The text is no JSON, is nested beyond reason, or is no Unicode.
    """
    try:
        return decoder.decode(text)
    except UnicodeEncodeError as problem:
        raise msgspec.DecodeError("the text holds half a surrogate pair") from problem
    except RecursionError as problem:
        raise msgspec.DecodeError("the text is nested too deeply") from problem


def shown(value: str) -> str:
    """Return a peer's text as it may stand in a message for people: quoted, no control characters, short."""
    return ascii(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")
