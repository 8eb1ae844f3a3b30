"""Reading a peer's JSON without surprises: what all dialects share about it.

This file must never know a dialect's fields.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")

_SHOWN: Final = 40
"""Characters that are shown of a peer's text."""
_ESCAPED: Final = 2 * _SHOWN
"""Characters that they may take when they are written in ASCII."""
_REPEATED: Final = re.compile(
    r"(?P<what>Invalid (?:enum )?value|Object contains unknown field) (?P<quote>['\"`])(?P<text>.*)(?P=quote)"
    r"(?P<place> - at `[^`]*`)?",
    re.DOTALL,
)
"""Where msgspec repeats what a peer wrote, with nothing done about quotes in it."""
_LEGIBLE: Final = 80
"""Characters kept of either end: what is wrong stands at the beginning, where it stands at the end."""


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
    except msgspec.DecodeError as problem:
        raise type(problem)(_legible(str(problem))) from problem
    except UnicodeEncodeError as problem:
        raise msgspec.DecodeError("the text holds half a surrogate pair") from problem
    except RecursionError as problem:
        raise msgspec.DecodeError("the text is nested too deeply") from problem


def _legible(problem: str) -> str:
    """Return what the decoder found wrong, short and in one line: it repeats a peer's text as it is, however long."""
    repeated = _REPEATED.fullmatch(problem)
    if repeated:
        return f"{repeated['what']} {shown(repeated['text'])}{repeated['place'] or ''}"
    line = problem.encode("unicode_escape").decode()
    return line if len(line) <= 2 * _LEGIBLE else f"{line[:_LEGIBLE]}...{line[-_LEGIBLE:]}"


def shown(value: str) -> str:
    """Return a peer's text as it may stand in a message for people: quoted, no control characters, short."""
    kept = value[:_SHOWN]
    while len(ascii(kept)) > _ESCAPED:
        kept = kept[:-1]
    return ascii(value if kept == value else f"{kept}...")
