"""The platform's side of jambonz' ``listen``: one socket, the leg's party and the other side by side.

Reference: https://docs.jambonz.org/verbs/verbs/listen (first message, mix types, subprotocol, wsAuth). Sans-I/O; this
file must never open a socket or read a clock.
"""

from __future__ import annotations

import msgspec

from streamer_client.dialects.raw import RATE_HZ, RawSpeaker, basic, one_or_two
from streamer_client.dialects.speaker import CallOptions, Speaker

PATH = "/jambonz"
SUBPROTOCOL = "audio.jambonz.org"
_MIXES = {1: "mono", 2: "stereo"}
_USUAL = (("customer",), ("customer", "agent"))
"""Who is heard where the verb's metadata does not say: the caller, then the callee."""


def speakers(options: CallOptions) -> list[Speaker]:
    """Return the socket of one call.

    Raises
    ------
    OptionError
        More than two channels, or a key that is not ``ID:SECRET``.
    """
    channels = one_or_two(options, "jambonz")
    call: dict[str, object] = {
        "sampleRate": RATE_HZ,
        "mixType": _MIXES[len(channels)],
        "callSid": options.call_id,
        "direction": "inbound",
        "callStatus": "in-progress",
    }
    if options.roles not in _USUAL:
        call["roles"] = ",".join(options.roles)
    if options.notice:
        call["notice"] = True
    first = msgspec.json.encode(call).decode()
    return [RawSpeaker(options.url, [first], channels, basic(options.key), (SUBPROTOCOL,))]
