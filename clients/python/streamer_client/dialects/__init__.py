"""The platform's side of each telephony dialect, Sans-I/O: a recording's blocks in, messages out.

One file per dialect, as in the server's ``wire`` folder, which is the other side of the same table. Nothing in this
folder may open a socket, read a clock or a file: :mod:`streamer_client.replay` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

import msgspec

from streamer_client.dialects.speaker import Speakers
from streamer_client.errors import OptionError


class _Module(Protocol):
    PATH: str
    speakers: Speakers


class _Traits(msgspec.Struct, frozen=True):
    has_clock: bool
    is_text: bool
    url: str = "ws://127.0.0.1:8765"


class Dialect(msgspec.Struct, frozen=True):
    """What a replay knows of a dialect before its first message."""

    name: str
    path: str
    """Where the server takes its calls; empty where it has a port of its own."""
    speakers: Speakers
    has_clock: bool
    """Each media message says where it belongs, so that loss and disorder can be put right."""
    is_text: bool
    """Media are JSON text; if not, bytes."""
    url: str
    """The server, where none is named."""


_JSON_WITH_CLOCK = _Traits(has_clock=True, is_text=True)
_BYTES = _Traits(has_clock=False, is_text=False)

_KNOWN: Mapping[str, _Traits] = {
    "native": _BYTES,
    "twilio": _JSON_WITH_CLOCK,
    "audiohook": _BYTES,
    "telnyx": _JSON_WITH_CLOCK,
    "signalwire": _JSON_WITH_CLOCK,
    "plivo": _JSON_WITH_CLOCK,
    "exotel": _JSON_WITH_CLOCK,
    "vonage": _BYTES,
    "jambonz": _BYTES,
    "freeswitch": _BYTES,
    "asterisk": _BYTES,
    "audiosocket": _Traits(has_clock=False, is_text=False, url="tcp://127.0.0.1:8766"),
    "audiocodes": _Traits(has_clock=False, is_text=True),
}
DIALECTS = tuple(_KNOWN)


def load(name: str) -> Dialect:
    """Return a dialect; its file is loaded when it is first spoken.

    Raises
    ------
    OptionError
        There is no such dialect.
    """
    if name not in DIALECTS:
        raise OptionError(f"unknown dialect {name!r}; choose from {', '.join(DIALECTS)}")
    traits = _KNOWN[name]
    module = cast("_Module", import_module(f"{__name__}.{name}"))
    return Dialect(name, module.PATH, module.speakers, traits.has_clock, traits.is_text, traits.url)
