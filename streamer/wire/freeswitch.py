"""FreeSWITCH's mod_audio_fork and mod_audio_stream, spoken on ``/freeswitch``.

References: https://github.com/drachtio/drachtio-freeswitch-modules (mod_audio_fork), https://github.com/amigniter/
mod_audio_stream, and, for the stream itself, `streamer.wire.fork`. This file must never take a secret from the address,
which stands in logs, and never make up an id by itself: randomness comes in as an argument.

Theory of operation. Neither module says anything of the call or the format by itself: what the operator wrote into the
command is all there is. It can stand in the address, ``/freeswitch?call=...&rate=8000&channels=2``, and in the
metadata, a JSON text message that the module sends first where the command gives one; the address wins, for it is known
before anything comes, and configured values fill what neither says. Metadata may be missing, or may be any text. So
where the address does not name the call, audio waits for metadata, up to a bound; then the call gets an id that is made
here.

======== ================================================= ======== ===========================================
state    message                                           next     says
======== ================================================= ======== ===========================================
waiting  text                                              live     Start, what waited as Audio; Withdraw where
                                                                    it says so
waiting  binary, the address names the call                live     Start, Audio
waiting  binary, within the bound                          waiting  nothing: it waits
waiting  binary beyond the bound, an empty one, or the     live     Start with an id made here, what waited as
         socket closes while audio waits                            Audio; then as live
waiting  anything, with a value that cannot be             failed   Fault bad_start, bad_sample_rate
waiting  the socket closes, nothing waits                  waiting  nothing
live     (as in `streamer.wire.fork`)
======== ================================================= ======== ===========================================

======================= =========================================================================================
field                   what it says
======================= =========================================================================================
``call``, ``callSid``   id of the call; the configuration may name another field, or a header of the upgrade
``rate``, ``sampleRate`` samples a second, as in the command: 8000, 16000, ...
``channels``, ``mix``,  1 or 2; or ``mono``, ``mixed`` (one channel of which nobody can say who speaks), ``stereo``
``mixType``
``roles``               one per channel: ``customer``, ``agent``, ``unknown``
``part``                this socket is one of several of the call: one per party, or again after a break
``notice``, ``withdraw`` the person has been told, or has objected
======================= =========================================================================================

Unverified against FreeSWITCH itself: that the first channel of ``stereo`` is the leg on which the command was given
(swap ``roles`` if it is not); that mod_audio_stream never sends an empty message of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

import msgspec

from streamer.wire.events import Encoding, Fault, Message, Role, Start, WireEvent
from streamer.wire.fields import is_set, labels, plain, rate_of, read_object, roles, whole_number
from streamer.wire.fork import CHANNELS, Fork
from streamer.wire.reading import shown

_ALIASES: Final = {"callSid": "call", "sampleRate": "rate", "mixType": "mix"}
"""Names as in jambonz, whose examples are what people start from."""
_BYTES_PER_SAMPLE: Final = 2


class FreeSwitch(Fork):
    """One stream; see the module's tables for what follows what.

    Parameters
    ----------
    target
        Path and query of the upgrade.
    new_call_id
        Called once where nothing names the call.
    header_call_id
        Id of the call from a header of the upgrade; the address comes before it.
    stereo
        Who is heard on the two channels of a stereo stream, where nothing else says so.
    mono
        Who is heard on a single channel, likewise.
    rate_hz, channels
        Likewise.
    call_field
        Name of the field that holds the id of the call, beside ``call`` and ``callSid``.
    metadata_wait_ms
        How much audio may wait for metadata, in ms as `rate_hz` and `channels` have it.
    label_fields
        Names of fields that become labels of the call; all others are dropped.

    Raises
    ------
    ValueError
        When there are not two roles for the two channels.
    """

    name: ClassVar[str] = "freeswitch"

    def __init__(
        self,
        target: str,
        new_call_id: Callable[[], str],
        *,
        header_call_id: str = "",
        stereo: Sequence[Role] = (Role.CUSTOMER, Role.AGENT),
        mono: Role = Role.UNKNOWN,
        rate_hz: int = 8000,
        channels: int = 1,
        call_field: str = "call",
        metadata_wait_ms: int = 1000,
        label_fields: Collection[str] = (),
    ) -> None:
        super().__init__()
        if len(stereo) != CHANNELS["stereo"]:
            raise ValueError(f"dialects.freeswitch.roles has {len(stereo)} roles; give one for each of two channels")
        self._call_field = call_field
        self._address = self._named({"call": header_call_id} | dict(parse_qsl(target.partition("?")[2])))
        self._new_call_id = new_call_id
        self._stereo = tuple(stereo)
        self._mono = mono
        self._rate_hz = rate_hz
        self._channels = channels
        self._most_waiting = metadata_wait_ms * rate_hz * channels * _BYTES_PER_SAMPLE // 1000
        self._label_fields = frozenset(label_fields)
        self._waiting = b""

    def closed(self) -> list[WireEvent]:
        """Return Stop, behind what still waited: the module has no other way to say that the fork has ended."""
        begun = self._noted(self._open({})) if self._waiting else []
        return [*begun, *super().closed()]

    def _wait(self, message: Message) -> list[WireEvent]:
        if isinstance(message, str):
            return self._open(self._metadata(message))
        self._waiting += message
        if message and not plain(self._address.get("call")) and len(self._waiting) <= self._most_waiting:
            return []
        begun = self._open({})
        return begun if message or isinstance(begun[0], Fault) else [*begun, *self._heard(message)]

    def _metadata(self, text: str) -> dict[str, Any]:
        try:
            return self._named(read_object(text))
        except msgspec.DecodeError:
            return {}

    def _named(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return fields under the names that this file uses."""
        names = {**_ALIASES, self._call_field: "call"}
        return {**fields, **{name: fields[alias] for alias, name in names.items() if alias in fields}}

    def _open(self, metadata: dict[str, Any]) -> list[WireEvent]:
        """Begin the call with what is known; return Start and the audio that waited, or what is wrong."""
        fields = {**metadata, **{name: value for name, value in self._address.items() if value}}
        waiting, self._waiting = self._waiting, b""
        start = self._start(fields)
        if isinstance(start, Fault):
            return [start]
        begun = self._begin(start, withdrawn=is_set(fields.get("withdraw")))
        return [*begun, *self._heard(waiting)] if waiting else begun

    def _start(self, fields: dict[str, Any]) -> Start | Fault:
        rate_hz = rate_of(fields.get("rate", self._rate_hz), "rate")
        if isinstance(rate_hz, Fault):
            return rate_hz
        heard = self._roles(fields)
        if isinstance(heard, Fault):
            return heard
        return Start(
            call_id=plain(fields.get("call")) or self._new_call_id(),
            roles=heard,
            encoding=Encoding.PCM_S16LE,
            rate_hz=rate_hz,
            labels=labels(fields, self._label_fields),
            notice=is_set(fields.get("notice")),
            is_part=is_set(fields.get("part")),
        )

    def _roles(self, fields: dict[str, Any]) -> tuple[Role, ...] | Fault:
        """Return who is heard on each channel, or what is wrong with what says so."""
        mix = plain(fields.get("mix"))
        if "mix" in fields and mix not in CHANNELS:
            return Fault("bad_start", f"mix is {shown(mix)}; expected {', '.join(CHANNELS)}")
        named = roles(fields["roles"]) if "roles" in fields else ()
        if named is None:
            return Fault("bad_start", f"'roles' names a role that is none of {', '.join(Role)}")
        said = {CHANNELS[mix]} if mix else set()
        said |= {len(named)} if named else set()
        said |= {whole_number(fields["channels"]) or 0} if "channels" in fields else set()
        channels = said or {self._channels}
        if channels not in ({1}, {2}):
            return Fault("bad_start", "channels, mix and roles must say the same number of channels, 1 or 2")
        if named:
            return named
        if channels == {2}:
            return self._stereo
        return (Role.UNKNOWN,) if mix == "mixed" else (self._mono,)
