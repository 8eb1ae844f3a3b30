"""What a telephony dialect says, whatever it looks like on the wire.

Every dialect turns its platform's messages into these values and these only, so nothing behind `wire` ever sees a
vendor's field name. This file must never hold behaviour: values, and the one interface all dialects share.

Theory of operation. The server makes one dialect object per socket and calls ``receive(message)`` with each message
as it comes; the dialect answers with a list of wire events, in order. It holds no socket, reads no clock and never
raises on bad input: what the peer got wrong comes back as a :class:`Fault`, after which the object ignores
everything but what politeness asks for. An answer that the protocol wants at once comes back as a :class:`Reply`. What
the server wants to say goes through ``ready``, ``event``, ``fault`` and ``ended``, which return the messages to send
(for most platforms: none). When the peer has closed the socket, the server calls ``closed()`` once: many platforms
have no other way to say that a call is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar, Final, Protocol, runtime_checkable

import msgspec

Message = str | bytes
"""One WebSocket message: text or binary."""

BAD_TOKEN: Final = "bad_token"  # noqa: S105 - what is said of one
"""Code of the :class:`Fault` of a peer whose secret, in its first message, is missing or wrong."""


class Role(StrEnum):
    """Who is heard on a channel."""

    CUSTOMER = "customer"
    AGENT = "agent"
    UNKNOWN = "unknown"


class Encoding(StrEnum):
    """How a channel's samples are written; names as in the native protocol."""

    PCM_S16LE = "pcm_s16le"
    PCMU = "pcmu"
    PCMA = "pcma"

    @property
    def bytes_per_sample(self) -> int:
        """Bytes of one sample of one channel."""
        return 2 if self is Encoding.PCM_S16LE else 1


class Start(msgspec.Struct, frozen=True):
    """The call begins. Exactly one per call, before any other event of it."""

    call_id: str
    """As the platform gave it; the server makes it safe for topics."""
    roles: tuple[Role, ...]
    """One per channel, in channel order."""
    encoding: Encoding
    rate_hz: int
    labels: dict[str, str] = {}
    notice: bool = False
    """The person has been told that emotion is inferred."""
    wants_events: bool = False
    """The peer wants this call's events on the same socket."""
    has_media_clock: bool = False
    """Whether :class:`Audio` carries ``media_ms``."""
    speed: float | None = 1.0
    """How many times faster than life the sender plays a recording; null = as fast as possible."""
    is_part: bool = False
    """The platform opens a socket for each party, or again after a break: sockets of one call id are one call."""


class Audio(msgspec.Struct, frozen=True, gc=False):
    """Samples of one channel, whole samples only, encoded as `Start` said."""

    channel: int
    payload: bytes
    media_ms: float | None = None
    """Position of the first sample on the media clock, where the dialect carries one."""
    pieces: int = 1
    """As how many it came. Where it has a position they are of one length, each where the one before ended."""


class Gap(msgspec.Struct, frozen=True):
    """The sender knows that it leaves out this much media time, on all channels."""

    duration_ms: float


class Missing(msgspec.Struct, frozen=True):
    """Messages that the platform numbered and that never came (negative: came late, after being counted)."""

    messages: int


class Pause(msgspec.Struct, frozen=True):
    """The sender stops sending for a while (hold, secure entry); the idle limit does not apply."""


class Resume(msgspec.Struct, frozen=True):
    """The sender goes on after a pause."""


class Notice(msgspec.Struct, frozen=True):
    """The person has now been told that emotion is inferred."""


class Withdraw(msgspec.Struct, frozen=True):
    """The person objects: stop the analysis and remove what is pending of this call."""


class Stop(msgspec.Struct, frozen=True):
    """The platform ended the stream in an orderly way."""


class Reply(msgspec.Struct, frozen=True):
    """What the protocol wants answered at once: sent before the next event is worked through."""

    message: Message


class Fault(msgspec.Struct, frozen=True):
    """The peer broke the protocol; the stream ends with this."""

    code: str
    """Short and stable, for programs: ``bad_json``, ``audio_before_start``, ..."""
    message: str
    """For people: what came, what was expected, what to do."""
    close_code: int = 1008
    """WebSocket close code to end with."""


WireEvent = Start | Audio | Gap | Missing | Pause | Resume | Notice | Withdraw | Stop | Reply | Fault


@runtime_checkable
class Flowing(Protocol):
    """A dialect that can take many messages at once where all of them are simply the next audio."""

    def flow(self, messages: Sequence[Message]) -> list[Audio] | None:
        """Take messages that are nothing but the next pieces of audio, in order, as nearly all are.

        Returns
        -------
        list of Audio or None
            What `receive` would have said of them one by one, in fewer pieces where that is the same; None where there
            is anything to look at, and then nothing was taken.
        """
        ...


class Dialect(Protocol):
    """One platform's manner of speaking; the same verbs, in the same order, in every file of this folder."""

    name: ClassVar[str]
    peer_closes: ClassVar[bool]
    """After our last word it is the peer that closes; we do so only where it takes too long."""
    unknown_events: int
    """Messages of a kind not known here, passed over; the platform may have grown."""

    def receive(self, message: Message) -> list[WireEvent]:
        """Take one message from the peer; return what it means. Never raises."""
        ...

    def closed(self) -> list[WireEvent]:
        """Return what it means that the peer closed the socket now: for many platforms, that the call is over."""
        ...

    def ready(self, session_id: str, analysed: tuple[str, ...]) -> list[Message]:
        """Return what to send once the call is accepted."""
        ...

    def event(self, event: bytes) -> list[Message]:
        """Return what to send for one event of this call (structured CloudEvent JSON)."""
        ...

    def fault(self, fault: Fault) -> list[Message]:
        """Return what to send before closing on a fault."""
        ...

    def ended(self, utterances: int) -> list[Message]:
        """Return what to send when every event of a stopped call has been handed over."""
        ...
