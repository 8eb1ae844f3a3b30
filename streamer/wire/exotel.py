"""Exotel AgentStream, spoken on ``/exotel``: the Stream applet of a call flow points here.

References: https://developer.exotel.com/docs/agentstream/websocket-protocol (messages), https://developer.exotel.com/
docs/agentstream/stream-voicebot-applet (audio, authentication), https://developer.exotel.com/docs/agentstream/
stream-voicebot-extension (beta: tracks, mu-law), https://developer.exotel.com/docs/exoml/verbs/stream (mu-law as the
default). This file must never keep, count by value or log a pressed digit or a telephone number, and must never write
to the platform.

Theory of operation. The states are those of `streamer.wire.media_json`. Fields are in snake_case, and since "exact
field names can vary slightly by applet", ids and formats are read in camelCase too. Audio is *one channel without a
track*, linear unless ``media_format`` says mu-law, about 100 ms a message; who is heard on it is configuration
(``role``). Where the beta's track selection is used, media name their ``track``; ``roles`` then says which there are,
since ``start`` does not. Quiet are ``connected``, ``dtmf``, ``mark``, ``clear`` and ``silence``. ``custom_parameters``
may hold ``token``, ``notice``, ``withdraw`` and labels, as Twilio's do; there are three at most.

Unverified against the platform itself: whose voice the one channel is (a Stream applet before Connect has been
described as sending all ringing legs); which of the two documented defaults, linear or mu-law, an applet has, and that
``media_format`` then says so; how messages of two tracks look; that ``timestamp`` is in milliseconds in every applet;
pings and reconnects. Linear audio is documented as little-endian; ``byte_order`` can change it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Final

import msgspec

from streamer.wire.events import Encoding, Fault
from streamer.wire.linear import ByteOrder
from streamer.wire.media_json import Format, Media, MediaStream, Number, Opening, one_id, texts, track_named
from streamer.wire.reading import shown

_LONGEST_ID: Final = 256
_RATE_HZ: Final = 8000
"""Where nothing else is said; a rate other than this has to be asked for in the stream's URL."""


class _Format(msgspec.Struct, frozen=True, rename={"rate": "sample_rate", "other_rate": "sampleRate"}):
    encoding: str
    rate: Number | None = None
    other_rate: Number | None = None
    channels: Number = 1


class _Start(
    msgspec.Struct,
    frozen=True,
    rename={
        "other_call_sid": "callSid",
        "other_stream_sid": "streamSid",
        "other_media_format": "mediaFormat",
        "other_custom_parameters": "customParameters",
    },
):
    call_sid: str | None = None
    other_call_sid: str | None = None
    stream_sid: str | None = None
    other_stream_sid: str | None = None
    media_format: _Format | None = None
    other_media_format: _Format | None = None
    custom_parameters: dict[str, Any] | None = None
    other_custom_parameters: dict[str, Any] | None = None


class _Media(msgspec.Struct, frozen=True):
    payload: bytes
    track: str | None = None
    timestamp: Number | None = None


class _Message(
    msgspec.Struct,
    frozen=True,
    rename={"other_number": "sequenceNumber", "other_stream_sid": "streamSid"},
):
    event: str
    sequence_number: Number | None = None
    other_number: Number | None = None
    stream_sid: str | None = None
    other_stream_sid: str | None = None
    start: _Start | None = None
    media: _Media | None = None

    @property
    def number(self) -> Number | None:
        """Counts the stream's messages."""
        return self.other_number if self.sequence_number is None else self.sequence_number

    @property
    def stream(self) -> str | None:
        """Id of the stream."""
        return self.stream_sid or self.other_stream_sid


class Exotel(MediaStream):
    """One stream of Exotel.

    Parameters
    ----------
    role
        Who is heard where media name no track.
    roles
        Track to role, where the stream is configured to send tracks; empty: it sends one channel.
    token, label_parameters, byte_order
        As for every :class:`MediaStream`.
    """

    name: ClassVar[str] = "exotel"

    _decoder: ClassVar[msgspec.json.Decoder[_Message]] = msgspec.json.Decoder(_Message)
    _quiet: ClassVar[frozenset[str]] = frozenset({"connected", "dtmf", "mark", "clear", "silence"})
    _formats: ClassVar[tuple[Format, ...]] = (
        Format(
            frozenset({"audio/x-raw", "raw", "audio/x-l16", "audio/l16", "slin", "raw/slin"}),
            Encoding.PCM_S16LE,
            (8000, 16000, 24000),
        ),
        Format(frozenset({"audio/x-mulaw", "mulaw"}), Encoding.PCMU, (8000,)),
    )
    _expected_format: ClassVar[str] = (
        "audio/x-raw at 8000, 16000 or 24000 Hz, or audio/x-mulaw at 8000 Hz, 1 channel; "
        "leave sample-rate out of the stream's URL, or make it one of these"
    )
    _where_to_set: ClassVar[str] = "a custom parameter of the stream"

    def __init__(
        self,
        role: str = "unknown",
        roles: Mapping[str, str] | None = None,
        token: str = "",
        label_parameters: Collection[str] = (),
        byte_order: ByteOrder = "little",
    ) -> None:
        super().__init__(roles or {"": role}, token, label_parameters, byte_order)
        self._only_track: str | None = None
        """What the one channel's track is called, where it has a name after all."""

    def _opening(self, message: _Message) -> Opening | Fault:
        start = message.start
        if start is None:
            return Fault("bad_start", "'start' lacks its field 'start'")
        stream = one_id("stream_sid", message.stream, start.stream_sid, start.other_stream_sid)
        if isinstance(stream, Fault):
            return stream
        call_id = start.call_sid or start.other_call_sid or ""
        if not 1 <= len(call_id) <= _LONGEST_ID:
            return Fault("bad_start", f"'start' has no call_sid of 1 to {_LONGEST_ID} characters")
        form = start.media_format or start.other_media_format
        if form is None:
            return Fault(
                "bad_start", "'start' lacks its field 'media_format', so nobody knows how the audio is written"
            )
        rates = [rate for rate in (form.rate, form.other_rate, _rate_in(form.encoding)) if rate]
        return Opening(
            call_id=call_id,
            stream=stream,
            tracks=tuple(self._roles),
            parameters=texts(start.custom_parameters or start.other_custom_parameters),
            encoding=form.encoding,
            rate=rates[0] if rates else _RATE_HZ,
            channels=form.channels,
        )

    def _channel(self, media: Media) -> int | Fault:
        if "" not in self._channels:
            return super()._channel(media)
        name = track_named(media.track or "")
        if self._only_track is None:
            self._only_track = name
        if name != self._only_track:
            first = shown(self._only_track)
            return Fault(
                "unknown_track",
                f"media came on track {shown(name)} after {first}; where a stream has tracks, "
                "dialects.exotel.roles must say who is heard on each",
            )
        return self._channels[""]


def _rate_in(encoding: str) -> str:
    """Return the rate of a media type like ``audio/x-mulaw;rate=8000``; empty where there is none."""
    return encoding.partition("rate=")[2].strip()
