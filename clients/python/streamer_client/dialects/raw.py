"""The platform's side of dialects that stream raw bytes and say next to nothing: what they have in common.

Sans-I/O; this file must never open a socket or read a clock. Audio is 16 bit, low byte first, interleaved by channel,
in messages as long as the blocks that are given; no message says where it belongs.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from streamer_client.dialects.speaker import CallOptions, Message, Samples
from streamer_client.errors import OptionError

RATE_HZ = 8000
FRAME_MS = 20


class RawSpeaker:
    """One socket of one call, which ends when it is closed.

    Parameters
    ----------
    url : str
        Where to connect.
    opening : sequence of str or bytes
        What comes before the audio.
    channels : sequence of int
        Channels of the recording that the socket carries.
    headers : mapping of str to str
        Of the upgrade.
    subprotocols : sequence of str
        Offered in it.
    """

    def __init__(
        self,
        url: str,
        opening: Sequence[Message],
        channels: Sequence[int],
        headers: Mapping[str, str],
        subprotocols: Sequence[str] = (),
    ) -> None:
        self.url = url
        self.headers = dict(headers)
        self.subprotocols = tuple(subprotocols)
        self.channels = tuple(channels)
        self.rate_hz = RATE_HZ
        self.frame_ms = FRAME_MS
        self._opening = list(opening)

    @property
    def may_send(self) -> bool:
        """Always: nothing is waited for."""
        return True

    @property
    def is_over(self) -> bool:
        """Never: the server has no last word."""
        return False

    @property
    def waits_for_server(self) -> bool:
        """Never: closing the socket is what ends the call."""
        return False

    def open(self) -> list[Message]:
        """Return what comes first."""
        return list(self._opening)

    def receive(self, message: Message) -> list[Message]:  # noqa: ARG002  # one interface for all
        """Let pass whatever comes."""
        return []

    def audio(self, samples: Samples, position_ms: float) -> list[Message]:  # noqa: ARG002  # as receive
        """Return one binary message."""
        if samples.shape[1] != len(self.channels):
            raise ValueError(f"got {samples.shape[1]} channels; this socket carries {len(self.channels)}")
        return [samples.astype("<i2", copy=False).tobytes()] if len(samples) else []

    def pause(self, position_ms: float) -> list[Message]:  # noqa: ARG002  # as receive
        """Return nothing: the platform just falls silent."""
        return []

    def resume(self, position_ms: float, left_out_ms: float) -> list[Message]:  # noqa: ARG002  # as receive
        """Return nothing."""
        return []

    def close(self) -> list[Message]:
        """Return nothing."""
        return []


def one_or_two(options: CallOptions, whose: str) -> tuple[int, ...]:
    """Return the channels of a recording of one party or two.

    Raises
    ------
    OptionError
        There are more, or none.
    """
    if len(options.roles) not in (1, 2):
        raise OptionError(f"got {len(options.roles)} roles; {whose} sends one channel or two")
    return tuple(range(len(options.roles)))


def basic(key: str | None) -> dict[str, str]:
    """Return HTTP Basic (RFC 7617) for a key given as ``ID:SECRET``; nothing where none is given.

    Raises
    ------
    OptionError
        The key has no colon.
    """
    if not key:
        return {}
    if ":" not in key:
        raise OptionError("the key has no colon; for Basic give ID:SECRET, the id and secret of one of [[keys]]")
    return {"Authorization": f"Basic {base64.b64encode(key.encode()).decode()}"}


def bearer(key: str | None) -> dict[str, str]:
    """Return a bearer key (RFC 6750); nothing where none is given."""
    return {"Authorization": f"Bearer {key}"} if key else {}
