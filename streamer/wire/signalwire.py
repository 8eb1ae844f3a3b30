"""SignalWire cXML streams, spoken on ``/signalwire``: ``<Start><Stream track="both_tracks">`` points here.

Reference: https://developer.signalwire.com/compatibility-api/cxml/voice/stream (messages, tracks, codecs, the bearer
token). This file must never keep, count by value or log a pressed digit, and must never write to the platform.

Theory of operation. The messages are Twilio's, read by the same code, and so are the states (`streamer.wire.
media_json`). What differs: ids are UUIDs; ``media`` and ``stop`` need not name their stream, and ``stop`` has no body;
``customParameters`` is absent where none are set; besides mu-law at 8 kHz (``codec="PCMU@8000h"``, the default) there
is linear audio at 16 and 24 kHz (``L16@16000h``, ``L16@24000h``).

Unverified against the platform itself: the byte order of L16 (``byte_order``; little unless configured); the length of
a message (any is taken); that a WebSocket ping from us is welcome; that ``sequenceNumber`` counts the messages of both
tracks without holes (used for counting only); what closing our side does to the call.
"""

from __future__ import annotations

from typing import ClassVar

from streamer.wire.events import Encoding
from streamer.wire.media_json import Format
from streamer.wire.twilio import Twilio


class SignalWire(Twilio):
    """One stream of SignalWire."""

    name: ClassVar[str] = "signalwire"

    _formats: ClassVar[tuple[Format, ...]] = (
        Format(frozenset({"audio/x-mulaw"}), Encoding.PCMU, (8000,)),
        Format(frozenset({"audio/x-l16", "audio/l16"}), Encoding.PCM_S16LE, (8000, 16000, 24000)),
    )
    _expected_format: ClassVar[str] = (
        "audio/x-mulaw at 8000 Hz or audio/x-L16 at 16000 or 24000 Hz, 1 channel; "
        'leave codec out of <Stream>, or set it to "PCMU@8000h"'
    )
    _where_to_set: ClassVar[str] = "<Parameter> in cXML"
