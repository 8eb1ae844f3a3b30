"""Twilio Media Streams, spoken on ``/twilio``: TwiML's ``<Start><Stream track="both_tracks">`` points here.

References: https://www.twilio.com/docs/voice/media-streams/websocket-messages (messages), https://www.twilio.com/docs/
voice/twiml/stream (tracks, parameters), https://www.twilio.com/docs/usage/security (signature). This file must never
keep, count by value or log a pressed digit, and must never write to the platform: a listener says nothing.

Theory of operation. All messages are JSON text; numbers come as strings. The two tracks arrive as messages of their
own, interleaved; ``media.timestamp`` places each on the stream's clock, ``sequenceNumber`` tells that messages are
missing. ``chunk`` is not read: whether tracks share its count is not documented.

======== ================================================= ======== ===========================================
state    event                                             next     says
======== ================================================= ======== ===========================================
waiting  start                                             live     Start
waiting  media, stop                                       failed   Fault audio_before_start, not_started
live     media                                             live     Missing where numbers jump, then Audio
live     start                                             failed   Fault start_twice
live     stop                                              stopped  Stop
stopped  start, media                                      failed   Fault after_stop
any      connected, mark, dtmf, closed                     same     nothing
any      an event not known here                           same     nothing; counted in `unknown_events`
any      binary, unreadable, of another stream             failed   Fault
failed   anything                                          failed   nothing
======== ================================================= ======== ===========================================

``customParameters`` (from ``<Parameter>`` in TwiML) may hold ``token`` (defence in depth beside the signature),
``notice`` (``true`` or ``1``: the person has been told), ``withdraw`` (likewise: the person has objected, so the stream
is taken and nothing of it is analysed) and those that the configuration allows as labels. Twilio has no message for an
objection in mid-call: end the stream with ``<Stop><Stream>``.

Unverified against the platform itself: that a WebSocket ping from us is welcome; that closing our side leaves the
call of a ``<Start>`` fork untouched; how long its messages may grow; that ``sequenceNumber`` counts every message
of both tracks without holes (it is used for counting only, never to drop audio).
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from enum import Enum, auto
from typing import Annotated, ClassVar, Final

import msgspec

from streamer.wire.events import Audio, Encoding, Fault, Message, Missing, Role, Start, Stop, WireEvent, Withdraw
from streamer.wire.reading import read_json, shown

DEFAULT_ROLES: Final[Mapping[str, str]] = {"inbound": "customer", "outbound": "agent"}
"""Right where the stream was started on the customer's leg; the reverse where it was on the agent's."""

_RATE_HZ: Final = 8000
_MAX_TRACKS: Final = 4
_QUIET: Final = frozenset({"connected", "mark", "dtmf", "closed"})
_SPOKEN: Final = frozenset({"start", "media", "stop"})
_PRIVATE: Final = frozenset({"token", "notice", "withdraw"})
_Number = str | int | float


class _Format(msgspec.Struct, frozen=True, rename="camel"):
    encoding: str
    sample_rate: _Number
    channels: _Number


class _Start(msgspec.Struct, frozen=True, rename="camel"):
    call_sid: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    tracks: Annotated[list[str], msgspec.Meta(min_length=1, max_length=_MAX_TRACKS)]
    media_format: _Format
    stream_sid: str | None = None
    custom_parameters: dict[str, str] = {}


class _Media(msgspec.Struct, frozen=True):
    payload: bytes
    """Base64 on the wire."""
    track: str
    timestamp: _Number | None = None


class _Message(msgspec.Struct, frozen=True, rename="camel"):
    event: str
    sequence_number: _Number | None = None
    stream_sid: str | None = None
    start: _Start | None = None
    media: _Media | None = None


class _Probe(msgspec.Struct, frozen=True):
    event: str


_decoder: Final = msgspec.json.Decoder(_Message)
_probe_decoder: Final = msgspec.json.Decoder(_Probe)


class _State(Enum):
    WAITING = auto()
    LIVE = auto()
    STOPPED = auto()
    FAILED = auto()


class Twilio:
    """One media stream; see the module's table for what follows what.

    Parameters
    ----------
    roles
        Who is heard on which track: track (``inbound``, ``outbound``) to role. A track not named is ``unknown``.
    token
        What ``customParameters.token`` must be; empty: nothing is asked for.
    label_parameters
        Names of custom parameters that become labels of the call; all others are dropped.

    Raises
    ------
    ValueError
        When a role is none, or a parameter with a meaning of its own shall become a label.
    """

    name: ClassVar[str] = "twilio"
    peer_closes: ClassVar[bool] = False

    def __init__(
        self,
        roles: Mapping[str, str] = DEFAULT_ROLES,
        token: str = "",
        label_parameters: Collection[str] = (),
    ) -> None:
        wrong = sorted(set(roles.values()) - set(map(str, Role)))
        if wrong:
            raise ValueError(f"dialects.twilio.roles names the role {wrong[0]!r}; use one of {', '.join(Role)}")
        private = sorted(_PRIVATE.intersection(label_parameters))
        if private:
            raise ValueError(f"the parameter {private[0]!r} has a meaning of its own and cannot become a label")
        self._roles = {track: Role(role) for track, role in roles.items()}
        self._token = token.encode()
        self._label_parameters = frozenset(label_parameters)
        self._state = _State.WAITING
        self._stream_sid = ""
        self._channels: dict[str, int] = {}
        self._sequence = _Sequence()
        self.unknown_events = 0
        """Messages with an event not known here; the platform may have grown."""

    def receive(self, message: Message) -> list[WireEvent]:
        """Take one message from the peer; return what it means. Never raises."""
        if self._state is _State.FAILED:
            return []
        found: list[WireEvent] = self._receive_text(message) if isinstance(message, str) else [_binary()]
        if any(isinstance(event, Fault) for event in found):
            self._state = _State.FAILED
        return found

    def closed(self) -> list[WireEvent]:
        """Return nothing: a stream that ends without `stop` was cut off."""
        return []

    def ready(self, session_id: str, analysed: tuple[str, ...]) -> list[Message]:  # noqa: ARG002  # one interface for all
        """Return nothing: the platform expects nothing of a listener."""
        return []

    def event(self, event: bytes) -> list[Message]:  # noqa: ARG002  # as ready
        """Return nothing."""
        return []

    def fault(self, fault: Fault) -> list[Message]:  # noqa: ARG002  # as ready
        """Return nothing: the close code says all the platform can hear."""
        return []

    def ended(self, utterances: int) -> list[Message]:  # noqa: ARG002  # as ready
        """Return nothing."""
        return []

    def _receive_text(self, text: str) -> list[WireEvent]:
        try:
            message = read_json(_decoder, text)
        except msgspec.ValidationError as problem:
            return self._wrong_field(text, problem)
        except msgspec.DecodeError as problem:
            return [_no_json(problem)]
        if message.event in _SPOKEN:
            wrong = self._out_of_place(message)
            if wrong is not None:
                return [wrong]
        number = _whole_number(message.sequence_number)
        found: list[WireEvent] = list(self._sequence.receive(number)) if number is not None else []
        if message.event == "media":
            found.append(self._audio(message))
        elif message.event == "start":
            found += self._begin(message)
        elif message.event == "stop":
            found += self._end()
        elif message.event not in _QUIET:
            self.unknown_events += 1
        return found

    def _out_of_place(self, message: _Message) -> Fault | None:
        """Return what is wrong with the order of messages, if anything."""
        event = message.event
        if self._state is _State.WAITING and event != "start":
            code = "audio_before_start" if event == "media" else "not_started"
            return Fault(code, f"'{event}' came before 'start'")
        if self._state is _State.STOPPED and event != "stop":
            return Fault("after_stop", f"'{event}' came after 'stop'")
        if self._state is _State.LIVE and event == "start":
            return Fault("start_twice", "'start' came twice on one socket; each stream needs a socket of its own")
        if self._stream_sid and message.stream_sid not in (None, self._stream_sid):
            return Fault("wrong_stream", f"'{event}' names another streamSid than 'start' did")
        return None

    def _begin(self, message: _Message) -> list[WireEvent]:
        start = message.start
        if start is None:
            return [Fault("bad_start", "'start' lacks its field 'start'")]
        sids = {sid for sid in (message.stream_sid, start.stream_sid) if sid}
        if len(sids) > 1:
            return [Fault("bad_start", f"'start' names {len(sids)} different values of streamSid, expected one")]
        parameters = start.custom_parameters
        if self._token and not hmac.compare_digest(parameters.get("token", "").encode(), self._token):
            return [Fault("bad_token", "the parameter 'token' is missing or wrong; set it by <Parameter> in TwiML")]
        form = start.media_format
        numbers = (_whole_number(form.sample_rate), _whole_number(form.channels))
        if form.encoding != "audio/x-mulaw" or numbers != (_RATE_HZ, 1):
            got = f"{shown(form.encoding)}, {shown(str(form.sample_rate))} Hz, {shown(str(form.channels))} channels"
            return [
                Fault("bad_media_format", f"mediaFormat is {got}; expected audio/x-mulaw, {_RATE_HZ} Hz, 1 channel")
            ]
        tracks = list(dict.fromkeys(map(_track, start.tracks)))
        self._channels = {track: channel for channel, track in enumerate(tracks)}
        self._stream_sid = sids.pop() if sids else ""
        self._state = _State.LIVE
        started = Start(
            call_id=start.call_sid,
            roles=tuple(self._roles.get(track, Role.UNKNOWN) for track in tracks),
            encoding=Encoding.PCMU,
            rate_hz=_RATE_HZ,
            labels={name: value for name, value in parameters.items() if name in self._label_parameters},
            notice=_is_set(parameters, "notice"),
            has_media_clock=True,
        )
        return [started, Withdraw()] if _is_set(parameters, "withdraw") else [started]

    def _audio(self, message: _Message) -> WireEvent:
        media = message.media
        if media is None:
            return Fault("bad_media", "'media' lacks its field 'media'")
        channel = self._channels.get(_track(media.track))
        if channel is None:
            announced = ", ".join(map(shown, self._channels))
            return Fault("unknown_track", f"media came on track {shown(media.track)}; 'start' announced {announced}")
        media_ms = _whole_number(media.timestamp)
        if media_ms is None and media.timestamp is not None:
            return Fault("bad_media", f"media.timestamp is {shown(str(media.timestamp))}; expected whole milliseconds")
        return Audio(channel, media.payload, media_ms)

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
        self.unknown_events += event not in _QUIET
        return []


class _Sequence:
    """Which numbered messages never came; remembers the last thousand missing ones."""

    _REMEMBERED: Final = 1000
    _RENUMBERED: Final = 100_000
    """A jump this far is no loss (a quarter of an hour of both tracks): the platform counts anew."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._missing: dict[int, None] = {}

    def receive(self, number: int) -> list[Missing]:
        """Take the number of a message; return what it says about those before it."""
        if self._next is None or number == self._next:
            self._next = number + 1
            return []
        if number < self._next:
            # A number that was never missed is a duplicate: the media clock will notice.
            return [Missing(-1)] if self._missing.pop(number, 0) is None else []
        jump = number - self._next
        if jump >= self._RENUMBERED:
            self._next = number + 1
            return []
        for lost in range(max(self._next, number - self._REMEMBERED), number):
            self._missing[lost] = None
        while len(self._missing) > self._REMEMBERED:
            del self._missing[next(iter(self._missing))]
        self._next = number + 1
        return [Missing(jump)]


def _track(name: str) -> str:
    """Return the track as ``media`` names it; ``dtmf`` and TwiML write ``inbound_track``."""
    return name.removesuffix("_track")


def _is_set(parameters: Mapping[str, str], name: str) -> bool:
    """Whether a yes-or-no parameter says yes."""
    return parameters.get(name, "").strip().lower() in ("true", "1")


def _whole_number(value: _Number | None) -> int | None:
    """Return a number that came as digits or as a number; None where it is none, negative or absurdly long."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) <= 15 else None
    return int(value) if value is not None and 0 <= value < 1e15 else None


def _no_json(problem: msgspec.DecodeError) -> Fault:
    return Fault("bad_json", f"a message is no JSON object with a text field 'event': {problem}")


def _binary() -> Fault:
    return Fault("not_text", "a binary message came; Media Streams sends JSON text only: is this another dialect?")
