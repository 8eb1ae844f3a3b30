"""The platform's side of Asterisk's chan_websocket: a call as two snoop channels stream it, for tests and replays.

Reference: https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/ and Asterisk's `chan_websocket.c` (fields
of MEDIA_START in JSON). Sans-I/O; this file must never open a socket, read a clock, or pretend to be Asterisk towards
anyone but your own server.

Theory of operation. Each party has a socket of its own, mono `slin` (16 bit, 8 kHz), 20 ms a message; variables of the
channel say which call it belongs to and which leg it is. The parameters of the URI say the same, as ``v()`` in a dial
string would. Asterisk falls silent without a word and ends by closing.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from streamer_client.dialects.raw import FRAME_MS, RATE_HZ, RawSpeaker, basic
from streamer_client.dialects.speaker import CallOptions, Speaker
from streamer_client.errors import OptionError

PATH = "/asterisk"
SUBPROTOCOL = "media"
LEGS: Mapping[str, str] = {"customer": "in", "agent": "out", "unknown": ""}
"""Role to leg, where the customer's channel is snooped; empty: the socket does not say whom it carries."""
_CONNECTION = "emotion"


def speakers(options: CallOptions) -> list[Speaker]:
    """Return a socket for each party.

    Raises
    ------
    OptionError
        The same role twice, a role that there is not, or a key that is not ``ID:SECRET``.
    """
    roles = options.roles
    if not roles or len(set(roles)) != len(roles) or not set(roles) <= LEGS.keys():
        raise OptionError(
            f"got roles {','.join(roles) or '(none)'}; a snooped channel has one leg in and one leg out: "
            "give customer, agent, unknown once each at most"
        )
    return [_speaker(options, channel) for channel in range(len(roles))]


def _speaker(options: CallOptions, channel: int) -> RawSpeaker:
    leg = LEGS[options.roles[channel]]
    named = {"call": options.call_id} | ({"leg": leg} if leg else {})
    told = {"notice": "true"} if options.notice else {}
    channel_id = f"{options.stream_id[:10]}.{channel}"
    start = {
        "event": "MEDIA_START",
        "connection_id": _CONNECTION,
        "channel": f"WebSocket/{_CONNECTION}/{channel_id}",
        "channel_id": channel_id,
        "format": "slin",
        "optimal_frame_size": 2 * RATE_HZ * FRAME_MS // 1000,
        "ptime": FRAME_MS,
        "channel_variables": {"MEDIA_WEBSOCKET_CONNECTION_ID": _CONNECTION, **named, **told},
    }
    return RawSpeaker(
        f"{options.url}{'&' if '?' in options.url else '?'}{urlencode(named)}",
        [msgspec.json.encode(start).decode()],
        (channel,),
        basic(options.key),
        (SUBPROTOCOL,),
    )
