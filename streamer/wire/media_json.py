"""Media streams as JSON text, in the manner that Twilio began and others took over: what the family shares.

Each platform's file says which fields its messages have, which formats it may send and how its `start` is read; this
one has the order of messages, tokens, labels, sequence numbers, and the way from a payload to samples. It must never
keep, count by value or log a pressed digit or a telephone number, and must never write to the platform: a listener
says nothing.

======== ================================================= ======== ===========================================
state    event                                             next     says
======== ================================================= ======== ===========================================
waiting  start                                             live     Start (and Withdraw, where a parameter says so)
waiting  media, stop                                       failed   Fault audio_before_start, not_started
live     media                                             live     Missing where numbers jump, then Audio
live     start                                             failed   Fault start_twice
live     stop                                              stopped  Stop
stopped  start, media                                      failed   Fault after_stop
any      what the platform's file calls quiet              same     nothing
any      an event not known here                           same     nothing; counted in `unknown_events`
any      binary, unreadable, of another stream             failed   Fault
failed   anything                                          failed   nothing
======== ================================================= ======== ===========================================
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto
from typing import Any, ClassVar, Final, Protocol, TypeGuard

import msgspec

from streamer.wire.events import BAD_TOKEN, Audio, Encoding, Fault, Message, Role, Start, Stop, WireEvent, Withdraw
from streamer.wire.fields import plain
from streamer.wire.linear import ByteOrder, Samples
from streamer.wire.reading import read_json, shown
from streamer.wire.sequence import MessageNumbers
from streamer.wire.silent import Silent

DEFAULT_ROLES: Final[Mapping[str, str]] = {"inbound": "customer", "outbound": "agent"}
"""Right where the stream was started on the customer's leg; the reverse where it was on the agent's."""

Number = str | int | float
"""Numbers come as text or as numbers."""

_MOST_DIGITS: Final = 15
_SPOKEN: Final = frozenset({"start", "media", "stop"})
_PRIVATE: Final = frozenset({"token", "notice", "withdraw"})


class Media(Protocol):
    """What is read of a media message."""

    @property
    def payload(self) -> bytes:
        """Base64 on the wire."""
        ...

    @property
    def track(self) -> str | None:
        """None where the platform has only one."""
        ...

    @property
    def timestamp(self) -> Number | None:
        """Milliseconds since the stream began."""
        ...


class Envelope(Protocol):
    """What is read of any message, whatever the fields are called on the wire."""

    @property
    def event(self) -> str:
        """What kind it is."""
        ...

    @property
    def number(self) -> Number | None:
        """Counts the stream's messages."""
        ...

    @property
    def stream(self) -> str | None:
        """Id of the stream."""
        ...

    @property
    def media(self) -> Media | None:
        """There where the event is `media`."""
        ...


class Opening(msgspec.Struct, frozen=True):
    """What a `start` says, in words that no platform owns."""

    call_id: str
    stream: str
    """Id of the stream; empty where it has none."""
    tracks: tuple[str, ...]
    """In channel order."""
    parameters: Mapping[str, str]
    """What the customer of the platform has set for this stream."""
    encoding: str
    rate: Number
    channels: Number = 1


class Format(msgspec.Struct, frozen=True):
    """An audio format that a platform may announce."""

    names: frozenset[str]
    """As `encoding` may name it, in small letters; the first word before a semicolon counts."""
    encoding: Encoding
    rates_hz: tuple[int, ...]


class _Probe(msgspec.Struct, frozen=True):
    event: str


_probe_decoder: Final = msgspec.json.Decoder(_Probe)


class _State(Enum):
    WAITING = auto()
    LIVE = auto()
    STOPPED = auto()
    FAILED = auto()


