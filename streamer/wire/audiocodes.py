"""AudioCodes VoiceAI Connect and Live Hub, spoken on ``/audiocodes``: the Bot API in its streaming mode.

References: https://techdocs.audiocodes.com/voice-ai-connect/Content/Bot-API/ac-bot-api-streaming.htm (messages),
https://github.com/audiocodes/ac-bot-api (the vendor's own server side). This file must never keep, count by value or
log a pressed digit, and must never send audio, text or activities: we are the bot that only listens.

Theory of operation. All messages are JSON text. The platform offers media formats, we choose one, and it waits for our
answer: to the session, and to the start and the stop of each stream. The parties of a call (``participant``) have a
stream each, which come and go while the session lasts; the configuration says beforehand which there can be, and that
is the order of the channels. A stream that names no participant is the first one's.

======== ================================================= ======== ===================================================
state    message                                           next     says
======== ================================================= ======== ===================================================
waiting  session.initiate with a format that is taken      live     Start, Pause; `ready` is session.accepted
waiting  session.initiate without one                      failed   Fault bad_media_format
waiting  session.resume of a conversation known here       live     Start, Pause; `ready` is session.accepted
waiting  session.resume of another                         failed   Fault unknown_conversation
waiting  userStream.*                                      failed   Fault audio_before_start, not_started
live     userStream.start                                  live     Resume at the first, Reply userStream.started
live     userStream.start of a participant not configured  failed   Fault unknown_participant
live     userStream.chunk of a stream that is open         live     Audio, whole samples only
live     userStream.chunk after the stop of its stream     live     nothing
live     userStream.chunk of a stream that never began     failed   Fault audio_before_start
live     userStream.stop                                   live     Reply userStream.stopped; Pause at the last
live     activities                                        live     Notice, Withdraw where a parameter says so
live     session.resume                                    live     Reply session.accepted
live     session.initiate                                  failed   Fault start_twice
live     session.end                                       ended    Stop
waiting  session.end                                       ended    nothing: there was no call
any      connection.validate                               same     Reply connection.validated
any      an event not known here                           same     nothing; counted in `unknown_events`
any      binary, unreadable, of another conversation       failed   Fault
ended    anything                                          ended    nothing
failed   anything                                          failed   nothing
======== ================================================= ======== ===================================================

**Time.** There is no clock on the wire: each stream's samples are counted. A stream that begins while others are under
way begins where the farthest of them stands, so an agent who joins late stands late; one that stopped and begins again
goes on where it left off, and so does every one on a resumed socket.

**Resume.** A lost socket does not end the conversation: the platform opens another one and says ``session.resume``.
That message offers no formats, so the format of each conversation is remembered (:class:`Conversations`, one for all
sockets of a server); one that is not known here, after a restart for example, is declined, as the vendor's server does.

Every fault is said in ``session.error``, upon which the platform disconnects the call.

Unverified: names of participants (``caller`` is documented, ``callee`` was seen at third hand), that agent-assist calls
come in streaming mode, the byte order of the linear formats (`byte_order`, little where not said), that answers to
streams carry the participant, where parameters of the call stand (looked for in ``parameters`` and ``activityParams``
of activities), that a WebSocket ping from us is welcome.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from enum import Enum, auto
from typing import ClassVar, Final

import msgspec

from streamer.wire.audiocodes_messages import (
    Activities,
    EndSession,
    Initiate,
    Known,
    ResumeSession,
    Stream,
    StreamChunk,
    StreamStart,
    Validate,
    no_json,
    read_message,
)
from streamer.wire.events import (
    Audio,
    Encoding,
    Fault,
    Message,
    Notice,
    Pause,
    Reply,
    Resume,
    Role,
    Start,
    Stop,
    WireEvent,
    Withdraw,
)
from streamer.wire.fields import is_set, labels, read_object
from streamer.wire.linear import ByteOrder, Samples
from streamer.wire.reading import shown

DEFAULT_PARTICIPANTS: Final[Mapping[str, Role]] = {"caller": Role.CUSTOMER}
"""Right for a call that the platform hands to a bot: it has one user."""

FORMATS: Final[Mapping[str, tuple[Encoding, int]]] = {
    "raw/mulaw": (Encoding.PCMU, 8000),
    "raw/lpcm16_8": (Encoding.PCM_S16LE, 8000),
    "raw/lpcm16": (Encoding.PCM_S16LE, 16_000),
    "raw/lpcm16_24": (Encoding.PCM_S16LE, 24_000),
}
"""What is taken, best first: encoding and rate in Hz. Telephone band comes first, for nothing else is heard in it."""

MAX_CONVERSATIONS: Final = 10_000


class Conversations:
    """In which format each conversation comes, for those that lose their socket and resume on another.

    Parameters
    ----------
    most
        How many are remembered; the oldest go first.
    """

    def __init__(self, most: int = MAX_CONVERSATIONS) -> None:
        self._most = most
        self._formats: OrderedDict[str, str] = OrderedDict()

    def begin(self, conversation: str, media_format: str) -> None:
        """Remember one."""
        self._formats[conversation] = media_format
        self._formats.move_to_end(conversation)
        while len(self._formats) > self._most:
            self._formats.popitem(last=False)

    def end(self, conversation: str) -> None:
        """Forget one."""
        self._formats.pop(conversation, None)

    def format_of(self, conversation: str) -> str | None:
        """Return the media format of one; None where it is not known."""
        return self._formats.get(conversation)


class _State(Enum):
    WAITING = auto()
    LIVE = auto()
    ENDED = auto()
    FAILED = auto()


class _Track:
    """One participant's audio."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.is_open = False
        self.has_begun = False
        self.begins_at = 0
        """Where its first sample stands on the clock of the call, in samples."""
        self.heard = 0
        """Samples so far."""


class AudioCodes:
    """One session of the Bot API; see the module's table for what follows what.

    Parameters
    ----------
    participants
        Who is heard as which participant: participant to role. Their order is that of the channels.
    conversations
        What is known of conversations; one for all sessions of a server.
    byte_order
        Of the linear formats.
    label_fields
        Names of text fields of ``session.initiate`` that become labels; all others are dropped.

    Raises
    ------
    ValueError
        When no participant is named.
    """

    name: ClassVar[str] = "audiocodes"
    peer_closes: ClassVar[bool] = False

    def __init__(
        self,
        participants: Mapping[str, Role] = DEFAULT_PARTICIPANTS,
        conversations: Conversations | None = None,
        *,
        byte_order: ByteOrder = "little",
        label_fields: Collection[str] = (),
    ) -> None:
        if not participants:
            raise ValueError('dialects.audiocodes.participants names nobody; name at least one, as caller = "customer"')
        self._participants = participants
        self._conversations = conversations if conversations is not None else Conversations()
        self._byte_order: ByteOrder = byte_order
        self._label_fields = frozenset(label_fields)
        self._state = _State.WAITING
        self._conversation = ""
        self._format = ""
        self._bytes_per_sample = 1
        self._rate_hz = 8000
        self._tracks: dict[str, _Track] = {}
        self._is_resumed = False
        self.unknown_events = 0
        """Messages of a type not known here; the platform may have grown."""

    def receive(self, message: Message) -> list[WireEvent]:
        """Take one message from the peer; return what it means. Never raises."""
        if self._state in {_State.FAILED, _State.ENDED}:
            return []
        found: list[WireEvent] = self._receive_text(message) if isinstance(message, str) else [_binary()]
        if any(isinstance(event, Fault) for event in found):
            self._state = _State.FAILED
        return found

    def closed(self) -> list[WireEvent]:
        """Return nothing: a socket that closes without ``session.end`` was cut off, and may be resumed."""
        return []

    def ready(self, session_id: str, analysed: tuple[str, ...]) -> list[Message]:  # noqa: ARG002  # one interface for all
        """Return ``session.accepted``, for which the platform waits."""
        return [self._accepted()]

    def event(self, event: bytes) -> list[Message]:  # noqa: ARG002  # as ready
        """Return nothing."""
        return []

    def fault(self, fault: Fault) -> list[Message]:
        """Return ``session.error``."""
        said = {"conversationId": self._conversation} if self._conversation else {}
        return [_text("session.error", said | {"reason": fault.message})]

    def ended(self, utterances: int) -> list[Message]:  # noqa: ARG002  # as ready
        """Return nothing."""
        return []

    def _receive_text(self, text: str) -> list[WireEvent]:
        message = read_message(text)
        if message is None:
            self.unknown_events += 1
            return []
        if isinstance(message, Fault):
            return [message]
        named = None if isinstance(message, Validate | Initiate) else message.conversation_id
        if self._conversation and named not in {None, self._conversation}:
            return [Fault("wrong_conversation", "a message names another conversationId than the session did")]
        return self._meaning(message, text)

    def _meaning(self, message: Known, text: str) -> list[WireEvent]:
        match message:
            case Validate():
                found: list[WireEvent] = [Reply(_text("connection.validated", {"success": True}))]
            case Initiate():
                found = self._initiate(message, text)
            case ResumeSession():
                found = self._resume(message)
            case EndSession():
                found = self._end()
            case Activities():
                found = self._activities(message)
            case _:
                found = self._stream(message)
        return found

    def _initiate(self, initiate: Initiate, text: str) -> list[WireEvent]:
        if self._state is _State.LIVE:
            return [Fault("start_twice", "'session.initiate' came twice; each conversation needs a socket of its own")]
        chosen = next((name for name in FORMATS if name in initiate.supported_media_formats), None)
        if chosen is None:
            offered = ", ".join(map(shown, initiate.supported_media_formats[:8])) or "nothing"
            return [
                Fault("bad_media_format", f"the formats offered are {offered}; expected one of {', '.join(FORMATS)}")
            ]
        try:
            fields = read_object(text) if self._label_fields else {}
        except msgspec.DecodeError as problem:  # a field that is skipped may hold what cannot be read
            return [no_json(problem)]
        return self._begin(initiate.conversation_id, chosen, labels(fields, self._label_fields))

    def _resume(self, resume: ResumeSession) -> list[WireEvent]:
        if self._state is _State.LIVE:
            return [Reply(self._accepted())]
        known = self._conversations.format_of(resume.conversation_id)
        if known is None:
            return [Fault("unknown_conversation", "the conversation is not known here and cannot be resumed")]
        self._is_resumed = True
        return self._begin(resume.conversation_id, known, {})

    def _begin(self, conversation: str, media_format: str, found: dict[str, str]) -> list[WireEvent]:
        encoding, self._rate_hz = FORMATS[media_format]
        self._bytes_per_sample = encoding.bytes_per_sample
        self._conversation, self._format = conversation, media_format
        self._conversations.begin(conversation, media_format)
        self._tracks = {
            name: _Track(Samples(bytes_per_sample=self._bytes_per_sample, byte_order=self._byte_order))
            for name in self._participants
        }
        self._state = _State.LIVE
        return [
            Start(
                call_id=conversation,
                roles=tuple(self._participants.values()),
                encoding=encoding,
                rate_hz=self._rate_hz,
                labels=found,
                is_part=True,
            ),
            Pause(),  # no stream is open: the platform may play prompts for longer than a silent call may last
        ]

    def _stream(self, message: Stream) -> list[WireEvent]:
        is_chunk = isinstance(message, StreamChunk)
        if self._state is _State.WAITING:
            code = "audio_before_start" if is_chunk else "not_started"
            return [Fault(code, "'userStream' came before 'session.initiate'")]
        name = self._participant(message)
        track = self._tracks.get(name)
        if track is None:
            known = ", ".join(map(shown, self._tracks))
            return [
                Fault(
                    "unknown_participant",
                    f"the participant is {shown(name)}; dialects.audiocodes.participants names {known}: add it there",
                )
            ]
        if isinstance(message, StreamChunk):
            return self._audio(track, list(self._tracks).index(name), message.audio_chunk)
        named = {} if message.participant is None else {"participant": name}
        if isinstance(message, StreamStart):
            return self._open(track, named)
        return self._shut(track, named)

    def _participant(self, message: Stream) -> str:
        """Return whose stream is meant; where nobody is named, the only one that is open, else the first."""
        if message.participant is not None:
            return message.participant
        is_open = [name for name, track in self._tracks.items() if track.is_open]
        return is_open[0] if len(is_open) == 1 else next(iter(self._tracks))

    def _open(self, track: _Track, named: Mapping[str, str]) -> list[WireEvent]:
        is_first = not any(other.is_open for other in self._tracks.values())
        if not (track.has_begun or self._is_resumed):
            track.begins_at = max(other.begins_at + other.heard for other in self._tracks.values())
        track.is_open = track.has_begun = True
        found: list[WireEvent] = [Resume()] if is_first else []
        return [*found, Reply(_text("userStream.started", named))]

    def _shut(self, track: _Track, named: Mapping[str, str]) -> list[WireEvent]:
        was_open, track.is_open = track.is_open, False
        track.samples.discard()
        found: list[WireEvent] = [Reply(_text("userStream.stopped", named))]
        if was_open and not any(other.is_open for other in self._tracks.values()):
            found.append(Pause())
        return found

    def _audio(self, track: _Track, channel: int, data: bytes) -> list[WireEvent]:
        if not track.has_begun:
            return [Fault("audio_before_start", "'userStream.chunk' came before 'userStream.start'")]
        if not track.is_open:
            return []
        found: list[WireEvent] = []
        for whole in track.samples.receive(data):
            # Only who began late needs a place: the others are counted from 0 anyway.
            at_ms = 1000 * (track.begins_at + track.heard) / self._rate_hz if track.begins_at else None
            found.append(Audio(channel, whole, at_ms))
            track.heard += len(whole) // self._bytes_per_sample
        return found

    def _activities(self, message: Activities) -> list[WireEvent]:
        if self._state is _State.WAITING:
            return []
        given = [
            parameters
            for activity in message.activities
            for parameters in (activity.parameters, activity.activity_params)
            if isinstance(parameters, dict)
        ]
        found: list[WireEvent] = []
        if any(is_set(parameters.get("notice")) for parameters in given):
            found.append(Notice())
        if any(is_set(parameters.get("withdraw")) for parameters in given):
            found.append(Withdraw())
        return found

    def _end(self) -> list[WireEvent]:
        was_live = self._state is _State.LIVE
        self._state = _State.ENDED
        self._conversations.end(self._conversation)
        return [Stop()] if was_live else []

    def _accepted(self) -> str:
        return _text("session.accepted", {"mediaFormat": self._format})


def _text(kind: str, fields: Mapping[str, object]) -> str:
    return msgspec.json.encode({"type": kind, **fields}).decode()


def _binary() -> Fault:
    return Fault("not_text", "a binary message came; the Bot API sends JSON text only: is this another dialect?")
