"""What is said on the socket, for all peers: Twilio's media streams and our native protocol, as far as a peer needs.

Decoded the fast way (typed structs, base64 taken along by msgspec), so that no peer is slow for what its shape is not
about. A peer checks less than the product does: tokens, sequence numbers and the media clock are not read. This file
must never open a socket.
"""

from __future__ import annotations

from typing import ClassVar, Final, Protocol

import msgspec
import numpy as np

ROLES_OF_TRACKS: Final = {"inbound": "customer", "outbound": "agent"}
"""As `dialects.twilio.roles` comes."""

Sound = list[tuple[int, bytes]]
"""Channels and their samples, encoded as `Hello` said."""


class WireError(Exception):
    """The client said what cannot be taken; the message says what came and what was expected."""


class Hello(msgspec.Struct, frozen=True):
    """The call begins."""

    call_id: str
    roles: tuple[str, ...]
    """One per channel."""
    is_linear: bool = False
    """16-bit samples instead of mu-law."""
    wants_events: bool = False


class Goodbye(msgspec.Struct, frozen=True):
    """The call is over."""


Said = Hello | Sound | Goodbye


class Stream(Protocol):
    """How one socket is read and answered."""

    dialect: ClassVar[str]

    def read(self, message: str | bytes) -> Said:
        """Return what a message means; an empty `Sound` for what means nothing here. May raise `WireError`."""
        ...

    def ready(self, session_id: str, analysed: list[str]) -> list[str]:
        """Return what to answer to `Hello`."""
        ...

    def event(self, event: bytes) -> list[str]:
        """Return what to say of an event to a client that wants them."""
        ...

    def ended(self, utterances: int) -> list[str]:
        """Return what to say when all events have been published."""
        ...


class _Start(msgspec.Struct, rename="camel"):
    call_sid: str
    tracks: list[str]


class _Media(msgspec.Struct):
    payload: bytes
    track: str


class _Message(msgspec.Struct):
    event: str
    start: _Start | None = None
    media: _Media | None = None


class Twilio:
    """One media stream of Twilio: JSON text, each track in messages of its own; nothing is ever answered."""

    dialect: ClassVar[str] = "twilio"
    _decoder: ClassVar = msgspec.json.Decoder(_Message)

    def __init__(self) -> None:
        self._channels: dict[str, int] = {}

    def read(self, message: str | bytes) -> Said:
        """Return what a message means."""
        try:
            said = self._decoder.decode(message)
        except msgspec.DecodeError as problem:
            raise WireError(f"expected a message of Twilio's media streams: {problem}") from problem
        if said.media is not None:
            return [(self._channel(said.media.track), said.media.payload)]
        if said.start is not None:
            self._channels = {track: channel for channel, track in enumerate(said.start.tracks)}
            return Hello(said.start.call_sid, tuple(ROLES_OF_TRACKS.get(track, "unknown") for track in self._channels))
        return Goodbye() if said.event == "stop" else []

    def ready(self, session_id: str, analysed: list[str]) -> list[str]:  # noqa: ARG002 - as Stream
        """Return nothing."""
        return []

    def event(self, event: bytes) -> list[str]:  # noqa: ARG002 - as Stream
        """Return nothing."""
        return []

    def ended(self, utterances: int) -> list[str]:  # noqa: ARG002 - as Stream
        """Return nothing."""
        return []

    def _channel(self, track: str) -> int:
        try:
            return self._channels[track]
        except KeyError:
            raise WireError(f"audio on track {track!r}; 'start' announced {sorted(self._channels)}") from None


class _Channel(msgspec.Struct):
    role: str


class _Control(msgspec.Struct):
    type: str
    call_id: str = ""
    channels: list[_Channel] = []
    encoding: str = "pcm_s16le"
    sample_rate: int = 8000
    events: bool = False


class Native:
    """One stream in our own protocol: control as JSON text, samples binary, interleaved by channel."""

    dialect: ClassVar[str] = "native"
    _decoder: ClassVar = msgspec.json.Decoder(_Control)

    def __init__(self) -> None:
        self._n_channels = 0
        self._sample = "V2"
        """A sample as numpy cuts it out, unread."""
        self._rest = b""

    def read(self, message: str | bytes) -> Said:
        """Return what a message means."""
        if isinstance(message, bytes):
            return self._sound(message)
        try:
            said = self._decoder.decode(message)
        except msgspec.DecodeError as problem:
            raise WireError(f"expected a message of the native protocol: {problem}") from problem
        if said.type == "start":
            return self._begin(said)
        if said.type == "stop":
            return Goodbye()
        raise WireError(f"a peer takes start, audio and stop; got {said.type!r}")

    def ready(self, session_id: str, analysed: list[str]) -> list[str]:
        """Return ``ready``."""
        return [_text({"type": "ready", "session_id": session_id, "analysed": analysed})]

    def event(self, event: bytes) -> list[str]:
        """Return ``event``."""
        return [_text({"type": "event", "event": msgspec.Raw(event)})]

    def ended(self, utterances: int) -> list[str]:
        """Return ``ended``."""
        return [_text({"type": "ended", "utterances": utterances})]

    def _begin(self, said: _Control) -> Hello:
        if said.encoding not in {"pcmu", "pcm_s16le"} or said.sample_rate != 8000 or len(said.channels) not in {1, 2}:
            got = f"{said.encoding}, {said.sample_rate} Hz, {len(said.channels)} channels"
            raise WireError(f"a peer takes pcmu or pcm_s16le, 8000 Hz, 1 or 2 channels; got {got}")
        self._n_channels = len(said.channels)
        is_linear = said.encoding == "pcm_s16le"
        self._sample = "V2" if is_linear else "V1"
        return Hello(said.call_id, tuple(channel.role for channel in said.channels), is_linear, said.events)

    def _sound(self, message: bytes) -> Sound:
        if not self._n_channels:
            raise WireError("audio came before 'start'")
        data = self._rest + message if self._rest else message
        whole = len(data) - len(data) % (int(self._sample[1:]) * self._n_channels)
        data, self._rest = data[:whole], data[whole:]
        if self._n_channels == 1:
            return [(0, data)]
        samples = np.frombuffer(data, self._sample)
        return [(channel, samples[channel :: self._n_channels].tobytes()) for channel in range(self._n_channels)]


def _text(value: dict[str, object]) -> str:
    return msgspec.json.encode(value).decode()
