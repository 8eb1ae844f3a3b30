"""Twilio Media Streams, spoken on ``/twilio``: TwiML's ``<Start><Stream track="both_tracks">`` points here.

References: https://www.twilio.com/docs/voice/media-streams/websocket-messages (messages), https://www.twilio.com/docs/
voice/twiml/stream (tracks, parameters), https://www.twilio.com/docs/usage/security (signature). This file must never
keep, count by value or log a pressed digit, and must never write to the platform: a listener says nothing.

Theory of operation. The states are those of `streamer.wire.media_json`. All messages are JSON text; numbers come as
strings. The two tracks arrive as messages of their own, interleaved; ``media.timestamp`` places each on the stream's
clock, ``sequenceNumber`` tells that messages are missing. ``chunk`` is not read: whether tracks share its count is not
documented. Quiet are ``connected``, which carries no ids, ``mark`` and ``dtmf``, which come on bidirectional streams
only, and ``closed``, which old servers sent.

``customParameters`` (from ``<Parameter>`` in TwiML) may hold ``token`` (defence in depth beside the signature),
``notice`` (``true`` or ``1``: the person has been told), ``withdraw`` (likewise: the person has objected, so the stream
is taken and nothing of it is analysed) and those that the configuration allows as labels. Twilio has no message for an
objection in mid-call: end the stream with ``<Stop><Stream>``.

Unverified against the platform itself: that a WebSocket ping from us is welcome; that closing our side leaves the
call of a ``<Start>`` fork untouched; how long its messages may grow; that ``sequenceNumber`` counts every message
of both tracks without holes (it is used for counting only, never to drop audio).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from streamer.wire.events import Encoding, Fault
from streamer.wire.media_json import Format, MediaStream, Number, Opening, one_id, track_named

_MAX_TRACKS: Final = 4


class _Format(msgspec.Struct, frozen=True, rename="camel"):
    encoding: str
    sample_rate: Number
    channels: Number


class _Start(msgspec.Struct, frozen=True, rename="camel"):
    call_sid: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    tracks: Annotated[list[str], msgspec.Meta(min_length=1, max_length=_MAX_TRACKS)]
    media_format: _Format
    stream_sid: str | None = None
    custom_parameters: dict[str, str] = {}


class _Media(msgspec.Struct, frozen=True, gc=False):
    payload: bytes
    track: str
    timestamp: Number | None = None


class _Message(msgspec.Struct, frozen=True, gc=False, rename={"number": "sequenceNumber", "stream": "streamSid"}):
    event: str
    number: Number | None = None
    stream: str | None = None
    start: _Start | None = None
    media: _Media | None = None


class Twilio(MediaStream):
    """One media stream of Twilio."""

    name: ClassVar[str] = "twilio"
    _is_simple: ClassVar[bool] = True

    _decoder: ClassVar[msgspec.json.Decoder[_Message]] = msgspec.json.Decoder(_Message)
    _quiet: ClassVar[frozenset[str]] = frozenset({"connected", "mark", "dtmf", "closed"})
    _formats: ClassVar[tuple[Format, ...]] = (Format(frozenset({"audio/x-mulaw"}), Encoding.PCMU, (8000,)),)
    _expected_format: ClassVar[str] = "audio/x-mulaw, 8000 Hz, 1 channel"
    _where_to_set: ClassVar[str] = "<Parameter> in TwiML"

    def _opening(self, message: _Message) -> Opening | Fault:
        start = message.start
        if start is None:
            return Fault("bad_start", "'start' lacks its field 'start'")
        stream = one_id("streamSid", message.stream, start.stream_sid)
        if isinstance(stream, Fault):
            return stream
        form = start.media_format
        return Opening(
            call_id=start.call_sid,
            stream=stream,
            tracks=tuple(map(track_named, start.tracks)),
            parameters=start.custom_parameters,
            encoding=form.encoding,
            rate=form.sample_rate,
            channels=form.channels,
        )