class MediaStream(Silent, ABC):
    """One media stream; see the module's table for what follows what.

    Parameters
    ----------
    roles
        Who is heard on which track: track to role. A track not named is ``unknown``.
    token
        What the parameter ``token`` must be; empty: nothing is asked for.
    label_parameters
        Names of parameters that become labels of the call; all others are dropped.
    byte_order
        How linear samples are written.

    Raises
    ------
    ValueError
        When a role is none, or a parameter with a meaning of its own shall become a label.
    """

    name: ClassVar[str]
    peer_closes: ClassVar[bool] = False

    _is_simple: ClassVar[bool] = False
    """Whether a piece of audio is what `media` says and no more: nothing here that deals with one is replaced."""

    _decoder: ClassVar[msgspec.json.Decoder[Any]]
    """Of the platform's messages, each an :class:`Envelope`."""
    _quiet: ClassVar[frozenset[str]]
    """Events that are known and mean nothing here."""
    _formats: ClassVar[tuple[Format, ...]]
    _expected_format: ClassVar[str]
    """The same for people, with what to do about another one."""
    _where_to_set: ClassVar[str]
    """How a customer of the platform gives a stream its parameters."""

    def __init__(
        self,
        roles: Mapping[str, str] = DEFAULT_ROLES,
        token: str = "",
        label_parameters: Collection[str] = (),
        byte_order: ByteOrder = "little",
    ) -> None:
        wrong = sorted(set(roles.values()) - set(map(str, Role)))
        if wrong:
            raise ValueError(f"dialects.{self.name}.roles names the role {wrong[0]!r}; use one of {', '.join(Role)}")
        private = sorted(_PRIVATE.intersection(label_parameters))
        if private:
            raise ValueError(f"the parameter {private[0]!r} has a meaning of its own and cannot become a label")
        self._roles = {track: Role(role) for track, role in roles.items()}
        self._token = token.encode()
        self._label_parameters = frozenset(label_parameters)
        self._byte_order: ByteOrder = byte_order
        self._state = _State.WAITING
        self._stream = ""
        self._channels: dict[str, int] = {}
        self._cut: tuple[Samples, ...] = ()
        """Of linear audio: each channel's bytes as whole samples."""
        self._numbers = MessageNumbers()
        self.unknown_events = 0
        """Messages with an event not known here; the platform may have grown."""

    @abstractmethod
    def _opening(self, message: Any) -> Opening | Fault:  # noqa: ANN401 - each platform has its own struct
        """Return what a `start` says, or what is wrong with its fields."""

    def receive(self, message: Message) -> list[WireEvent]:
        """Take one message from the peer; return what it means. Never raises."""
        if self._state is _State.FAILED:
            return []
        found: list[WireEvent] = self._receive_text(message) if isinstance(message, str) else [_binary()]
        for event in found:
            if type(event) is Fault:
                self._state = _State.FAILED
        return found

    def flow(self, messages: Sequence[Message]) -> list[Audio] | None:
        """Take messages that are nothing but the next pieces of audio; see `streamer.wire.events.Flowing`."""
        next_number = self._numbers.next
        if next_number is None or self._state is not _State.LIVE or self._cut or not self._is_simple:
            return None
        decode, channels, stream = self._decoder.decode, self._channels, self._stream
        found = []
        for expected, text in enumerate(messages, next_number):
            if type(text) is not str:
                return None
            try:
                message: Envelope = decode(text)
            except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
                return None
            media = message.media
            if media is None or message.event != "media" or message.stream != stream:
                return None
            channel, stands = channels.get(media.track or ""), media.timestamp
            if channel is None or message.number != str(expected) or not _is_digits(stands):
                return None
            found.append(Audio(channel, media.payload, int(stands)))
        self._numbers.follow(len(found))
        return found

    def closed(self) -> list[WireEvent]:
        """Return nothing: a stream that ends without `stop` was cut off."""
        return []

    @property
    def _is_live(self) -> bool:
        return self._state is _State.LIVE

    def _receive_text(self, text: str) -> list[WireEvent]:
        try:
            message: Envelope = self._decoder.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return self._unreadable(text)
        if message.event in _SPOKEN:
            wrong = self._out_of_place(message)
            if wrong is not None:
                return [wrong]
        found = self._missing(whole_number(message.number))
        if message.event == "media":
            found += self._receive_media(message.media)
        elif message.event == "start":
            found += self._begin(message)
        elif message.event == "stop":
            found += self._end()
        else:
            self._receive_other(message)
        return found

    def _missing(self, number: int | None) -> list[WireEvent]:
        """Return what the number of a message says of those before it."""
        if number is None:
            return []
        found: list[WireEvent] = list(self._numbers.receive(number))
        if found:
            for cut in self._cut:
                cut.discard()  # the other half of that sample is in what is missing
        return found

    def _unreadable(self, text: str) -> list[WireEvent]:
        """Return what is to be said of a message that is not as this platform's are."""
        try:
            read_json(self._decoder, text)
        except msgspec.ValidationError as problem:
            return self._wrong_field(text, problem)
        except msgspec.DecodeError as problem:
            return [_no_json(problem)]
        return []

    def _receive_other(self, message: Any) -> None:  # noqa: ANN401 - as _opening
        if message.event not in self._quiet:
            self.unknown_events += 1

    def _out_of_place(self, message: Envelope) -> Fault | None:
        """Return what is wrong with the order of messages, if anything."""
        event, state = message.event, self._state
        if state is _State.LIVE:
            if event == "start":
                return Fault("start_twice", "'start' came twice on one socket; each stream needs a socket of its own")
        elif state is _State.WAITING and event != "start":
            code = "audio_before_start" if event == "media" else "not_started"
            return Fault(code, f"'{event}' came before 'start'")
        elif state is _State.STOPPED and event != "stop":
            return Fault("after_stop", f"'{event}' came after 'stop'")
        if self._stream and message.stream not in (None, self._stream):
            return Fault("wrong_stream", f"'{event}' names another stream than 'start' did")
        return None

    def _begin(self, message: Envelope) -> list[WireEvent]:
        opening = self._opening(message)
        if isinstance(opening, Fault):
            return [opening]
        parameters = opening.parameters
        if self._token and not hmac.compare_digest(parameters.get("token", "").encode(), self._token):
            return [Fault(BAD_TOKEN, f"the parameter 'token' is missing or wrong; set it by {self._where_to_set}")]
        found = self._format(opening)
        if isinstance(found, Fault):
            return [found]
        encoding, rate_hz = found
        tracks = list(dict.fromkeys(opening.tracks))
        self._channels = {track: channel for channel, track in enumerate(tracks)}
        if encoding is Encoding.PCM_S16LE:
            self._cut = tuple(Samples(byte_order=self._byte_order) for _ in tracks)
        self._stream = opening.stream
        self._state = _State.LIVE
        started = Start(
            call_id=opening.call_id,
            roles=tuple(self._roles.get(track, Role.UNKNOWN) for track in tracks),
            encoding=encoding,
            rate_hz=rate_hz,
            labels={name: value for name, value in parameters.items() if name in self._label_parameters},
            notice=_is_set(parameters, "notice"),
            has_media_clock=True,
        )
        return [started, Withdraw()] if _is_set(parameters, "withdraw") else [started]

    def _format(self, opening: Opening) -> tuple[Encoding, int] | Fault:
        """Return how the audio comes, or why it cannot be taken."""
        named = opening.encoding.partition(";")[0].strip().lower()
        rate_hz = whole_number(opening.rate)
        for form in self._formats:
            if named in form.names and rate_hz in form.rates_hz and whole_number(opening.channels) == 1:
                return form.encoding, rate_hz
        got = f"{shown(opening.encoding)}, {shown(str(opening.rate))} Hz, {shown(str(opening.channels))} channels"
        return Fault("bad_media_format", f"the media format is {got}; expected {self._expected_format}")

    def _receive_media(self, media: Media | None) -> list[WireEvent]:
        if media is None:
            return [Fault("bad_media", "'media' lacks its field 'media'")]
        channel = self._channel(media)
        if isinstance(channel, Fault):
            return [channel]
        media_ms = whole_number(media.timestamp)
        if media_ms is None and media.timestamp is not None:
            got = shown(str(media.timestamp))
            return [Fault("bad_media", f"media.timestamp is {got}; expected whole milliseconds")]
        return self._hear(Audio(channel, media.payload, media_ms), media)

    def _channel(self, media: Media) -> int | Fault:
        """Return the channel of a track."""
        name = media.track or ""
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels.get(track_named(name))
        if channel is None:
            announced = ", ".join(map(shown, self._channels))
            return Fault("unknown_track", f"media came on track {shown(name)}; 'start' announced {announced}")
        return channel

    def _hear(self, audio: Audio, media: Media) -> list[WireEvent]:  # noqa: ARG002 - for platforms that number media
        """Return what a piece of audio says, in whichever way it is written."""
        return self._whole(audio)

    def _whole(self, audio: Audio) -> list[WireEvent]:
        """Cut linear audio into whole samples."""
        if not self._cut:
            return [audio]
        return [
            msgspec.structs.replace(audio, payload=whole) for whole in self._cut[audio.channel].receive(audio.payload)
        ]

    def _end(self) -> list[WireEvent]:
        if self._state is _State.STOPPED:
            return []
        self._state = _State.STOPPED
        return [Stop()]

    def _wrong_field(self, text: str, problem: msgspec.ValidationError) -> list[WireEvent]:
        """Tell a known event with a wrong field from an event that this version does not know."""
        try:
            event = read_json(_probe_decoder, text).event
        except msgspec.DecodeError:
            return [_no_json(problem)]
        if event in _SPOKEN:
            return [Fault(f"bad_{event}", f"'{event}' is not as documented: {problem}")]
        self.unknown_events += event not in self._quiet
        return []


