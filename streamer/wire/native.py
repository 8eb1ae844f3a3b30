"""The native protocol, spoken on ``/v1/stream`` by our own clients and by anyone who likes.

The reference is the section "Native protocol" of the project's manual: ``start`` as text, samples as binary messages
of any size, interleaved by channel, ``gap``, ``pause``, ``resume``, ``notice``, ``withdraw``, ``stop``. This file must
never decode audio, keep time or know what a call is for.

Theory of operation. A half sample or half frame (one sample of each channel) at the end of a binary message waits for
the next one, so a sender may cut its bytes anywhere.

======== ======================================= ======== ================================================
state    message                                 next     says
======== ======================================= ======== ================================================
waiting  start                                   live     Start
waiting  binary                                  failed   Fault audio_before_start
waiting  another control message                 failed   Fault not_started
live     binary                                  live     Audio for each channel, whole frames only
live     gap, pause, resume, notice, withdraw    live     the event of that name
live     start                                   failed   Fault start_twice
live     stop, nothing waiting                   stopped  Stop
live     stop, part of a frame waiting           failed   Fault odd_bytes
stopped  anything                                failed   Fault after_stop
any      unreadable                              failed   Fault bad_json, unknown_type, bad_start, bad_gap
failed   anything                                failed   nothing
======== ======================================= ======== ================================================

Two optional fields of ``start`` go beyond the audio: ``notice`` (the person has been told) and ``speed`` (a recording
is sent this many times faster than life; null: as fast as it goes). Unknown fields are ignored, so that the protocol
can grow.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum, auto
from typing import Annotated, ClassVar, Final

import msgspec
import numpy as np

from streamer.wire.events import (
    Audio,
    Encoding,
    Fault,
    Gap,
    Message,
    Notice,
    Pause,
    Resume,
    Role,
    Start,
    Stop,
    WireEvent,
    Withdraw,
)
from streamer.wire.fields import ANY_LABEL
from streamer.wire.reading import read_json, shown

VERSION: Final = 1
SAMPLE_RATES_HZ: Final = (8000, 16000, 24000, 32000, 44100, 48000)
MAX_CHANNELS: Final = 8
MAX_GAP_MS: Final = 24 * 3600 * 1000.0
"""A longer gap is a mistake of the sender."""

_CallId = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Labels = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=64)], Annotated[str, msgspec.Meta(max_length=256)]],
    msgspec.Meta(max_length=32),
]


_RoleName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [str(role) for role in Role]})]
_EncodingName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [str(encoding) for encoding in Encoding]})]
_Rate = Annotated[int, msgspec.Meta(extra_json_schema={"enum": list(SAMPLE_RATES_HZ)})]
_Version = Annotated[int, msgspec.Meta(extra_json_schema={"const": VERSION})]
_Channels = Annotated[list["_Channel"], msgspec.Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_CHANNELS})]
"""What the JSON Schemas in clients/schema say of these; :func:`_checked` says it in better words."""


class _Channel(msgspec.Struct, frozen=True):
    """One channel of the audio."""

    role: _RoleName
    """Who is heard on it."""


class _Start(msgspec.Struct, frozen=True, tag="start"):
    """The call begins; first and once, before any audio."""

    version: _Version
    """Of the protocol."""
    call_id: _CallId
    """Appears in topics, made safe; telephone numbers become pseudonyms."""
    channels: _Channels
    """In the order of the samples."""
    encoding: _EncodingName
    """Of the samples: 16-bit little-endian, G.711 mu-law or A-law."""
    sample_rate: _Rate
    """Samples of a channel a second; 8000 for ``pcmu`` and ``pcma``."""
    labels: _Labels = {}
    """Kept in every event of the call, those that the configuration allows. No names of people."""
    events: bool = False
    """Whether the server sends this call's events on this socket, too."""
    notice: bool = False
    """Whether the person has been told that emotion is inferred (AI Act art. 50(3))."""
    speed: Annotated[float, msgspec.Meta(gt=0)] | None = 1.0
    """How many times faster than life a recording is sent; null = as fast as it goes."""


class _Gap(msgspec.Struct, frozen=True, tag="gap"):
    """So much media time is left out on all channels; ends an open utterance."""

    duration_ms: Annotated[float, msgspec.Meta(ge=0, le=MAX_GAP_MS)]


class _Pause(msgspec.Struct, frozen=True, tag="pause"):
    """No audio comes for a while: hold, secure entry."""


class _Resume(msgspec.Struct, frozen=True, tag="resume"):
    """The pause is over."""


class _Notice(msgspec.Struct, frozen=True, tag="notice"):
    """The person has now been told that emotion is inferred."""


