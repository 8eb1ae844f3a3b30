"""The platform's side of Twilio Media Streams: a call as Twilio would stream it, both tracks, for tests and replays.

Reference: https://www.twilio.com/docs/voice/media-streams/websocket-messages (connected, start, media, stop; numbers
as strings), https://www.twilio.com/docs/usage/security (the signature). Sans-I/O; this file must never open a socket,
read a clock, or pretend to be Twilio towards anyone but your own server.

Theory of operation. Tracks are mono mu-law at 8 kHz, 20 ms a message; ``inbound`` is what the platform hears on the
leg where the stream was started, taken here as the customer's, ``outbound`` what it plays to that leg, the agent.
Each message carries the position of its first sample since the start of the stream. ``chunk`` is counted per track:
the vendor's page does not say whether tracks share a counter, and no receiver should care.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from streamer_client import g711
from streamer_client.dialects.media_json import RATE_HZ, MediaSpeaker, text, tracks_of
from streamer_client.dialects.speaker import CallOptions, Message, Speaker

PATH = "/twilio"
SIGNATURE_HEADER = "X-Twilio-Signature"
_ACCOUNT = "AC" + 32 * "0"


class Twilio(MediaSpeaker):
    """One stream of one call, mu-law at 8 kHz; the key is the auth token that signs.

    Raises
    ------
    OptionError
        A role that has no track, or the same role twice.
    """

    def __init__(self, options: CallOptions) -> None:
        tracks = tracks_of(options, "a Twilio stream")
        super().__init__(
            options,
            headers(options.key, options.url) if options.key else {},
            tracks=tracks,
            channels=range(len(tracks)),
            encode=g711.encode_mulaw,
        )
        self._stream_sid = f"MZ{options.stream_id}"
        self._sequence = 0

    def open(self) -> list[Message]:
        """Return what comes before any media: ``connected``, which carries no ids, and ``start``."""
        connected = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        start = {
            "accountSid": _ACCOUNT,
            "callSid": self._call_id,
            "streamSid": self._stream_sid,
            "tracks": sorted(self._tracks),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1},
            "customParameters": self._parameters,
        }
        return [text(connected), self._numbered("start", start)]

    def close(self) -> list[Message]:
        """Return what comes last: ``stop``."""
        return [self._numbered("stop", {"accountSid": _ACCOUNT, "callSid": self._call_id})]

    def _media(self, track: str, chunk: int, position_ms: int, payload: str) -> Message:
        media = {"track": track, "chunk": str(chunk), "timestamp": str(position_ms), "payload": payload}
        return self._numbered("media", media)

    def _numbered(self, event: str, body: Mapping[str, object]) -> str:
        self._sequence += 1
        return text({"event": event, "sequenceNumber": str(self._sequence), "streamSid": self._stream_sid, event: body})


def speakers(options: CallOptions) -> list[Speaker]:
    """Return the one socket of a call."""
    return [Twilio(options)]


def headers(auth_token: str, url: str) -> dict[str, str]:
    """Return the header that proves where the upgrade request comes from.

    The signature is the base64 of HMAC-SHA1 over the URL alone, since an upgrade has no form parameters, with the
    scheme ``wss`` as it stands in the TwiML: the real platform knows no other, so a plain ``ws`` URL of a test is
    signed as if it were one.
    """
    signed = urlunsplit(urlsplit(url)._replace(scheme="wss"))
    digest = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()
    return {SIGNATURE_HEADER: base64.b64encode(digest).decode()}
