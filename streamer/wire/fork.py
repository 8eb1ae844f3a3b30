"""What FreeSWITCH's audio forks have in common: jambonz, mod_audio_fork and mod_audio_stream send the same stream.

References: the module's source (`audio_pipe.cpp`, `lws_glue.cpp` of github.com/drachtio/drachtio-freeswitch-modules and
of jambonz' fork of it). This file must never keep or count by value a pressed digit, and must never write to the
platform: a listener says nothing.

Theory of operation. What was sampled since the socket was last ready is one binary message, so its size means nothing:
20 ms or seconds, and with an odd network half a frame. Nothing on the wire says when a sample was taken, so audio
stands where the count of samples puts it. An empty binary message is the module's ``graceful-shutdown``: no audio comes
any more, and it waits for last results; it may come many times, and the module does not close by itself after it. What
is said by text in mid-call is what the operator's dialplan sends (``send_text``).

======== ================================================= ======== ===========================================
state    message                                           next     says
======== ================================================= ======== ===========================================
waiting  (the dialect's own business)                      live     Start, where it says enough
live     binary                                            live     Audio for each channel, whole frames only
live     empty binary                                      over     Stop
live     text ``{"type": "notice"}``, withdraw, pause,     live     the event of that name
         resume; ``{"notice": true}``, withdraw
live     text of another kind, or no JSON                  live     nothing; counted unless it is `dtmf`
live     the socket closes                                 over     Stop
over     empty binary, text, the socket closes             over     nothing
over     binary                                            failed   Fault after_stop
failed   anything                                          failed   nothing
======== ================================================= ======== ===========================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import ClassVar, Final

import msgspec

from streamer.wire.events import (
    Audio,
    Fault,
    Message,
    Notice,
    Pause,
    Resume,
    Start,
    Stop,
    WireEvent,
    Withdraw,
)
from streamer.wire.fields import is_set, read_object
from streamer.wire.linear import Samples
from streamer.wire.silent import Silent

CHANNELS: Final = {"mono": 1, "mixed": 1, "stereo": 2}
"""What a fork's mix type puts into a frame: one party, both in one, or one party beside the other."""

_SAID: Final[dict[str, WireEvent]] = {
    "notice": Notice(),
    "withdraw": Withdraw(),
    "pause": Pause(),
    "resume": Resume(),
}
_QUIET: Final = "dtmf"


class _State(Enum):
    WAITING = auto()
    LIVE = auto()
    OVER = auto()
    FAILED = auto()


class Fork(Silent, ABC):
    """One forked stream; a dialect adds how it begins. See the module's table for what follows what."""

    peer_closes: ClassVar[bool] = True
    """After an empty message the module may still have a last text to send; it gets the time for it."""

    def __init__(self) -> None:
        self._state = _State.WAITING
        self._samples = Samples()
        self.unknown_events = 0
        """Texts that mean nothing here; the platform may have grown."""

    def receive(self, message: Message) -> list[WireEvent]:
        """Take one message from the peer; return what it means. Never raises."""
        if self._state is _State.FAILED:
            return []
        if self._state is _State.WAITING:
            found = self._wait(message)
        else:
            found = self._heard(message) if isinstance(message, bytes) else self._told(message)
        return self._noted(found)

    def closed(self) -> list[WireEvent]:
        """Return Stop: the module has no other way to say that the fork has ended."""
        return self._end() if self._state is _State.LIVE else []

    @abstractmethod
    def _wait(self, message: Message) -> list[WireEvent]:
        """Take a message before the call has begun."""

    def _begin(self, start: Start, *, withdrawn: bool) -> list[WireEvent]:
        """Go live."""
        self._state = _State.LIVE
        self._samples = Samples(len(start.roles))
        return [start, Withdraw()] if withdrawn else [start]

    def _heard(self, data: bytes) -> list[WireEvent]:
        if self._state is _State.OVER:
            return [Fault("after_stop", "audio came after the empty message that ends it")] if data else []
        if not data:
            return self._end()
        return [Audio(channel, payload) for channel, payload in enumerate(self._samples.receive(data))]

    def _told(self, text: str) -> list[WireEvent]:
        if self._state is _State.OVER:
            return []
        try:
            fields = read_object(text)
        except msgspec.DecodeError:
            self.unknown_events += 1
            return []
        kind = str(fields.get("type", fields.get("event", "")))
        found = [_SAID[kind]] if kind in _SAID else []
        found += [_SAID[name] for name in ("notice", "withdraw") if is_set(fields.get(name))]
        self.unknown_events += not found and kind != _QUIET
        return found

    def _end(self) -> list[WireEvent]:
        self._state = _State.OVER
        return [Stop()]

    def _noted(self, found: list[WireEvent]) -> list[WireEvent]:
        if any(isinstance(event, Fault) for event in found):
            self._state = _State.FAILED
        return found
