"""The verbs ``listen`` and ``stream`` of jambonz, spoken on ``/jambonz``.

References: https://docs.jambonz.org/verbs/verbs/listen (parameters, first message), the verb's source (`listen.js`,
`call-info.js` of github.com/jambonz/jambonz-feature-server) and, for the stream itself, `streamer.wire.fork`. This file
must never read who calls whom: numbers and names are in the first message, too.

Theory of operation. The first message is JSON text: all that jambonz knows of the call, ``sampleRate``, ``mixType``,
and the verb's own ``metadata`` at top level. Behind it comes binary audio, 16 bit, low byte first.

======== ================================================= ======== ===========================================
state    message                                           next     says
======== ================================================= ======== ===========================================
waiting  text with callSid, sampleRate and mixType         live     Start; Withdraw where it says so
waiting  text without, or with others than known here      failed   Fault bad_json, bad_start, bad_sample_rate ...
waiting  binary                                            failed   Fault audio_before_start
waiting  the socket closes                                 waiting  nothing
live     (as in `streamer.wire.fork`)
======== ================================================= ======== ===========================================

``mono`` is the party of the leg on which the verb runs, ``stereo`` that party and then the other, ``mixed`` both in
one, of which nobody can say who speaks. The fields ``notice`` (the person has been told), ``withdraw`` (has objected),
``roles`` (``"agent,customer"``, where this call is the other way round) and labels are read from the verb's
``metadata`` and from ``customerData``.

Unverified against the platform itself: that the first channel of ``stereo`` is the leg on which the verb runs (swap
``roles`` if it is not); that closing our side leaves the call untouched.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import msgspec

from streamer.wire.events import Encoding, Fault, Message, Role, Start, WireEvent
from streamer.wire.fields import is_set, labels, plain, rate_of, read_object, roles
from streamer.wire.fork import CHANNELS, Fork
from streamer.wire.reading import shown

SUBPROTOCOLS = ("audio.jambonz.org", "audio.drachtio.org")
"""The first as jambonz offers it, the second as the bare module does."""


class Jambonz(Fork):
    """One stream; see the module's table for what follows what.

    Parameters
    ----------
    stereo
        Who is heard on the two channels of a ``stereo`` stream.
    mono
        Who is heard where only the leg's own party is sent.
    label_fields
        Names of fields of the first message that become labels of the call; all others are dropped.

    Raises
    ------
    ValueError
        When there are not two roles for the two channels.
    """

    name: ClassVar[str] = "jambonz"

    def __init__(
        self,
        stereo: Sequence[Role] = (Role.CUSTOMER, Role.AGENT),
        mono: Role = Role.CUSTOMER,
        label_fields: Collection[str] = (),
    ) -> None:
        super().__init__()
        if len(stereo) != CHANNELS["stereo"]:
            raise ValueError(f"dialects.jambonz.roles has {len(stereo)} roles; give one for each of two channels")
        self._roles = {"mono": (mono,), "mixed": (Role.UNKNOWN,), "stereo": tuple(stereo)}
        self._label_fields = frozenset(label_fields)

    def _wait(self, message: Message) -> list[WireEvent]:
        if isinstance(message, bytes):
            return [Fault("audio_before_start", "audio came before the text message that describes the call")]
        try:
            fields = read_object(message)
        except msgspec.DecodeError as problem:
            return [Fault("bad_json", f"the first message is no JSON object: {problem}")]
        # What the customer put in must not hide what the platform says.
        own = fields.get("customerData")
        given = {**own, **fields} if isinstance(own, dict) else fields
        start = self._start(given)
        if isinstance(start, Fault):
            return [start]
        return self._begin(start, withdrawn=is_set(given.get("withdraw")))

    def _start(self, fields: dict[str, Any]) -> Start | Fault:
        call_id = plain(fields.get("callSid"))
        if not call_id:
            return Fault("bad_start", "the first message lacks callSid; does a jambonz verb send this?")
        rate_hz = rate_of(fields.get("sampleRate"), "sampleRate")
        if isinstance(rate_hz, Fault):
            return rate_hz
        mix = plain(fields.get("mixType"))
        if mix not in CHANNELS:
            return Fault("bad_start", f"mixType is {shown(mix)}; expected {', '.join(CHANNELS)}")
        heard = roles(fields["roles"]) if "roles" in fields else self._roles[mix]
        if heard is None or len(heard) != CHANNELS[mix]:
            return Fault("bad_start", f"'roles' does not name a role for each channel of {mix}: {', '.join(Role)}")
        return Start(
            call_id=call_id,
            roles=heard,
            encoding=Encoding.PCM_S16LE,
            rate_hz=rate_hz,
            labels=labels(fields, self._label_fields),
            notice=is_set(fields.get("notice")),
        )
