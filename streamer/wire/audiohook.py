"""Genesys Cloud AudioHook, the Monitor flavour, spoken on ``/audiohook``: we listen, and answer what must be answered.

References: https://github.com/purecloudlabs/audiohook-reference-implementation at 2871b01 (message types, validators,
both state machines, read and run), https://help.mypurecloud.com/faqs/what-happens-during-a-successful-session-between-
genesys-cloud-and-your-audiohook-server/. This file must never read who calls whom (``participant.ani``, ``aniName``,
``dnis``: they are not even decoded), and never keep the platform waiting for an answer.

Theory of operation. Text messages are JSON with a sequence number per direction: ``seq`` counts the sender's, from 1
without a hole, ``serverseq`` and ``clientseq`` name the last one received from the other side. Audio is binary, the
samples of the chosen channels alternating, cut anywhere. Nothing flows before our ``opened``, which goes out of
`ready`: before the disk, the bus or the model is asked. It is always the platform that ends a session: by ``close``,
which we answer by ``closed`` when every event has been handed over, or, after our ``disconnect``, at once. After it
the platform closes the socket (`peer_closes`).

============= ========================================== ============= ===========================================
state         event                                      next          says
============= ========================================== ============= ===========================================
waiting       open                                       opening       Start
waiting       open of a connection probe (ids all zero)  probed        Reply opened, without media; no call
waiting       open of another organisation, no media     failed        Fault wrong_organization, no_media
waiting       paused, resumed, discarded                 failed        Fault not_opened
opening       `ready`                                    open          opened
open          audio                                      open          Audio
open          paused                                     paused        Pause
paused        resumed                                    open          Gap, Resume
open          resumed                                    open          Gap
open, paused  discarded                                  same          Gap
paused        paused                                     paused        nothing: it is said again at will
paused        audio                                      failed        Fault audio_while_paused
else          audio                                      failed        Fault audio_before_opened
all but first open                                       failed        Fault opened_twice
any           ping                                       same          Reply pong
any           update                                     same          Reply updated
any           error                                      same          nothing: the platform closes next
any           close                                      closing       Gap where the end was lost, Stop
any           wrong version, id, seq, serverseq or type  failed        Fault
any           unreadable, or over 65535 characters       failed        Fault
closing       anything                                   closing       nothing
closing       `ended`                                    closed        closed
any but these `fault`                                    disconnecting disconnect
failed,       close                                      closed        Reply closed
disconnecting
failed,       anything else                              same          nothing
disconnecting
closed        anything                                   closed        nothing
============= ========================================== ============= ===========================================

Every client message carries ``position``, how much was sent; what is missing from our own count was lost, and the next
audio is placed behind it (`streamer.wire.audiohook_media`). Positions may be missing; if they are there they must be
readable. ``customConfig`` may hold ``notice`` and ``withdraw``; its fields and ``language`` become labels where the
configuration names them.

Unverified against the platform itself: the byte order of L16 (`byte_order`; PCMU is preferred); whether ``position``
counts what was left out (found out per session); on which clock ``offset`` of an event is expected (ours counts what
was left out); that an entity type of our own choosing is passed on (`event_type`); whether it waits for ``updated``;
whether audio messages are ever larger than `max_message_bytes`; that ``customConfig`` comes in Monitor sessions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto
from typing import Annotated, Any, ClassVar, Final

import msgspec
from streamer_client.events import UtteranceEvent, decode

from streamer.wire import fields
from streamer.wire.audiohook_media import CHANNELS, RATE_HZ, Choice, MediaClock, choose, duration, seconds
from streamer.wire.events import (
    Audio,
    Fault,
    Gap,
    Message,
    Pause,
    Reply,
    Resume,
    Role,
    Start,
    Stop,
    WireEvent,
    Withdraw,
)
from streamer.wire.linear import ByteOrder, Samples
from streamer.wire.reading import read_json, shown

DEFAULT_ROLES: Final[Mapping[str, Role]] = {"external": Role.CUSTOMER, "internal": Role.AGENT}
DEFAULT_FORMATS: Final = ("PCMU", "L16")
EVENT_TYPE: Final = "x-emotion"
MAX_TEXT: Final = 65_535
"""Characters of a message."""

_VERSION: Final = "2"
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_INFO: Final = 1000
"""Characters of ``disconnect.info``."""
_GOODBYES: Final = {"wrong_organization": "unauthorized", "draining": "completed"}
"""Why we disconnect, in the platform's words, where it is no error."""
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class _Envelope(msgspec.Struct, frozen=True):
    """What every client message has."""

    version: str | int
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    type: str
    seq: _Count
    serverseq: _Count
    position: str | None = None
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class _Participant(msgspec.Struct, frozen=True):
    id: str = ""


