"""The platform's side of media streams as JSON text: what those that took over Twilio's manner have in common.

Sans-I/O; this file must never open a socket or read a clock. Each track is a mono channel of the recording in messages
of its own, base64, with the position of its first sample since the stream began; messages are numbered over all
tracks, chunks per track.
"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import msgspec

from streamer_client.dialects.speaker import CallOptions, Message, Samples
from streamer_client.errors import OptionError

RATE_HZ = 8000
FRAME_MS = 20
TRACKS: Mapping[str, str] = {"customer": "inbound", "agent": "outbound"}
"""As the tracks are called where the stream was started on the customer's leg."""


class MediaSpeaker(ABC):
    """One socket of one call.

    Parameters
    ----------
    options : CallOptions
        The call.
    headers : mapping of str to str
        Of the upgrade, credentials included.
    tracks : sequence of str
        One per channel that is carried.
    channels : sequence of int
        Which channels of the recording these are.
    encode : callable
        int16 samples of one channel at 8 kHz to bytes.
    frame_ms : int
        How much audio the platform usually sends at a time.
    """

    subprotocols: tuple[str, ...] = ()
    rate_hz = RATE_HZ
    may_send = True
    is_over = False
    waits_for_server = True

    def __init__(
        self,
        options: CallOptions,
        headers: Mapping[str, str],
        *,
        tracks: Sequence[str],
        channels: Sequence[int],
        encode: Callable[[Samples], bytes],
        frame_ms: int = FRAME_MS,
    ) -> None:
        self.url = options.url
        self.headers = dict(headers)
        self.channels = tuple(channels)
        self.frame_ms = frame_ms
        self._call_id = options.call_id
        self._stream_id = options.stream_id
        self._tracks = tuple(tracks)
        self._parameters = parameters(options)
        self._encode = encode
        self._chunk = 0

    @abstractmethod
    def open(self) -> list[Message]:
        """Return what comes before any media."""

    @abstractmethod
    def close(self) -> list[Message]:
        """Return what comes last."""

    @abstractmethod
    def _media(self, track: str, chunk: int, position_ms: int, payload: str) -> Message:
        """Return a media message; the payload is base64 already."""

    def receive(self, message: Message) -> list[Message]:  # noqa: ARG002 - one interface for all
        """Let pass whatever comes: a listener has nothing to say."""
        return []

    def audio(self, samples: Samples, position_ms: float) -> list[Message]:
        """Return one media message per track; samples at 8 kHz of shape (frames, tracks)."""
        if samples.shape[1] != len(self._tracks):
            raise ValueError(f"got {samples.shape[1]} channels; this stream carries {len(self._tracks)}")
        if not len(samples):
            return []
        self._chunk += 1
        return [
            self._media(
                track,
                self._chunk,
                int(position_ms),
                base64.b64encode(self._encode(samples[:, channel])).decode(),
            )
            for channel, track in enumerate(self._tracks)
        ]

    def pause(self, position_ms: float) -> list[Message]:  # noqa: ARG002 - as receive
        """Return nothing: a call on hold is a jump of the timestamps."""
        return []

    def resume(self, position_ms: float, left_out_ms: float) -> list[Message]:  # noqa: ARG002 - as receive
        """Return nothing."""
        return []


def parameters(options: CallOptions) -> dict[str, str]:
    """Return what the platform's customer sets for a stream: token and notice."""
    found = {"token": options.token} if options.token else {}
    if options.notice:
        found["notice"] = "true"
    return found


def tracks_of(options: CallOptions, whose: str) -> tuple[str, ...]:
    """Return the track of each channel.

    Raises
    ------
    OptionError
        A role that has no track, or the same role twice.
    """
    roles = options.roles
    if not roles or len(set(roles)) != len(roles) or any(role not in TRACKS for role in roles):
        raise OptionError(
            f"got roles {','.join(roles) or '(none)'}; {whose} has two tracks: give customer, agent, or both once each"
        )
    return tuple(TRACKS[role] for role in roles)


def linear(samples: Samples) -> bytes:
    """Return samples as 16 bit, low byte first."""
    return samples.astype("<i2", copy=False).tobytes()


def text(message: Mapping[str, object]) -> str:
    """Return a message as it goes out."""
    return msgspec.json.encode(message).decode()