def track_named(name: str) -> str:
    """Return the track as ``media`` names it; ``dtmf`` and the markup that starts streams write ``inbound_track``."""
    return name.removesuffix("_track")


def one_id(field: str, *ids: str | None) -> str | Fault:
    """Return the id that stands in several places, empty where it stands in none; a Fault where they differ."""
    different = {one for one in ids if one}
    if len(different) > 1:
        return Fault("bad_start", f"'start' names {len(different)} different values of {field}, expected one")
    return different.pop() if different else ""


def texts(fields: Mapping[str, Any] | None) -> dict[str, str]:
    """Return those parameters of a stream that hold a text or a number, as text."""
    found = {name: plain(value) for name, value in (fields or {}).items()}
    return {name: value for name, value in found.items() if value}


def whole_number(value: Number | None) -> int | None:
    """Return a number that came as digits or as a number; None where it is none, negative or absurdly long."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS else None
    return int(value) if value is not None and 0 <= value < 1e15 else None


def _is_digits(value: Number | None) -> TypeGuard[str]:
    """Whether `whole_number` would return the number that stands there in digits."""
    return type(value) is str and value.isdecimal() and value.isascii() and len(value) <= _MOST_DIGITS


def _is_set(parameters: Mapping[str, str], name: str) -> bool:
    """Whether a yes-or-no parameter says yes."""
    return parameters.get(name, "").strip().lower() in ("true", "1")


def _no_json(problem: msgspec.DecodeError) -> Fault:
    return Fault("bad_json", f"a message is no JSON object with a text field 'event': {problem}")


def _binary() -> Fault:
    return Fault("not_text", "a binary message came; media streams are JSON text only: is this another dialect?")
