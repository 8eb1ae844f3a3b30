"""Asterisk's AudioSocket, spoken over plain TCP on a port of its own: ``AudioSocket(uuid,host:port)`` points here.

References: https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/ (kinds and lengths), Asterisk's
``res_audiosocket.h`` (kinds of the wider rates). This file must never keep, count by value or log a pressed digit, and
must never write to the platform: a listener says nothing, and Asterisk streams all the same.

Theory of operation. The stream is a row of packets, each a byte that says its kind, two bytes (big-endian) that say the
length of what follows, and that. TCP cuts it anywhere, so ``receive`` takes any piece of it and works through the
packets that are whole. The first packet is the UUID, which is all that is known of the call; the rate of the audio
stands in the kind of each audio packet, so a call begins with its first audio, not with its UUID. One party per socket.

======== ========================================== ======== =======================================================
state    packet                                     next     says
======== ========================================== ======== =======================================================
waiting  0x01 with 16 bytes                         named    nothing
waiting  another kind                               failed   Fault audio_before_start, not_started, bad_kind
named    0x10 to 0x18, a rate that is served        live     Start, Audio
named    0x10 to 0x18, another rate                 failed   Fault bad_media_format
live     audio of the same kind                     live     Audio, whole samples only
live     audio of another kind                      failed   Fault rate_changed
named    0x00 or 0xff, or the end of the stream     ended    nothing: there was no call
live     0x00, or the end of the stream             ended    Stop
live     0xff, the caller hung up (code 1)          ended    Stop
live     0xff, another code                         failed   Fault platform_error
named on 0x01                                       failed   Fault start_twice
named on 0x03 (a digit), 0x02 (silence)             same     nothing
named on 0x04 to 0x0f                               same     nothing; counted in `unknown_events`
any      0x19 to 0xfe                               failed   Fault bad_kind: the stream is out of step
any      a wrong length                             failed   Fault bad_length
ended    anything                                   ended    nothing
failed   anything                                   failed   nothing
======== ========================================== ======== =======================================================

There is no clock on the wire: the count of samples goes on over holes. Unverified: that 0x02 is silence (the protocol's
first library had it so; Asterisk sends none) and the meaning of the error codes.
"""

from __future__ import annotations

import uuid
from enum import Enum, auto
from typing import ClassVar, Final

from streamer.wire.events import Audio, Encoding, Fault, Message, Role, Start, Stop, WireEvent
from streamer.wire.linear import Samples
from streamer.wire.silent import Silent

