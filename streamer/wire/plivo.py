"""Plivo audio streams, spoken on ``/plivo``: ``<Stream audioTrack="both">`` points here.

References: https://docs.plivo.com/docs/voice/xml/audiostream (tracks, content types, extra headers), the package
plivo-stream-sdk (the messages). This file must never keep, count by value or log a pressed digit, and must never write
to the platform.

Theory of operation. The states are those of `streamer.wire.media_json`, with these differences. There is no
``connected``. There is no ``stop`` either: the stream ends when the socket is closed (one that comes is taken all the
same). Audio is *linear 16 bit at 8 kHz* unless ``contentType`` says otherwise. ``sequenceNumber`` and ``chunk`` come as
numbers and begin at 0, ``timestamp`` comes as text. What ``extraHeaders`` of the ``<Stream>`` says stands beside
``start`` in ``extra_headers``, a text that holds JSON; it may hold ``token``, ``notice``, ``withdraw`` and labels, as
Twilio's parameters do. Quiet are ``dtmf``, ``playedStream`` and ``clearedAudio``.

Unverified against the platform itself: a signature on the upgrade (none is asked for); whether names in
``extra_headers`` stand as they were given, and whether it is always JSON (``name=value,...``, as it is configured, is
read too); the byte order of linear audio (``byte_order``; little unless configured); the length of a message (any is
taken); pings and reconnects.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from streamer.wire.events import Encoding, Fault, Stop, WireEvent
from streamer.wire.fields import read_object
from streamer.wire.media_json import Format, MediaStream, Number, Opening, one_id, texts, track_named

_MAX_TRACKS: Final = 4


class _Format(msgspec.Struct, frozen=True, rename="camel"):
    encoding: str
    sample_rate: Number
    channels: Number = 1


class _Start(msgspec.Struct, frozen=True, rename="camel"):
    call_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    tracks: Annotated[list[str], msgspec.Meta(min_length=1, max_length=_MAX_TRACKS)]
    media_format: _Format
    stream_id: str | None = None


class _Media(msgspec.Struct, frozen=True, gc=False):
    payload: bytes
    track: str
    timestamp: Number | None = None


class _Message(msgspec.Struct, frozen=True, gc=False, rename={"number": "sequenceNumber", "stream": "streamId"}):
    event: str
    number: Number | None = None
    stream: str | None = None
    start: _Start | None = None
    media: _Media | None = None
    extra_headers: str | None = None


class Plivo(MediaStream):
    """One audio stream of Plivo."""

    name: ClassVar[str] = "plivo"
    _is_simple: ClassVar[bool] = True

    _decoder: ClassVar[msgspec.json.Decoder[_Message]] = msgspec.json.Decoder(_Message)
    _quiet: ClassVar[frozenset[str]] = frozenset({"connected", "dtmf", "playedStream", "clearedAudio"})
    _formats: ClassVar[tuple[Format, ...]] = (
        Format(frozenset({"audio/x-l16", "audio/l16"}), Encoding.PCM_S16LE, (8000, 16000)),
        Format(frozenset({"audio/x-mulaw"}), Encoding.PCMU, (8000,)),
    )
    _expected_format: ClassVar[str] = (
        "audio/x-l16 at 8000 or 16000 Hz, or audio/x-mulaw at 8000 Hz, 1 channel; "
        'leave contentType out of <Stream>, or set it to "audio/x-mulaw;rate=8000"'
    )
    _where_to_set: ClassVar[str] = "extraHeaders of <Stream>"

    def closed(self) -> list[WireEvent]:
        """Return the end of the call: the platform has no other word for it."""
        return [Stop()] if self._is_live else []

    def _opening(self, message: _Message) -> Opening | Fault:
        start = message.start
        if start is None:
            return Fault("bad_start", "'start' lacks its field 'start'")
        stream = one_id("streamId", message.stream, start.stream_id)
        if isinstance(stream, Fault):
            return stream
        form = start.media_format
        return Opening(
            call_id=start.call_id,
            stream=stream,
            tracks=tuple(map(track_named, start.tracks)),
            parameters=_parameters(message.extra_headers or ""),
            encoding=form.encoding,
            rate=form.sample_rate,
            channels=form.channels,
        )


def _parameters(extra_headers: str) -> dict[str, str]:
    """Return what the customer set; nothing where it cannot be read."""
    try:
        return texts(read_object(extra_headers))
    except msgspec.DecodeError:
        pairs = [pair.partition("=") for pair in extra_headers.split(",")]
        return texts({name.strip(): value for name, sign, value in pairs if sign})