class _Withdraw(msgspec.Struct, frozen=True, tag="withdraw"):
    """The person objects: analysis ends, what is pending of the call is removed."""


class _Stop(msgspec.Struct, frozen=True, tag="stop"):
    """The call is over; ``ended`` follows."""


class _Probe(msgspec.Struct, frozen=True):
    type: str = ""


class _Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The call is accepted."""

    session_id: str
    """The server's id of this stream, for its log."""
    analysed: tuple[_RoleName, ...]
    """Whose emotion will be named."""


class _Event(msgspec.Struct, frozen=True, tag="event"):
    """An event of this call, where ``start`` asked for events."""

    event: msgspec.Raw
    """The CloudEvent that stands on MQTT."""


class _Error(msgspec.Struct, frozen=True, tag="error"):
    """The server ends the call before its time; the close follows."""

    code: str
    """Short and stable, for programs."""
    message: str
    """What came, what was expected, what to do."""


class _Ended(msgspec.Struct, frozen=True, tag="ended"):
    """Every event of the call has been handed over; the close with 1000 follows."""

    utterances: Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 0})]
    """Utterance events of the call, all roles."""


_Control = _Start | _Gap | _Pause | _Resume | _Notice | _Withdraw | _Stop
_KINDS: Final = ("start", "gap", "pause", "resume", "notice", "withdraw", "stop")
_ROLES: Final = {str(role): role for role in Role}
_ENCODINGS: Final = {str(encoding): encoding for encoding in Encoding}
_PLAIN: Final[dict[type, WireEvent]] = {_Pause: Pause(), _Resume: Resume(), _Notice: Notice(), _Withdraw: Withdraw()}

_control_decoder: Final[msgspec.json.Decoder[_Control]] = msgspec.json.Decoder(_Control)
_probe_decoder: Final = msgspec.json.Decoder(_Probe)
_encoder: Final = msgspec.json.Encoder()


class _State(Enum):
    WAITING = auto()
    LIVE = auto()
    STOPPED = auto()
    FAILED = auto()


