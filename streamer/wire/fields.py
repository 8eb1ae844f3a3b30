"""Fields that a platform's customer names and fills: metadata of which nobody promised the type.

This file must never know a platform, never raise on what a field holds, and never return a field that was not asked
for by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from streamer.wire.events import Fault, Role
from streamer.wire.reading import read_json, shown

RATES_HZ: Final = (8000, 16000, 24000, 32000, 44100, 48000)
"""Sample rates that a leg can bring to 8 kHz."""
ANY_LABEL: Final = "*"
"""In the place of a label's name, where it is our own clients that choose them: all of them."""
MAX_TEXT: Final = 256
"""Characters of an id or a label; what is longer is none."""

_decoder: Final = msgspec.json.Decoder(dict[str, Any])


def read_object(text: str) -> dict[str, Any]:
    """Decode a text message that should be a JSON object.

    Raises
    ------
    msgspec.DecodeError
        It is none.
    """
    return read_json(_decoder, text)


def plain(value: object) -> str:
    """Return a text or a number as text; empty for anything else, and for what is too long to be an id or a label."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value).strip()
    return text if len(text) <= MAX_TEXT else ""


def whole_number(value: object) -> int | None:
    """Return a number that came as digits or as a number; None where it is none, negative or absurdly long."""
    text = plain(value).removesuffix(".0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else None


def is_set(value: object) -> bool:
    """Whether a yes-or-no field says yes: true, 1, or either of them as text."""
    return value is True or plain(value).lower() in ("true", "1")


def labels(fields: Mapping[str, Any], names: Collection[str]) -> dict[str, str]:
    """Return the fields that the configuration allows as labels, those that hold a text or a number."""
    found = {name: plain(fields.get(name)) for name in names}
    return {name: value for name, value in found.items() if value}


def roles(value: object) -> tuple[Role, ...] | None:
    """Return roles given as a list, or as a text with commas; None where a name is none of ours."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list):
        return None
    try:
        return tuple(Role(name.strip() if isinstance(name, str) else name) for name in names)
    except ValueError:
        return None


def rate_of(value: object, field: str) -> int | Fault:
    """Return the sample rate in Hz that a field holds, as a number or as digits.

    Returns
    -------
    int or Fault
        The fault names the field and says what is possible; some platforms offer 64 kHz, which is not.
    """
    rate_hz = whole_number(value)
    if rate_hz in RATES_HZ:
        return rate_hz
    possible = ", ".join(map(str, RATES_HZ))
    return Fault("bad_sample_rate", f"{field} is {shown(plain(value))}; set the platform to one of {possible} Hz")
