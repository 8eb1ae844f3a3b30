"""Asterisk's ``chan_websocket``, on ``/asterisk``: ``Dial(WebSocket/...)`` and ARI's ``externalMedia`` lead here.

References: https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/ (control frames, formats), Asterisk's
``channels/chan_websocket.c`` (their fields), ``res/res_websocket_client.c`` (parameters of the URI). This file must
never keep, count by value or log a pressed digit, and never write to the platform: text from us is a command there.

Theory of operation. A socket carries one channel of Asterisk, so one party, as raw samples in messages of any size.
Control frames are text, either ``EVENT name:value name:value`` (the platform's default) or JSON (``f(json)`` in the
dial string). ``MEDIA_START`` says in which format the samples are; it should come first and under load does not, so
audio that comes before it is kept, within a bound, and played in behind it. The end of a call is the close.

======== ========================================== ======== =======================================================
state    message                                    next     says
======== ========================================== ======== =======================================================
waiting  binary                                     waiting  nothing; kept, and Fault audio_before_start at the bound
waiting  MEDIA_START                                live     Start, Withdraw where it is said, Audio that was kept
waiting  MEDIA_START that cannot be served          failed   Fault bad_start, bad_media_format
live     binary                                     live     Audio, whole samples only
live     MEDIA_START                                failed   Fault start_twice
live     the close                                  ended    Stop
any      DTMF_END, MEDIA_XOFF, STATUS, ERROR, ...   same     nothing
any      an event not known here                    same     nothing; counted in `unknown_events`
any      text that is no control frame              failed   Fault bad_json, bad_control
ended    anything                                   ended    nothing
failed   anything                                   failed   nothing
======== ========================================== ======== =======================================================

**Which call, and which party.** The variables of the channel (``channel_variables`` of a JSON ``MEDIA_START``) or the
parameters of the URI (``v(call=...,leg=in)`` in the dial string) may say ``call`` (sockets of one call name the same),
``leg`` (``in`` or ``out`` of the snooped channel, or what the configuration's roles name), ``notice`` and ``withdraw``.
Asterisk keeps the parameters of a URI with the connection, not with the call: a call that gives none is sent with those
of the call before it. So they are believed only where the configuration says so; else a call without variables goes by
the channel's own id, and who is heard on it is what the configuration says of such sockets. An objection alone counts
wherever it stands: a wrong one costs the analysis of a call, a missed one a person's right.

**Holes.** Asterisk sends no frames while a channel is silent on purpose (``Wait``, comfort noise), and says nothing of
it. There is no clock on the wire, so the count of samples goes on: what comes behind a hole stands earlier on the media
clock than it was said. Through a mixing bridge, as with snoop channels, frames come without holes.

Unverified: byte order of the signed linear formats (the host's own; `byte_order`, little where not said); that
variables which a channel inherits, or that ``externalMedia`` sets, stand in ``MEDIA_START`` (leading underscores, by
which Asterisk marks what is inherited, are taken off); which versions take our pings (none are sent by default).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from enum import Enum, auto
from typing import Any, ClassVar, Final, Literal

import msgspec

from streamer.wire.events import Audio, Encoding, Fault, Message, Role, Start, Stop, WireEvent, Withdraw
from streamer.wire.fields import MAX_TEXT, is_set, labels, plain
from streamer.wire.linear import ByteOrder, Samples
from streamer.wire.reading import read_json, shown
from streamer.wire.silent import Silent

Identity = Literal["variables", "uri"]
"""What names a call: variables of the channel alone, or, where these say nothing, the URI's parameters too."""

DEFAULT_ROLES: Final[Mapping[str, Role]] = {"in": Role.CUSTOMER, "out": Role.AGENT}
"""Right where the customer's channel is snooped: `in` is what it says, `out` what it hears."""

FORMATS: Final[Mapping[str, tuple[Encoding, int]]] = {
    "ulaw": (Encoding.PCMU, 8000),
    "alaw": (Encoding.PCMA, 8000),
    "slin": (Encoding.PCM_S16LE, 8000),
    "slin16": (Encoding.PCM_S16LE, 16_000),
    "slin24": (Encoding.PCM_S16LE, 24_000),
    "slin32": (Encoding.PCM_S16LE, 32_000),
    "slin44": (Encoding.PCM_S16LE, 44_100),
    "slin48": (Encoding.PCM_S16LE, 48_000),
}
"""Asterisk's names of what is taken: encoding and rate in Hz."""

MAX_EARLY_BYTES: Final = 200_000
"""What may come before ``MEDIA_START``: 25 s of mu-law, 2 s of the widest format."""

_QUIET: Final = frozenset(
    {
        "DTMF_END",
        "MEDIA_XOFF",
        "MEDIA_XON",
        "STATUS",
        "MEDIA_BUFFERING_COMPLETED",
        "MEDIA_MARK_PROCESSED",
        "QUEUE_DRAINED",
        "ERROR",
    }
)
_EVENT: Final = re.compile(r"[A-Z][A-Z0-9_]*\Z")


class _MediaStart(msgspec.Struct, frozen=True):
    """What counts of a control frame; of all but MEDIA_START nothing but the event."""

    event: str
    format: str = ""
    channel_id: str = ""
    channel: str = ""
    channel_variables: dict[str, Any] | None = None


class _Probe(msgspec.Struct, frozen=True):
    event: str


_decoder: Final = msgspec.json.Decoder(_MediaStart)
_probe_decoder: Final = msgspec.json.Decoder(_Probe)


class _State(Enum):
    WAITING = auto()
    LIVE = auto()
    ENDED = auto()
    FAILED = auto()


