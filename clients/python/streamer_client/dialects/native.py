"""The sender's side of our own protocol (`/v1/stream`, version 1): what a client says and what it hears.

Sans-I/O: every function returns the message to send, `receive` reads the server's. This file must never open a
socket, read a clock, or hold back audio; the order of messages is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from streamer_client import events, g711
from streamer_client.dialects import speaker
from streamer_client.errors import CallRefused, OptionError, StreamError
from streamer_client.recording import ACCEPTED_RATES_HZ, MAX_CHANNELS, Samples

Message = speaker.Message
"""One WebSocket message: text or binary."""
VERSION = 1
PATH = "/v1/stream"
ROLES = ("customer", "agent", "unknown")


class Encoding(StrEnum):
    """How samples are written on the wire."""

    PCM_S16LE = "pcm_s16le"
    PCMU = "pcmu"
    PCMA = "pcma"


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The server accepted the call."""

    session_id: str
    analysed: tuple[str, ...]
    """Roles whose emotion is named; empty where the configuration or a missing notice forbids it."""


class EventSaid(msgspec.Struct, frozen=True):
    """An event of this call."""

    event: events.Event


class Refusal(msgspec.Struct, frozen=True, tag="error"):
    """The server ends the call before its time."""

    code: str
    message: str


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """Every event of the call has been handed over; the last thing a server says."""

    utterances: int


class _EventEnvelope(msgspec.Struct, frozen=True, tag="event"):
    event: msgspec.Raw


class _Channel(msgspec.Struct, frozen=True):
    role: str


class _Start(msgspec.Struct, frozen=True, tag="start"):
    call_id: str
    channels: tuple[_Channel, ...]
    encoding: Encoding
    sample_rate: int
    version: int
    labels: Mapping[str, str]
    events: bool
    notice: bool
    speed: float | None
    """How many times faster than life; null = as fast as possible."""


class _Kind(msgspec.Struct, frozen=True):
    type: str


class _Gap(msgspec.Struct, frozen=True, tag="gap"):
    duration_ms: float


Reply = Ready | EventSaid | Refusal | Ended
_replies: msgspec.json.Decoder[Ready | _EventEnvelope | Refusal | Ended] = msgspec.json.Decoder(
    Ready | _EventEnvelope | Refusal | Ended
)
_kinds = msgspec.json.Decoder(_Kind)


def start(
    *,
    call_id: str,
    roles: Sequence[str],
    rate_hz: int,
    encoding: Encoding | str = Encoding.PCM_S16LE,
    labels: Mapping[str, str] | None = None,
    notice: bool = False,
    wants_events: bool = True,
    speed: float | None = 1.0,
) -> str:
    """Return the first message of a call.

    Parameters
    ----------
    call_id : str
        Your id of the call; no telephone number, please.
    roles : sequence of str
        Who is heard on each channel, in channel order: ``customer``, ``agent`` or ``unknown``.
    rate_hz : int
        8000, 16000, 24000, 32000, 44100 or 48000; G.711 is 8000 only.
    speed : float or None
        1 for a live call; N for a recording played N times faster, None for as fast as possible. The server checks a
        live sender's rate against its clock, and this tells it what clock to use.

    Raises
    ------
    OptionError
        One of these cannot be right.
    """
    if not call_id:
        raise OptionError("got an empty call_id; give the call the id that your telephone system knows it by")
    if not 1 <= len(roles) <= MAX_CHANNELS:
        raise OptionError(f"got {len(roles)} roles; give one per channel, 1 to {MAX_CHANNELS}")
    strangers = [role for role in roles if role not in ROLES]
    if strangers:
        raise OptionError(f"unknown role {strangers[0]!r}; choose from {', '.join(ROLES)}")
    if rate_hz not in ACCEPTED_RATES_HZ:
        raise OptionError(f"got rate_hz={rate_hz}; the server takes {', '.join(map(str, ACCEPTED_RATES_HZ))}: resample")
    known = encoding_named(encoding)
    if known is not Encoding.PCM_S16LE and rate_hz != 8000:
        raise OptionError(f"got rate_hz={rate_hz} with {known}; G.711 is 8000 Hz only: resample or send pcm_s16le")
    return _text(
        _Start(
            call_id=call_id,
            channels=tuple(_Channel(role) for role in roles),
            encoding=known,
            sample_rate=rate_hz,
            version=VERSION,
            labels=labels or {},
            events=wants_events,
            notice=notice,
            speed=speed,
        )
    )


def encoding_named(name: Encoding | str) -> Encoding:
    """Return the encoding of that name.

    Raises
    ------
    OptionError
        There is none.
    """
    try:
        return Encoding(name)
    except ValueError:
        raise OptionError(f"unknown encoding {name!r}; choose from {', '.join(Encoding)}") from None


def audio(samples: Samples, encoding: Encoding) -> bytes:
    """Return int16 samples of shape (frames, channels) as one binary message, interleaved by channel."""
    if encoding is Encoding.PCMU:
        return g711.encode_mulaw(samples)
    if encoding is Encoding.PCMA:
        return g711.encode_alaw(samples)
    return samples.astype("<i2", copy=False).tobytes()


def gap(duration_ms: float) -> str:
    """Return the message for media time that is left out on all channels."""
    return _text(_Gap(duration_ms))


def control(kind: Literal["pause", "resume", "notice", "withdraw", "stop"]) -> str:
    """Return one of the messages that are a bare type."""
    return _text(_Kind(kind))


def receive(message: Message) -> Reply | None:
    """Read one message of the server; None for a kind, or an event, that this version does not know.

    Raises
    ------
    StreamError
        With code ``bad_reply``: this is no Emotion Streamer, or a known message has the wrong shape.
    """
    try:
        reply = _replies.decode(message)
    except msgspec.DecodeError as problem:
        try:
            kind = _kinds.decode(message).type
        except msgspec.DecodeError:
            kind = ""
        if kind and kind not in {"ready", "event", "error", "ended"}:
            return None
        raise StreamError("bad_reply", f"the server said something that is not our protocol: {problem}") from problem
    if not isinstance(reply, _EventEnvelope):
        return reply
    try:
        event = events.decode(bytes(reply.event))
    except events.EventError as problem:
        raise StreamError("bad_reply", f"the server sent an event that cannot be read: {problem}") from problem
    return None if isinstance(event, events.UnknownEvent) else EventSaid(event)


class Native:
    """A recording's call, as our own clients would stream it.

    Parameters
    ----------
    options : CallOptions
    rate_hz, encoding, speed, labels
        As :func:`start` takes them.
    on_event : callable, optional
        Called with each event of the call; without it the server is not asked for them.

    Raises
    ------
    OptionError
        One of these cannot be right.
    """

    subprotocols: tuple[str, ...] = ()
    frame_ms = 20
    waits_for_server = True

    def __init__(
        self,
        options: speaker.CallOptions,
        *,
        rate_hz: int = 8000,
        encoding: Encoding = Encoding.PCM_S16LE,
        speed: float | None = 1.0,
        labels: Mapping[str, str] | None = None,
        on_event: Callable[[events.Event], None] | None = None,
    ) -> None:
        self.url = options.url
        self.headers = {"Authorization": f"Bearer {options.key}"} if options.key else {}
        self.channels = tuple(range(len(options.roles)))
        self.rate_hz = rate_hz
        self.utterances: int | None = None
        """As the server counted them, once it has ended the call."""
        self._encoding = encoding
        self._on_event = on_event
        self._ready = False
        self._start = start(
            call_id=options.call_id,
            roles=options.roles,
            rate_hz=rate_hz,
            encoding=encoding,
            labels=labels,
            notice=options.notice,
            wants_events=on_event is not None,
            speed=speed,
        )

    @property
    def may_send(self) -> bool:
        """Whether the server has accepted the call."""
        return self._ready

    @property
    def is_over(self) -> bool:
        """Never: the server closes behind its `ended`."""
        return False

    def open(self) -> list[Message]:
        """Return ``start``."""
        return [self._start]

    def receive(self, message: Message) -> list[Message]:
        """Take what the server says; there is never an answer.

        Raises
        ------
        CallRefused
            The server does not take the call.
        StreamError
            It ends the call.
        """
        reply = receive(message)
        if isinstance(reply, Ready):
            self._ready = True
        elif isinstance(reply, EventSaid):
            if self._on_event is not None:
                self._on_event(reply.event)
        elif isinstance(reply, Ended):
            self.utterances = reply.utterances
        elif isinstance(reply, Refusal):
            raise (StreamError if self._ready else CallRefused)(reply.code, reply.message)
        return []

    def audio(self, samples: Samples, position_ms: float) -> list[Message]:  # noqa: ARG002 - one interface for all
        """Return a binary message; the protocol counts samples and has no clock."""
        return [audio(samples, self._encoding)]

    def pause(self, position_ms: float) -> list[Message]:  # noqa: ARG002 - as audio
        """Return ``pause``."""
        return [control("pause")]

    def resume(self, position_ms: float, left_out_ms: float) -> list[Message]:  # noqa: ARG002 - as audio
        """Return the length of what was left out, then ``resume``."""
        return [gap(left_out_ms), control("resume")]

    def close(self) -> list[Message]:
        """Return ``stop``."""
        return [control("stop")]


def speakers(options: speaker.CallOptions) -> list[speaker.Speaker]:
    """Return the one socket of a call of 16-bit samples at 8 kHz."""
    return [Native(options)]


def _text(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
