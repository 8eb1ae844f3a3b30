"""The platform's side of Plivo's audio streams, for tests and replays: linear at 8 kHz, without a word at the end.

References: https://docs.plivo.com/docs/voice/xml/audiostream, the package plivo-stream-sdk (numbers as numbers, extra
headers as a text). Sans-I/O; this file must never open a socket, read a clock, or pretend to be Plivo towards anyone
but your own server.
"""

from __future__ import annotations

from streamer_client.dialects.media_json import RATE_HZ, MediaSpeaker, linear, text, tracks_of
from streamer_client.dialects.raw import basic, bearer
from streamer_client.dialects.speaker import CallOptions, Message, Speaker

PATH = "/plivo"


class Plivo(MediaSpeaker):
    """One stream of one call; the token goes into the extra headers, a key into ``Authorization``.

    Raises
    ------
    OptionError
        A role that has no track, or the same role twice.
    """

    waits_for_server = False

    def __init__(self, options: CallOptions) -> None:
        tracks = tracks_of(options, "a Plivo stream")
        super().__init__(
            options,
            basic(options.key) if ":" in (options.key or "") else bearer(options.key),
            tracks=tracks,
            channels=range(len(tracks)),
            encode=linear,
        )
        self._sequence = -1

    def open(self) -> list[Message]:
        """Return ``start``; nothing comes before it."""
        start = {
            "callId": self._call_id,
            "streamId": self._stream_id,
            "accountId": "MA" + 18 * "0",
            "tracks": sorted(self._tracks),
            "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": RATE_HZ},
        }
        return [self._numbered({"event": "start", "start": start})]

    def close(self) -> list[Message]:
        """Return nothing: the socket is closed, and that is the end."""
        return []

    def _media(self, track: str, chunk: int, position_ms: int, payload: str) -> Message:
        media = {"track": track, "timestamp": str(position_ms), "chunk": chunk, "payload": payload}
        return self._numbered({"event": "media", "streamId": self._stream_id, "media": media})

    def _numbered(self, message: dict[str, object]) -> str:
        self._sequence += 1
        return text({**message, "sequenceNumber": self._sequence, "extra_headers": text(self._parameters)})


def speakers(options: CallOptions) -> list[Speaker]:
    """Return the one socket of a call."""
    return [Plivo(options)]