class _Open(msgspec.Struct, frozen=True, rename="camel"):
    organization_id: str
    conversation_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    media: list[msgspec.Raw]
    participant: _Participant | None = None
    language: str | None = None
    supported_languages: bool | None = None
    custom_config: Any = None


class _LeftOut(msgspec.Struct, frozen=True):
    """Of ``resumed`` and ``discarded``; where it began is where we are, for messages keep their order."""

    discarded: str


_envelope_decoder: Final = msgspec.json.Decoder(_Envelope, strict=False)
_open_decoder: Final = msgspec.json.Decoder(_Open)
_left_out_decoder: Final = msgspec.json.Decoder(_LeftOut)


class _State(Enum):
    WAITING = auto()
    OPENING = auto()
    OPEN = auto()
    PAUSED = auto()
    PROBED = auto()
    CLOSING = auto()
    CLOSED = auto()
    FAILED = auto()
    DISCONNECTING = auto()


_LIVE: Final = (_State.OPEN, _State.PAUSED)
_OVER: Final = (_State.CLOSING, _State.CLOSED)
_REFUSED: Final = (_State.FAILED, _State.DISCONNECTING)


class AudioHook:
    """One session; see the module's table for what follows what.

    Parameters
    ----------
    session_id
        The header ``Audiohook-Session-Id``; empty: the first message's id is taken.
    organization_id
        The header ``Audiohook-Organization-Id``, which ``open`` must repeat.
    roles
        Who is heard on which channel: ``external``, ``internal``. A channel not named is ``unknown``.
    formats
        Which of ``PCMU`` and ``L16`` are taken, the preferred one first.
    byte_order
        Of L16.
    wants_events, event_type
        Whether verdicts go back as ``event`` messages, and as which type of entity.
    labels
        Fields of ``customConfig``, or ``language``, that become labels of the call.

    Raises
    ------
    ValueError
        A role, channel or format is none, or a field with a meaning of its own shall become a label.
    """

    name: ClassVar[str] = "audiohook"
    peer_closes: ClassVar[bool] = True

    def __init__(
        self,
        session_id: str = "",
        organization_id: str = "",
        *,
        roles: Mapping[str, str] = DEFAULT_ROLES,
        formats: Sequence[str] = DEFAULT_FORMATS,
        byte_order: ByteOrder = "little",
        wants_events: bool = False,
        event_type: str = EVENT_TYPE,
        labels: Collection[str] = (),
    ) -> None:
        if not formats or not set(formats) <= set(DEFAULT_FORMATS):
            raise ValueError(f"dialects.audiohook.formats is {list(formats)}; use one or both of PCMU and L16")
        for name in roles:
            if name not in CHANNELS:
                raise ValueError(f"dialects.audiohook.roles: no channel {name!r}; use {' and '.join(CHANNELS)}")
        for name in ("notice", "withdraw"):
            if name in labels:
                raise ValueError(f"dialects.audiohook.labels: {name!r} has a meaning of its own and is no label")
        self._id = session_id
        self._organization_id = organization_id
        self._roles = {channel: Role(role) for channel, role in roles.items()}
        self._formats = tuple(formats)
        self._byte_order: ByteOrder = byte_order
        self._wants_events = wants_events
        self._event_type = event_type
        self._label_names = frozenset(labels)
        self._state = _State.WAITING
        self.unknown_events = 0
        """Stays so: what is unknown here is a fault."""
        self._seq = 0
        self._clientseq = 0
        self._opened: dict[str, object] = {}
        self._samples = Samples()
        self._bytes_per_sample = 1
        self._clock = MediaClock(0.0)
        self._unplaced = 0
        """Samples that were lost since the last audio, so that no audio shows it yet."""

    @property
    def lost_ms(self) -> float:
        """Audio that was sent and never came, by the platform's own count."""
        return self._clock.lost * 1000 / RATE_HZ

    def receive(self, message: Message) -> list[WireEvent]:
        """Take one message from the peer; return what it means. Never raises."""
        if self._state in _OVER:
            return []
        if self._state in _REFUSED:
            return self._take_leave(message)
        found = self._receive_text(message) if isinstance(message, str) else self._receive_audio(message)
        if any(isinstance(event, Fault) for event in found):
            self._state = _State.FAILED
        return found

    def closed(self) -> list[WireEvent]:
        """Return nothing: a session that ends without `close` was cut off."""
        return []

    def ready(self, session_id: str, analysed: tuple[str, ...]) -> list[Message]:  # noqa: ARG002  # one interface for all
        """Return `opened`."""
        if self._state is not _State.OPENING:
            return []
        self._state = _State.OPEN
        return [self._say("opened", self._opened)]

    def event(self, event: bytes) -> list[Message]:
        """Return an `event` with one entity for a final verdict, where the configuration wants it."""
        if not self._wants_events or self._state not in (*_LIVE, _State.CLOSING):
            return []
        said = decode(event)
        if not isinstance(said, UtteranceEvent):
            return []
        utterance, emotion = said.data.utterance, said.data.emotion
        data = {
            "channelId": said.data.speaker.channel,
            "offset": duration(utterance.start_ms),
            "duration": duration(utterance.end_ms - utterance.start_ms),
            "label": emotion.top,
            "confidence": emotion.confidence,
            "uncertain": emotion.uncertain,
        }
        return [self._say("event", {"entities": [{"type": self._event_type, "data": data}]})]

    def fault(self, fault: Fault) -> list[Message]:
        """Return `disconnect`, once; the platform closes then."""
        if self._state in (*_OVER, _State.DISCONNECTING):
            return []
        self._state = _State.DISCONNECTING
        reason = _GOODBYES.get(fault.code, "error")
        return [self._say("disconnect", {"reason": reason, "info": fault.message[:_INFO]})]

    def ended(self, utterances: int) -> list[Message]:  # noqa: ARG002  # as ready
        """Return `closed`."""
        if self._state is not _State.CLOSING:
            return []
        self._state = _State.CLOSED
        return [self._say("closed", {})]

    def _say(self, kind: str, parameters: Mapping[str, object]) -> str:
        self._seq += 1
        message = {
            "version": _VERSION,
            "type": kind,
            "id": self._id,
            "seq": self._seq,
            "clientseq": self._clientseq,
            "parameters": parameters,
        }
        return msgspec.json.encode(message).decode()

    def _receive_audio(self, data: bytes) -> list[WireEvent]:
        if self._state is _State.PAUSED:
            return [Fault("audio_while_paused", "audio came between 'paused' and 'resumed'")]
        if self._state is not _State.OPEN:
            return [Fault("audio_before_opened", "audio came in a session that has not been opened with media")]
        channels = self._samples.receive(data)
        if not channels:
            return []
        at_ms = self._clock.now_ms
        self._clock.take(len(channels[0]) // self._bytes_per_sample)
        self._unplaced = 0
        return [Audio(channel, payload, at_ms) for channel, payload in enumerate(channels)]

    def _receive_text(self, text: str) -> list[WireEvent]:
        if len(text) > MAX_TEXT:
            return [Fault("too_long", f"a message has {len(text)} characters; expected {MAX_TEXT} at most")]
        try:
            message = read_json(_envelope_decoder, text)
        except msgspec.ValidationError as problem:
            return [Fault("bad_message", f"a message is not as documented: {problem}")]
        except msgspec.DecodeError as problem:
            return [Fault("bad_json", f"a message is no JSON: {problem}")]
        wrong = self._wrong(message)
        if wrong is not None:
            return [wrong]
        self._clientseq = message.seq
        self._id = message.id
        return self._follow(message)

    def _wrong(self, message: _Envelope) -> Fault | None:
        """Return what is wrong with a message whatever its type, if anything."""
        if str(message.version) != _VERSION:
            return Fault("wrong_version", f"got a message of version {shown(str(message.version))}; expected '2'")
        if message.seq != self._clientseq + 1:
            return Fault("wrong_seq", f"got seq {message.seq}; expected {self._clientseq + 1}: a message is missing")
        if message.serverseq > self._seq:
            return Fault("wrong_serverseq", f"got serverseq {message.serverseq}; we have sent {self._seq} messages")
        if self._id and message.id != self._id:
            return Fault("wrong_id", "a message names another session id than the Audiohook-Session-Id of this socket")
        if message.position is not None and seconds(message.position) is None:
            return Fault(
                "bad_position", f"got the position {shown(message.position)}; expected a duration like 'PT1.5S'"
            )
        return None

    def _follow(self, message: _Envelope) -> list[WireEvent]:
        """Do what a message in its place wants, by the module's table."""
        found: list[WireEvent] = []
        match message.type:
            case "open":
                found = self._open(message)
            case "ping":
                self._compare(message)
                found = [Reply(self._say("pong", {}))]
            case "update":
                found = [Reply(self._say("updated", {}))]
            case "close":
                found = self._close(message)
            case "paused" | "resumed" | "discarded" if self._state in _LIVE:
                found = self._pause(message) if message.type == "paused" else self._leave_out(message)
            case "paused" | "resumed" | "discarded" if self._state is not _State.PROBED:
                found = [Fault("not_opened", f"'{message.type}' came before the session was opened")]
            case "error" | "paused" | "resumed" | "discarded":
                pass
            case _:
                found = [
                    Fault("unknown_type", f"got a message of type {shown(message.type)}; Monitor has no such type")
                ]
        return found

    def _open(self, message: _Envelope) -> list[WireEvent]:
        if self._state is not _State.WAITING:
            return [Fault("opened_twice", "'open' came twice on one socket; each session needs a socket of its own")]
        try:
            said = read_json(_open_decoder, bytes(message.parameters).decode())
        except msgspec.DecodeError as problem:
            return [Fault("bad_open", f"'open' is not as documented: {problem}")]
        if not self._organization_id or said.organization_id != self._organization_id:
            return [Fault("wrong_organization", "organizationId is not the Audiohook-Organization-Id of the request")]
        self._opened = {"startPaused": False, "media": []}
        if said.supported_languages:
            self._opened["supportedLanguages"] = []
        if said.conversation_id == _NOBODY and said.participant is not None and said.participant.id == _NOBODY:
            self._state = _State.PROBED
            return [Reply(self._say("opened", self._opened))]
        choice = choose(said.media, self._formats, self._roles)
        if choice is None:
            taken = " or ".join(self._formats)
            return [Fault("no_media", f"none of the {len(said.media)} media offered is {taken} at {RATE_HZ} Hz")]
        return self._begin(said, choice, message)

    def _begin(self, said: _Open, choice: Choice, message: _Envelope) -> list[WireEvent]:
        self._state = _State.OPENING
        self._opened["media"] = [choice.offered]
        self._clock = MediaClock(seconds(message.position or "") or 0.0)
        self._bytes_per_sample = choice.encoding.bytes_per_sample
        self._samples = Samples(
            len(choice.channels), bytes_per_sample=self._bytes_per_sample, byte_order=self._byte_order
        )
        config = said.custom_config if isinstance(said.custom_config, dict) else {}
        start = Start(
            call_id=said.conversation_id,
            roles=tuple(self._roles.get(channel, Role.UNKNOWN) for channel in choice.channels),
            encoding=choice.encoding,
            rate_hz=RATE_HZ,
            labels=fields.labels({"language": said.language, **config}, self._label_names),
            notice=fields.is_set(config.get("notice")),
            wants_events=self._wants_events,
            has_media_clock=True,
        )
        return [start, Withdraw()] if fields.is_set(config.get("withdraw")) else [start]

    def _pause(self, message: _Envelope) -> list[WireEvent]:
        if self._state is _State.PAUSED:
            return []
        self._compare(message)
        self._state = _State.PAUSED
        return [Pause()]

    def _leave_out(self, message: _Envelope) -> list[WireEvent]:
        try:
            said = read_json(_left_out_decoder, bytes(message.parameters).decode())
        except msgspec.DecodeError as problem:
            return [Fault(f"bad_{message.type}", f"'{message.type}' is not as documented: {problem}")]
        left_out_s = seconds(said.discarded)
        if left_out_s is None:
            return [
                Fault(
                    f"bad_{message.type}", f"'{message.type}' says discarded {shown(said.discarded)}; expected 'PT1.5S'"
                )
            ]
        found: list[WireEvent] = []
        if left_out_s:
            self._clock.leave_out(left_out_s)
            found.append(Gap(left_out_s * 1000))
        if message.type == "resumed" and self._state is _State.PAUSED:
            self._state = _State.OPEN
            found.append(Resume())
        return found

    def _close(self, message: _Envelope) -> list[WireEvent]:
        self._compare(message)
        self._state = _State.CLOSING
        return [Gap(self._unplaced * 1000 / RATE_HZ), Stop()] if self._unplaced else [Stop()]

    def _compare(self, message: _Envelope) -> None:
        """Hold the platform's count against ours."""
        if self._state is _State.OPEN and message.position is not None:
            self._unplaced += self._clock.compare(seconds(message.position) or 0.0)

    def _take_leave(self, message: Message) -> list[WireEvent]:
        """Answer the `close` that follows our `disconnect`, whatever was wrong before."""
        if not isinstance(message, str) or len(message) > MAX_TEXT:
            return []
        try:
            said = read_json(_envelope_decoder, message)
        except msgspec.DecodeError:
            return []
        if said.type != "close":
            return []
        self._clientseq = said.seq
        self._state = _State.CLOSED
        return [Reply(self._say("closed", {}))]
