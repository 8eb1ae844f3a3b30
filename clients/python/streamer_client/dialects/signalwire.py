"""The platform's side of SignalWire's cXML streams, for tests and replays: Twilio's messages with other ids.

Reference: https://developer.signalwire.com/compatibility-api/cxml/voice/stream. Sans-I/O; this file must never open a
socket, read a clock, or pretend to be SignalWire towards anyone but your own server.
"""

from __future__ import annotations

from streamer_client import g711
from streamer_client.dialects.media_json import RATE_HZ, MediaSpeaker, text, tracks_of
from streamer_client.dialects.raw import bearer
from streamer_client.dialects.speaker import CallOptions, Message, Speaker

PATH = "/signalwire"


class SignalWire(MediaSpeaker):
    """One stream of one call, mu-law at 8 kHz; the key is the bearer token.

    Raises
    ------
    OptionError
        A role that has no track, or the same role twice.
    """

    def __init__(self, options: CallOptions) -> None:
        tracks = tracks_of(options, "a SignalWire stream")
        super().__init__(
            options,
            bearer(options.key),
            tracks=tracks,
            channels=range(len(tracks)),
            encode=g711.encode_mulaw,
        )
        self._sequence = 0

    def open(self) -> list[Message]:
        """Return ``connected`` and ``start``; parameters are absent where there are none."""
        start: dict[str, object] = {
            "streamSid": self._stream_id,
            "accountSid": "00000000-0000-0000-0000-000000000000",
            "callSid": self._call_id,
            "tracks": sorted(self._tracks),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1},
        }
        if self._parameters:
            start["customParameters"] = self._parameters
        connected = {"event": "connected", "protocol": "Call", "version": "0.2.0"}
        return [text(connected), self._numbered("start", start=start)]

    def close(self) -> list[Message]:
        """Return ``stop``, which has no body."""
        return [self._numbered("stop")]

    def _media(self, track: str, chunk: int, position_ms: int, payload: str) -> Message:
        media = {"track": track, "chunk": str(chunk), "timestamp": str(position_ms), "payload": payload}
        return self._numbered("media", media=media)

    def _numbered(self, event: str, **body: object) -> str:
        self._sequence += 1
        return text({"event": event, "sequenceNumber": str(self._sequence), **body})


def speakers(options: CallOptions) -> list[Speaker]:
    """Return the one socket of a call."""
    return [SignalWire(options)]