class Asterisk(Silent):
    """One socket of ``chan_websocket``; see the module's table for what follows what.

    Parameters
    ----------
    parameters
        Of the URI, decoded.
    identity
        Whether these are believed where the channel's variables say nothing.
    roles
        Who is heard on which leg: what ``leg`` says to role. A leg not named is ``unknown``.
    role
        Who is heard on a socket that says no leg.
    byte_order
        Of the signed linear formats.
    label_variables
        Names of variables (and parameters, where they are believed) that become labels; all others are dropped.
    """

    name: ClassVar[str] = "asterisk"
    peer_closes: ClassVar[bool] = False

    def __init__(
        self,
        parameters: Mapping[str, str] | None = None,
        *,
        identity: Identity = "variables",
        roles: Mapping[str, Role] = DEFAULT_ROLES,
        role: Role = Role.UNKNOWN,
        byte_order: ByteOrder = "little",
        label_variables: Collection[str] = (),
    ) -> None:
        self._parameters = {name: plain(value) for name, value in (parameters or {}).items()}
        self._identity = identity
        self._roles = roles
        self._role = role
        self._byte_order: ByteOrder = byte_order
        self._label_variables = frozenset(label_variables)
        self._state = _State.WAITING
        self._early = bytearray()
        self._samples = Samples()
        self.unknown_events = 0
        """Control frames with an event not known here; the platform may have grown."""

    def receive(self, message: Message) -> list[WireEvent]:
        """Take one message from the peer; return what it means. Never raises."""
        if self._state in {_State.FAILED, _State.ENDED}:
            return []
        found = self._receive_audio(message) if isinstance(message, bytes) else self._receive_text(message)
        if any(isinstance(event, Fault) for event in found):
            self._state = _State.FAILED
            self._early.clear()
        return found

    def closed(self) -> list[WireEvent]:
        """Return `Stop` once the call has begun: the platform has no other word for its end."""
        was_live = self._state is _State.LIVE
        if self._state is not _State.FAILED:
            self._state = _State.ENDED
        self._early.clear()
        return [Stop()] if was_live else []

    def _receive_audio(self, data: bytes) -> list[WireEvent]:
        if self._state is _State.LIVE:
            return [Audio(0, whole) for whole in self._samples.receive(data)]
        if len(self._early) + len(data) > MAX_EARLY_BYTES:
            return [
                Fault(
                    "audio_before_start",
                    f"more than {MAX_EARLY_BYTES} bytes of audio came and no MEDIA_START; is this chan_websocket?",
                )
            ]
        self._early += data
        return []

    def _receive_text(self, text: str) -> list[WireEvent]:
        read = _read_json_frame(text) if text.lstrip().startswith("{") else _read_plain_frame(text)
        if isinstance(read, Fault):
            return [read]
        if read.event == "MEDIA_START":
            return self._begin(read)
        self.unknown_events += read.event not in _QUIET
        return []

    def _begin(self, said: _MediaStart) -> list[WireEvent]:
        if self._state is _State.LIVE:
            return [
                Fault("start_twice", "MEDIA_START came twice on one socket; each channel needs a socket of its own")
            ]
        form = FORMATS.get(said.format)
        if form is None:
            return [
                Fault(
                    "bad_media_format",
                    f"the format is {shown(said.format)}; expected one of {', '.join(FORMATS)}: set c(ulaw) in the "
                    "dial string, or format=ulaw in externalMedia",
                )
            ]
        variables = {name.lstrip("_"): plain(value) for name, value in (said.channel_variables or {}).items()}
        named = {**self._parameters, **variables} if self._identity == "uri" else variables
        call, leg = named.get("call", ""), named.get("leg", "")
        call_id = call or plain(said.channel_id) or plain(said.channel)
        if not call_id:
            return [Fault("bad_start", f"MEDIA_START names no channel_id of 1 to {MAX_TEXT} characters")]
        encoding, rate_hz = form
        self._samples = Samples(bytes_per_sample=encoding.bytes_per_sample, byte_order=self._byte_order)
        self._state = _State.LIVE
        found: list[WireEvent] = [
            Start(
                call_id=call_id,
                roles=(self._roles.get(leg, Role.UNKNOWN) if leg else self._role,),
                encoding=encoding,
                rate_hz=rate_hz,
                labels=labels(named, self._label_variables),
                notice=is_set(named.get("notice")),
                is_part=bool(call),
            )
        ]
        if is_set(variables.get("withdraw")) or is_set(self._parameters.get("withdraw")):
            found.append(Withdraw())
        early, self._early = bytes(self._early), bytearray()
        return found + self._receive_audio(early)


def _read_json_frame(text: str) -> _MediaStart | Fault:
    try:
        event = read_json(_probe_decoder, text).event
    except msgspec.DecodeError as problem:
        return Fault("bad_json", f"a control frame is no JSON object with a text field 'event': {problem}")
    if event != "MEDIA_START":
        return _MediaStart(event)
    try:
        return read_json(_decoder, text)
    except msgspec.DecodeError as problem:
        return Fault("bad_start", f"MEDIA_START is not as documented: {problem}")


def _read_plain_frame(text: str) -> _MediaStart | Fault:
    event, *words = text.split() or [""]
    if not _EVENT.match(event):
        return Fault(
            "bad_control",
            f"a text message begins with {shown(event)}; expected a control frame of chan_websocket, as MEDIA_START: "
            "is this another dialect?",
        )
    if event != "MEDIA_START":
        return _MediaStart(event)
    # Only the first colon separates: names of channels may hold more.
    fields = {name: value for name, colon, value in (word.partition(":") for word in words) if colon}
    return _MediaStart(
        event,
        format=fields.get("format", ""),
        channel_id=fields.get("channel_id", ""),
        channel=fields.get("channel", ""),
    )
