"""Telnyx media streaming, spoken on ``/telnyx``: ``streaming_start`` or TeXML's ``<Stream>`` points here.

References: https://developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket (frames, order, the
token's header), https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming (tracks),
https://developers.telnyx.com/docs/voice/programmable-voice/texml-verbs/stream (codecs, parameters). This file must
never keep, count by value or log a pressed digit or a telephone number, and must never write to the platform.

Theory of operation. The states are those of `streamer.wire.media_json`; fields are in snake_case and ``stream_id``
stands at the top. A payload is that of one RTP packet without its header. *The order of media is not guaranteed*, so
each track's messages are put in order by ``chunk`` (`streamer.wire.reorder`) before they are heard: a codec with a
memory needs it. Then ``timestamp`` places them. ``start`` does not tell which tracks were asked for, so a call always
has both, and one may stay silent. ``media_format.encoding`` is written as a name (``PCMU``) or, by older
documents, as a media type (``audio/x-mulaw``); both are read.

========================== ======================================================================================
encoding                   what happens
========================== ======================================================================================
PCMU, PCMA at 8 kHz        taken
L16 at 8, 16, 24, 48 kHz   taken
G722 at 8 or 16 kHz        taken: decoded to 16 kHz, whichever of the two clocks `sample_rate` names
OPUS, AMR-WB, another one  Fault bad_media_format, which says what to set
========================== ======================================================================================

Without ``codec`` the platform sends the codec of the call, and transcodes between PCMU and PCMA only. Quiet are
``connected``, ``dtmf`` and ``mark``; of an ``error`` frame the code goes to ``on_error``, its words nowhere.

Unverified against the platform itself: the fields of ``error`` frames; whether tracks share the count of ``chunk`` (if
so, audio is heard later by the window of reordering, and nothing else changes); the unit of ``timestamp``, which the
page does not name (milliseconds are assumed); the byte order of L16 (``byte_order``; little unless configured, while
RTP itself would say big); pings, close codes and reconnects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, ClassVar, Final

import msgspec

from streamer.wire.events import Audio, Encoding, Fault, WireEvent
from streamer.wire.fields import plain
from streamer.wire.linear import ByteOrder
from streamer.wire.media_json import (
    DEFAULT_ROLES,
    Format,
    Media,
    MediaStream,
    Number,
    Opening,
    texts,
    whole_number,
)
from streamer.wire.reorder import Reorder

Decode = Callable[[bytes], bytes]
"""Turns the bytes of one track, in order, into little-endian samples of 16 bits at 16 kHz."""

_G722: Final = frozenset({"g722", "audio/g722"})
_G722_HZ: Final = 16000
"""What comes out; its RTP clock runs at 8000 Hz for historical reasons (RFC 3551, section 4.5.2)."""
_ERROR_CODE: Final = re.compile(r"[A-Za-z_.\-]{0,32}\d{0,6}")
"""What is longer in digits may be a telephone number."""


class _Format(msgspec.Struct, frozen=True):
    encoding: str
    sample_rate: Number
    channels: Number = 1


class _Start(msgspec.Struct, frozen=True):
    call_control_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    media_format: _Format
    custom_parameters: dict[str, Any] | None = None


class _Media(msgspec.Struct, frozen=True):
    payload: bytes
    track: str
    timestamp: Number | None = None
    chunk: Number | None = None


class _Message(msgspec.Struct, frozen=True, rename={"number": "sequence_number", "stream": "stream_id"}):
    event: str
    number: Number | None = None
    stream: str | None = None
    start: _Start | None = None
    media: _Media | None = None
    payload: Any = None
    error: Any = None


class Telnyx(MediaStream):
    """One media stream of Telnyx.

    Parameters
    ----------
    roles, token, label_parameters, byte_order
        As for every :class:`MediaStream`.
    reorder_ms
        How much media may come before a missing chunk is given up.
    new_g722
        Makes a decoder for one track; None: G.722 is refused.
    on_error
        Told the code of each `error` frame.
    """

    name: ClassVar[str] = "telnyx"

    _decoder: ClassVar[msgspec.json.Decoder[_Message]] = msgspec.json.Decoder(_Message)
    _quiet: ClassVar[frozenset[str]] = frozenset({"connected", "mark", "dtmf", "error"})
    _formats: ClassVar[tuple[Format, ...]] = (
        Format(frozenset({"pcmu", "audio/x-mulaw", "audio/pcmu"}), Encoding.PCMU, (8000,)),
        Format(frozenset({"pcma", "audio/x-alaw", "audio/pcma"}), Encoding.PCMA, (8000,)),
        Format(frozenset({"l16", "audio/x-l16", "audio/l16"}), Encoding.PCM_S16LE, (8000, 16000, 24000, 48000)),
        Format(_G722, Encoding.PCM_S16LE, (8000, _G722_HZ)),
    )
    _expected_format: ClassVar[str] = (
        "PCMU, PCMA, L16 or G722, 1 channel; "
        'set codec="PCMU" in <Stream>, or stream_codec to PCMU where the stream is started'
    )
    _where_to_set: ClassVar[str] = "custom_parameters where the stream is started, or <Parameter> in TeXML"

    def __init__(
        self,
        roles: Mapping[str, str] = DEFAULT_ROLES,
        token: str = "",
        label_parameters: Collection[str] = (),
        byte_order: ByteOrder = "little",
        *,
        reorder_ms: float = 100.0,
        new_g722: Callable[[], Decode] | None = None,
        on_error: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(roles, token, label_parameters, byte_order)
        self._reorder_ms = reorder_ms
        self._new_g722 = new_g722
        self._on_error = on_error
        self._orders: dict[int, Reorder[Audio]] = {}
        """By channel."""
        self._decoders: dict[int, Decode] | None = None
        """By channel, where the audio is G.722."""

    @property
    def late_chunks(self) -> int:
        """Media messages that were dropped because their place had passed, or was taken."""
        return sum(order.late for order in self._orders.values())

    def closed(self) -> list[WireEvent]:
        """Return what still waits for its order; a stream that ends without `stop` was cut off."""
        return self._flush() if self._is_live else []

    def _opening(self, message: _Message) -> Opening | Fault:
        start = message.start
        if start is None:
            return Fault("bad_start", "'start' lacks its field 'start'")
        form = start.media_format
        return Opening(
            call_id=start.call_control_id,
            stream=message.stream or "",
            tracks=tuple(DEFAULT_ROLES),  # `start` does not say which of the two were asked for
            parameters=texts(start.custom_parameters),
            encoding=form.encoding,
            rate=form.sample_rate,
            channels=form.channels,
        )

    def _format(self, opening: Opening) -> tuple[Encoding, int] | Fault:
        found = super()._format(opening)
        if isinstance(found, Fault) or opening.encoding.lower() not in _G722:
            return found
        if self._new_g722 is None:
            return Fault("bad_media_format", f"this server has no G.722 decoder; expected {self._expected_format}")
        self._decoders = {channel: self._new_g722() for channel in range(len(opening.tracks))}
        return Encoding.PCM_S16LE, _G722_HZ

    def _hear(self, audio: Audio, media: Media) -> list[WireEvent]:
        chunk = whole_number(media.chunk) if isinstance(media, _Media) else None
        if chunk is None:
            return self._sounds([audio])
        order = self._orders.get(audio.channel)
        if order is None:
            order = self._orders[audio.channel] = Reorder(window_ms=self._reorder_ms)
        return self._sounds(order.receive(chunk, audio, audio.media_ms))

    def _end(self) -> list[WireEvent]:
        return [*(self._flush() if self._is_live else []), *super()._end()]

    def _flush(self) -> list[WireEvent]:
        """Return what still waits for its order."""
        return [event for order in self._orders.values() for event in self._sounds(order.flush())]

    def _sounds(self, pieces: list[Audio]) -> list[WireEvent]:
        """Return pieces of audio that are in order as whole linear or G.711 samples."""
        if self._decoders is None:
            return [event for piece in pieces for event in self._whole(piece)]
        return [
            msgspec.structs.replace(piece, payload=self._decoders[piece.channel](piece.payload)) for piece in pieces
        ]

    def _receive_other(self, message: _Message) -> None:
        super()._receive_other(message)
        if message.event == "error":
            self._on_error(_code_of(message.error) or _code_of(message.payload) or "unknown")


def _code_of(fields: object) -> str:
    """Return an error's code where it is one: short and no telephone number."""
    code = plain(fields.get("code")) if isinstance(fields, dict) else ""
    return code if _ERROR_CODE.fullmatch(code) else ""