HEADER_BYTES: Final = 3
RATES_HZ: Final[dict[int, int]] = {
    0x10: 8000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
"""Kind of an audio packet to the rate of its signed linear samples, 16 bits, little-endian, mono."""
SERVED_HZ: Final = (8000, 16_000, 24_000, 32_000, 44_100, 48_000)

_HANGUP: Final = 0x00
_UUID: Final = 0x01
_QUIET: Final = frozenset({0x02, 0x03})
_LAST_CONTROL: Final = 0x0F
_ERROR: Final = 0xFF
_CALLER_HUNG_UP: Final = b"\x01"


class _State(Enum):
    WAITING = auto()
    NAMED = auto()
    LIVE = auto()
    ENDED = auto()
    FAILED = auto()


class AudioSocket(Silent):
    """One AudioSocket stream; see the module's table for what follows what.

    Parameters
    ----------
    role
        Who is heard: the protocol does not say.
    is_part
        Whether streams with one UUID are one call, joined: a reconnect, or the parties of one call.
    """

    name: ClassVar[str] = "audiosocket"
    peer_closes: ClassVar[bool] = False

    def __init__(self, role: Role = Role.CUSTOMER, *, is_part: bool = False) -> None:
        self._role = role
        self._is_part = is_part
        self._state = _State.WAITING
        self._rest = bytearray()
        self._call_id = ""
        self._kind = 0
        self._samples = Samples()
        self.unknown_events = 0
        """Packets of a kind not known here; the platform may have grown."""

    def receive(self, message: Message) -> list[WireEvent]:
        """Take a piece of the stream, cut anywhere; return what it means. Never raises."""
        if isinstance(message, str):
            return self._failed(Fault("not_binary", "text came; AudioSocket is binary packets over TCP"))
        data = self._rest
        data += message
        at = 0
        found: list[WireEvent] = []
        while self._state not in {_State.FAILED, _State.ENDED} and len(data) - at >= HEADER_BYTES:
            kind, length = data[at], int.from_bytes(data[at + 1 : at + HEADER_BYTES], "big")
            # Judged by its header alone, so that a stranger's first bytes need no 64 kB behind them.
            wrong = self._wrong_header(kind, length)
            if wrong is not None:
                return found + self._failed(wrong)
            end = at + HEADER_BYTES + length
            if end > len(data):
                break
            found += self._packet(kind, bytes(data[at + HEADER_BYTES : end]))
            at = end
        self._rest = data[at:] if self._state not in {_State.FAILED, _State.ENDED} else bytearray()
        return found

    def closed(self) -> list[WireEvent]:
        """Return `Stop` once the call has begun: most streams end without a word."""
        return [] if self._state is _State.FAILED else self._end()

    def _wrong_header(self, kind: int, length: int) -> Fault | None:
        """Return what is wrong with a packet that begins so, if anything."""
        if self._state is _State.WAITING:
            return _wrong_first(kind, length)
        if kind == _UUID:
            return Fault("start_twice", "the UUID came twice on one stream; each call needs a stream of its own")
        if kind not in RATES_HZ and _LAST_CONTROL < kind < _ERROR:
            return _bad_kind(kind)
        return None

    def _packet(self, kind: int, payload: bytes) -> list[WireEvent]:
        """Return what a whole packet with a sound header means."""
        if kind in RATES_HZ:
            return self._audio(kind, payload)
        if kind == _UUID:
            self._call_id = str(uuid.UUID(bytes=payload))
            self._state = _State.NAMED
            return []
        if kind == _HANGUP or (kind == _ERROR and (self._state is _State.NAMED or payload == _CALLER_HUNG_UP)):
            return self._end()
        if kind == _ERROR:
            code = payload[:1].hex() or "none"
            return self._failed(Fault("platform_error", f"Asterisk reports an error, code {code}; see its own log"))
        self.unknown_events += kind not in _QUIET
        return []

    def _audio(self, kind: int, payload: bytes) -> list[WireEvent]:
        found: list[WireEvent] = []
        if self._state is _State.NAMED:
            rate_hz = RATES_HZ[kind]
            if rate_hz not in SERVED_HZ:
                served = ", ".join(map(str, SERVED_HZ))
                return self._failed(
                    Fault(
                        "bad_media_format",
                        f"the audio has {rate_hz} Hz; expected one of {served}: set c(slin16) in the dial string",
                    )
                )
            self._state, self._kind = _State.LIVE, kind
            found.append(
                Start(
                    call_id=self._call_id,
                    roles=(self._role,),
                    encoding=Encoding.PCM_S16LE,
                    rate_hz=rate_hz,
                    is_part=self._is_part,
                )
            )
        elif kind != self._kind:
            return self._failed(
                Fault(
                    "rate_changed", f"the rate changed from {RATES_HZ[self._kind]} to {RATES_HZ[kind]} Hz in mid-call"
                )
            )
        return found + [Audio(0, whole) for whole in self._samples.receive(payload)]

    def _end(self) -> list[WireEvent]:
        was_live = self._state is _State.LIVE
        self._state, self._rest = _State.ENDED, bytearray()
        return [Stop()] if was_live else []

    def _failed(self, fault: Fault) -> list[WireEvent]:
        if self._state in {_State.FAILED, _State.ENDED}:
            return []
        self._state, self._rest = _State.FAILED, bytearray()
        return [fault]


def _wrong_first(kind: int, length: int) -> Fault | None:
    """Return what is wrong with a first packet that begins so, if anything."""
    if kind == _UUID:
        return None if length == 16 else Fault("bad_length", f"the UUID has {length} bytes; expected 16")
    if kind in RATES_HZ:
        return Fault("audio_before_start", "audio came before the UUID; Asterisk sends the UUID first")
    if kind <= _LAST_CONTROL or kind == _ERROR:
        return Fault("not_started", f"a packet of kind {kind:#04x} came before the UUID")
    return _bad_kind(kind)


def _bad_kind(kind: int) -> Fault:
    return Fault("bad_kind", f"a packet of kind {kind:#04x} came, which AudioSocket does not have; is this Asterisk?")
