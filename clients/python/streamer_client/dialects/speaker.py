"""What every platform's side of a call can do, whatever it looks like on the wire.

`streamer_client.replay` plays recordings through this interface and knows no dialect by name. This file must never
hold behaviour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

Message = str | bytes
Samples = npt.NDArray[np.int16]


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call before its first message."""

    url: str
    """As it is opened, the dialect's path included; signatures are made over it."""
    call_id: str
    roles: tuple[str, ...]
    """Who is heard on each channel of the recording: ``customer``, ``agent`` or ``unknown``."""
    key: str | None = None
    """The credential, in whichever form the platform presents it."""
    token: str | None = None
    """A second secret, for platforms that send one in their first message."""
    notice: bool = False
    """The people heard were told that emotion is inferred."""
    stream_id: str = ""
    """32 random hexadecimal digits, new for each call: for ids, nonces and session names."""
    now_s: float = 0.0
    """Wall-clock time, for signatures that expire."""


class Speaker(Protocol):
    """One socket of one call, as the platform would open it; the methods return what to send, in order."""

    url: str
    """Where to connect, with what the platform adds to the path."""
    headers: dict[str, str]
    """Of the upgrade request, credentials included."""
    subprotocols: tuple[str, ...]
    """Offered in the upgrade."""
    channels: tuple[int, ...]
    """Which channels of the recording this socket carries."""
    rate_hz: int
    """Rate at which it wants the recording."""
    frame_ms: int
    """How much audio it usually sends at a time; `audio` takes any length."""

    @property
    def may_send(self) -> bool:
        """Whether audio may flow: some platforms wait for the server's answer first."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether the server has said its last word, so that the socket may be closed."""
        ...

    @property
    def waits_for_server(self) -> bool:
        """Whether, after `close`, the server is the one to close; if not, this side does when all is sent."""
        ...

    def open(self) -> list[Message]:
        """Return what comes first."""
        ...

    def receive(self, message: Message) -> list[Message]:
        """Take what the server says; return the answers.

        Raises
        ------
        StreamError
            The server refuses or ends the call.
        """
        ...

    def audio(self, samples: Samples, position_ms: float) -> list[Message]:
        """Return the messages for a piece of the recording.

        Parameters
        ----------
        samples : ndarray of int16, shape (frames, len(channels))
            At `rate_hz`; any number of frames.
        position_ms : float
            Media time of the first one, which goes out where the dialect has a clock.
        """
        ...

    def pause(self, position_ms: float) -> list[Message]:
        """Return what says that no audio comes for a while; nothing where the platform just falls silent."""
        ...

    def resume(self, position_ms: float, left_out_ms: float) -> list[Message]:
        """Return what says that audio comes again, after so much media time was left out."""
        ...

    def close(self) -> list[Message]:
        """Return what comes last."""
        ...


Speakers = Callable[[CallOptions], list[Speaker]]
"""Makes the sockets of one call: one for most platforms, one per party for some.

Raises `OptionError` where roles or credentials cannot be said in the dialect.
"""