class Native:
    """One stream in the native protocol; see the module's table for what follows what.

    Parameters
    ----------
    labels
        Names of the labels of ``start`` that the call keeps; all others are dropped. ``*`` keeps all.
    """

    name: ClassVar[str] = "native"
    peer_closes: ClassVar[bool] = False

    def __init__(self, labels: Collection[str] = (ANY_LABEL,)) -> None:
        self._labels = labels
        self._state = _State.WAITING
        self._start: Start | None = None
        self.unknown_events = 0
        """Stays so: what is unknown here is a fault."""
        self._rest = b""

    def receive(self, message: Message) -> list[WireEvent]:
        """Take one message from the peer; return what it means. Never raises."""
        if self._state is _State.FAILED:
            return []
        found = self._receive_audio(message) if isinstance(message, bytes) else self._receive_text(message)
        for event in found:
            if isinstance(event, Fault):
                self._state = _State.FAILED
        return found

    def flow(self, messages: Sequence[Message]) -> list[Audio] | None:
        """Take messages that are nothing but the next pieces of audio; see `streamer.wire.events.Flowing`."""
        audio = [message for message in messages if isinstance(message, bytes)]
        if self._start is None or self._state is not _State.LIVE or len(audio) < len(messages):
            return None
        return self._cut(b"".join(audio), self._start, len(audio))

    def closed(self) -> list[WireEvent]:
        """Return nothing: a stream that ends without `stop` was cut off."""
        return []

    def ready(self, session_id: str, analysed: tuple[str, ...]) -> list[Message]:
        """Return ``ready``."""
        return [_text(_Ready(session_id, analysed))]

    def event(self, event: bytes) -> list[Message]:
        """Return the event wrapped in ``event`` where ``start`` asked for events, else nothing."""
        wanted = self._start is not None and self._start.wants_events
        return [_text(_Event(msgspec.Raw(event)))] if wanted else []

    def fault(self, fault: Fault) -> list[Message]:
        """Return ``error``."""
        return [_text(_Error(fault.code, fault.message))]

    def ended(self, utterances: int) -> list[Message]:
        """Return ``ended``."""
        return [_text(_Ended(utterances))]

    def _receive_audio(self, data: bytes) -> list[WireEvent]:
        if self._state is _State.STOPPED:
            return [_after_stop("audio")]
        if self._start is None:
            return [Fault("audio_before_start", 'audio came before \'start\'; send {"type":"start", ...} first')]
        return list[WireEvent](self._cut(data, self._start))

    def _cut(self, data: bytes, start: Start, pieces: int = 1) -> list[Audio]:
        """Return the whole samples of what has come, by channel."""
        n_channels = len(start.roles)
        frame_bytes = start.encoding.bytes_per_sample * n_channels
        data = self._rest + data
        whole = len(data) - len(data) % frame_bytes
        self._rest = data[whole:]
        if not whole:
            return []
        if n_channels == 1:
            return [Audio(0, data[:whole], None, pieces)]
        dtype = f"V{start.encoding.bytes_per_sample}"  # opaque samples: nothing is computed with them here
        samples = np.frombuffer(data, dtype=dtype, count=whole // start.encoding.bytes_per_sample)
        return [Audio(channel, samples[channel::n_channels].tobytes(), None, pieces) for channel in range(n_channels)]

    def _receive_text(self, text: str) -> list[WireEvent]:
        try:
            control = read_json(_control_decoder, text)
        except msgspec.ValidationError as problem:
            return [_wrong_field(text, problem)]
        except msgspec.DecodeError as problem:
            return [_no_json(problem)]
        return [self._meaning(control)]

    def _meaning(self, control: _Control) -> WireEvent:
        if self._state is _State.STOPPED:
            return _after_stop(_kind(control))
        if isinstance(control, _Start):
            return self._begin(control)
        if self._start is None:
            return Fault("not_started", f"'{_kind(control)}' came before 'start'; send 'start' first")
        if isinstance(control, _Gap):
            return Gap(control.duration_ms)
        if isinstance(control, _Stop):
            return self._end()
        return _PLAIN[type(control)]

    def _begin(self, start: _Start) -> WireEvent:
        if self._start is not None:
            return Fault("start_twice", "'start' came twice; open one stream for each call")
        checked = _checked(start, self._labels)
        if isinstance(checked, Start):
            self._start = checked
            self._state = _State.LIVE
        return checked

    def _end(self) -> WireEvent:
        if self._rest:
            return Fault(
                "odd_bytes",
                f"the audio ended with {len(self._rest)} bytes that are no whole frame; a frame is one sample of each "
                "channel: check encoding and number of channels",
            )
        self._state = _State.STOPPED
        return Stop()


def _checked(start: _Start, labels: Collection[str]) -> Start | Fault:
    """Return what a well-formed ``start`` means, or what is wrong with its values."""
    if start.version != VERSION:
        return Fault("bad_start", f"'start' has version {start.version}; this server speaks version {VERSION}")
    if not 1 <= len(start.channels) <= MAX_CHANNELS:
        code = "too_many_channels" if start.channels else "bad_start"
        return Fault(code, f"'start' has {len(start.channels)} channels; send 1 to {MAX_CHANNELS}")
    unknown = [channel.role for channel in start.channels if channel.role not in _ROLES]
    if unknown:
        return Fault("unknown_role", f"a channel has role {shown(unknown[0])}; use one of {', '.join(_ROLES)}")
    encoding = _ENCODINGS.get(start.encoding)
    if encoding is None:
        return Fault("unknown_encoding", f"encoding is {shown(start.encoding)}; use one of {', '.join(_ENCODINGS)}")
    rates = SAMPLE_RATES_HZ if encoding is Encoding.PCM_S16LE else SAMPLE_RATES_HZ[:1]
    if start.sample_rate not in rates:
        expected = ", ".join(map(str, rates))
        return Fault("bad_sample_rate", f"sample_rate is {start.sample_rate}; with {encoding} use one of {expected}")
    return Start(
        call_id=start.call_id,
        roles=tuple(_ROLES[channel.role] for channel in start.channels),
        encoding=encoding,
        rate_hz=start.sample_rate,
        labels={name: text for name, text in start.labels.items() if name in labels or ANY_LABEL in labels},
        notice=start.notice,
        wants_events=start.events,
        speed=start.speed,
    )


def _wrong_field(text: str, problem: msgspec.ValidationError) -> Fault:
    try:
        kind = read_json(_probe_decoder, text).type
    except msgspec.DecodeError:
        return _no_json(problem)
    if kind not in _KINDS:
        return Fault("unknown_type", f"a message has type {shown(kind)}; use one of {', '.join(_KINDS)}")
    return Fault(f"bad_{kind}", f"'{kind}' is not as expected: {problem}")


def _no_json(problem: msgspec.DecodeError) -> Fault:
    return Fault("bad_json", f"a text message is no JSON object with a text field 'type': {problem}")


def _after_stop(what: str) -> Fault:
    return Fault("after_stop", f"'{what}' came after 'stop'; open a new stream for more")


def _kind(control: _Control) -> str:
    return str(control.__struct_config__.tag)


def _text(reply: _Ready | _Event | _Error | _Ended) -> str:
    return _encoder.encode(reply).decode()
