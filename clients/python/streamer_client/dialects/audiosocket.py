"""The platform's side of Asterisk's AudioSocket: one party's audio in packets over TCP, for tests and replays.

Reference: https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/. Sans-I/O; this file must never open a
socket, read a clock, or pretend to be Asterisk towards anyone but your own server.

Theory of operation. The UUID goes first, then 20 ms of signed linear audio at 8 kHz a packet. A stream has one party
and cannot say which, so of a recording with several the customer's channel is sent. The end is the end of the stream:
Asterisk says no more than that.
"""

from __future__ import annotations

import uuid

from streamer_client.dialects.raw import RawSpeaker
from streamer_client.dialects.speaker import CallOptions, Message, Samples, Speaker
from streamer_client.errors import OptionError

PATH = ""
"""None: the dialect has a port of its own, as in ``tcp://127.0.0.1:8766``."""
UUID, SLIN = 0x01, 0x10
_MAX_PAYLOAD = 65_534
"""The longest that a packet can hold, in whole samples."""


class AudioSocket(RawSpeaker):
    """One stream.

    Parameters
    ----------
    options : CallOptions
        `call_id` goes out as it is where it is a UUID; else as the UUID that is always made from it, :func:`uuid_of`.

    Raises
    ------
    OptionError
        A recording of several parties without exactly one customer.
    """

    def __init__(self, options: CallOptions) -> None:
        opening = _packet(UUID, uuid_of(options.call_id).bytes)
        super().__init__(options.url, [opening], (_heard(options.roles),), {})

    def audio(self, samples: Samples, position_ms: float) -> list[Message]:
        """Return as few packets as hold the samples."""
        return [
            _packet(SLIN, data[begin : begin + _MAX_PAYLOAD])
            for data in super().audio(samples, position_ms)
            if isinstance(data, bytes)
            for begin in range(0, len(data), _MAX_PAYLOAD)
        ]


def uuid_of(call_id: str) -> uuid.UUID:
    """Return the UUID that a call id is, or that is always made from it."""
    try:
        return uuid.UUID(call_id)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_URL, f"emotion-streamer:{call_id}")


def speakers(options: CallOptions) -> list[Speaker]:
    """Return the one stream of a call.

    Raises
    ------
    OptionError
        A recording of several parties without exactly one customer.
    """
    return [AudioSocket(options)]


def _heard(roles: tuple[str, ...]) -> int:
    """Return the channel that is sent."""
    if len(roles) == 1:
        return 0
    if roles.count("customer") != 1:
        raise OptionError(
            f"got roles {','.join(roles) or '(none)'}; AudioSocket carries one party: name one channel customer"
        )
    return roles.index("customer")


def _packet(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload
