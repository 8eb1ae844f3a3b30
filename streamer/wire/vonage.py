"""Vonage Voice API WebSockets, spoken on ``/vonage``: an endpoint of an NCCO ``connect`` points here.

References: https://developer.vonage.com/en/voice/voice-api/guides/websockets (messages), https://developer.vonage.com/
en/voice/voice-api/ncco-reference (the endpoint's ``content-type``, ``headers`` and ``authorization``). This file must
never keep or count by value a pressed digit, and never write to the platform: what a listener says is played to the
people on the line.

Theory of operation. The first message is JSON text with ``content-type`` and, beside it at top level, whatever the NCCO
put into ``headers``; so ``event`` and ``content-type`` are read first, and the rest only by names that the
configuration knows. Behind it comes binary audio, 16 bit mono, 20 ms a message by the documents; any size is taken. It
is the mix of all that is said in the call, and nobody can tell who speaks. Nothing on the wire says when a sample was
taken, so audio stands where the count of samples puts it.

======== ================================================= ======== ===========================================
state    message                                           next     says
======== ================================================= ======== ===========================================
waiting  websocket:connected                               live     Start; Withdraw where it says so
waiting  binary                                            failed   Fault audio_before_start
waiting  another event                                     waiting  nothing; counted unless it is known
waiting  the socket closes                                 waiting  nothing
live     binary                                            live     Audio, whole samples only
live     websocket:connected                               failed   Fault start_twice
live     another event                                     live     nothing; counted unless it is known
live     the socket closes                                 over     Stop: Vonage has no message for the end
any      text that is no JSON object with an `event`       failed   Fault bad_json
failed   anything                                          failed   nothing
======== ================================================= ======== ===========================================

The headers ``notice`` (``true`` or ``1``: the person has been told) and ``withdraw`` (has objected) are read where the
NCCO gives them. In mid-call nothing can be said: NCCO headers are sent once.

Unverified against the platform itself: the byte order, which the vendor's pages do not state (low byte first here; an
option); whether it sends pings, or welcomes ours; what its fallback does when we close (it may report ``disconnected``
to the event URL and run the rest of the NCCO).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from enum import Enum, auto
from typing import Any, ClassVar, Final

import msgspec

from streamer.wire.events import Audio, Encoding, Fault, Message, Role, Start, Stop, WireEvent, Withdraw
from streamer.wire.fields import is_set, labels, plain, rate_of, read_object
from streamer.wire.linear import ByteOrder, Samples
from streamer.wire.reading import shown
from streamer.wire.silent import Silent

CONNECTED: Final = "websocket:connected"
_QUIET: Final = frozenset({"websocket:dtmf", "websocket:cleared", "websocket:notify"})
_FORMAT: Final = re.compile(r"\s*audio/l16\s*;\s*rate\s*=\s*(\d{1,9})\s*(;.*)?", re.IGNORECASE)


class _State(Enum):
    WAITING = auto()
    LIVE = auto()
    OVER = auto()
    FAILED = auto()


class Vonage(Silent):
    """One stream; see the module's table for what follows what.

    Parameters
    ----------
    new_call_id
        Called once where no header of the NCCO names the call.
    call_header
        Name of the NCCO header that does.
    role
        Who is heard. Of a mix it is ``unknown``; another role is right where one person alone can be heard.
    byte_order
        How samples are written.
    label_headers
        Names of NCCO headers that become labels of the call; all others are dropped.
    """

    name: ClassVar[str] = "vonage"
    peer_closes: ClassVar[bool] = False

    def __init__(
        self,
        new_call_id: Callable[[], str],
        *,
        call_header: str = "call-id",
        role: Role = Role.UNKNOWN,
        byte_order: ByteOrder = "little",
        label_headers: Collection[str] = (),
    ) -> None:
        self._new_call_id = new_call_id
        self._call_header = call_header
        self._role = role
        self._samples = Samples(byte_order=byte_order)
        self._label_headers = frozenset(label_headers)
        self._state = _State.WAITING
        self.unknown_events = 0
        """Messages with an event not known here; the platform may have grown."""

    def receive(self, message: Message) -> list[WireEvent]:
        """Take one message from the peer; return what it means. Never raises."""
        if self._state is _State.FAILED:
            return []
        found = self._heard(message) if isinstance(message, bytes) else self._told(message)
        if any(isinstance(event, Fault) for event in found):
            self._state = _State.FAILED
        return found

    def closed(self) -> list[WireEvent]:
        """Return Stop: the platform ends a stream by closing it."""
        if self._state is not _State.LIVE:
            return []
        self._state = _State.OVER
        return [Stop()]

    def _heard(self, data: bytes) -> list[WireEvent]:
        if self._state is _State.WAITING:
            return [Fault("audio_before_start", f"audio came before '{CONNECTED}', which says what audio it is")]
        if self._state is _State.OVER:
            return []
        return [Audio(0, payload) for payload in self._samples.receive(data)]

    def _told(self, text: str) -> list[WireEvent]:
        try:
            fields = read_object(text)
        except msgspec.DecodeError as problem:
            return [Fault("bad_json", f"a text message is no JSON object: {problem}")]
        event = fields.get("event")
        if not isinstance(event, str):
            return [Fault("bad_json", "a text message lacks the text field 'event'; does Vonage send this?")]
        if event != CONNECTED:
            self.unknown_events += event not in _QUIET
            return []
        if self._state is not _State.WAITING:
            return [Fault("start_twice", f"'{CONNECTED}' came twice on one socket")]
        return self._begin(fields)

    def _begin(self, fields: dict[str, Any]) -> list[WireEvent]:
        form = plain(fields.get("content-type"))
        matched = _FORMAT.fullmatch(form)
        if matched is None:
            return [Fault("bad_media_format", f"content-type is {shown(form)}; expected audio/l16;rate=16000")]
        rate_hz = rate_of(matched[1], "the rate of content-type")
        if isinstance(rate_hz, Fault):
            return [rate_hz]
        self._state = _State.LIVE
        start = Start(
            call_id=plain(fields.get(self._call_header)) or self._new_call_id(),
            roles=(self._role,),
            encoding=Encoding.PCM_S16LE,
            rate_hz=rate_hz,
            labels=labels(fields, self._label_headers),
            notice=is_set(fields.get("notice")),
        )
        return [start, Withdraw()] if is_set(fields.get("withdraw")) else [start]
