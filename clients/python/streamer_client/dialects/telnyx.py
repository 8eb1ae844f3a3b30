"""The platform's side of Telnyx media streaming, for tests and replays: PCMU, both tracks.

Reference: https://developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket (frames, header of
the token). Sans-I/O; this file must never open a socket, read a clock, or pretend to be Telnyx towards anyone but your
own server.
"""

from __future__ import annotations

from streamer_client import g711
from streamer_client.dialects.media_json import RATE_HZ, MediaSpeaker, text, tracks_of
from streamer_client.dialects.speaker import CallOptions, Message, Speaker

PATH = "/telnyx"
AUTH_HEADER = "x-telnyx-streaming-auth-token"


class Telnyx(MediaSpeaker):
    """One stream of one call; the key is the ``stream_auth_token``.

    Raises
    ------
    OptionError
        A role that has no track, or the same role twice.
    """

    def __init__(self, options: CallOptions) -> None:
        tracks = tracks_of(options, "a Telnyx stream")
        super().__init__(
            options,
            {AUTH_HEADER: options.key} if options.key else {},
            tracks=tracks,
            channels=range(len(tracks)),
            encode=g711.encode_mulaw,
        )
        self._sequence = 0

    def open(self) -> list[Message]:
        """Return ``connected`` and ``start``, which names no tracks."""
        start: dict[str, object] = {
            "user_id": "00000000-0000-0000-0000-000000000000",
            "call_control_id": self._call_id,
            "call_session_id": self._stream_id,
            "media_format": {"encoding": "PCMU", "sample_rate": RATE_HZ, "channels": 1},
        }
        if self._parameters:
            start["custom_parameters"] = self._parameters
        return [text({"event": "connected", "version": "1.0.0"}), self._numbered("start", start)]

    def close(self) -> list[Message]:
        """Return ``stop``."""
        return [self._numbered("stop", {"call_control_id": self._call_id})]

    def _media(self, track: str, chunk: int, position_ms: int, payload: str) -> Message:
        media = {"track": track, "chunk": str(chunk), "timestamp": str(position_ms), "payload": payload}
        return self._numbered("media", media)

    def _numbered(self, event: str, body: object) -> str:
        self._sequence += 1
        numbered = {"event": event, "sequence_number": str(self._sequence), "stream_id": self._stream_id}
        return text({**numbered, event: body})


def speakers(options: CallOptions) -> list[Speaker]:
    """Return the one socket of a call."""
    return [Telnyx(options)]
