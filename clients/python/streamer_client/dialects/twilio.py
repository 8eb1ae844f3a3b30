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
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

import msgspec

from streamer_client import g711
from streamer_client.errors import OptionError
from streamer_client.recording import Samples

PATH = "/twilio"
RATE_HZ = 8000
FRAME_MS = 20
FRAME = RATE_HZ * FRAME_MS // 1000
"""Samples of one media message; observed of the platform, not promised by it."""
TRACKS: Mapping[str, str] = {"customer": "inbound", "agent": "outbound"}
SIGNATURE_HEADER = "X-Twilio-Signature"
_ACCOUNT = "AC" + 32 * "0"


class Twilio:
    """One stream of one call; the methods return the messages to send, in order.

    Parameters
    ----------
    call_id : str
        Goes out as ``callSid``.
    stream_sid : str
        ``MZ`` and 32 hexadecimal digits on the real platform; any id that is new for each stream.
    roles : sequence of str
        Who is heard on each channel of the recording: ``customer`` and/or ``agent``.
    parameters : mapping of str to str
        ``customParameters`` of the stream: ``token``, ``notice``, labels.

    Raises
    ------
    OptionError
        A role that has no track, or the same role twice.
    """

    def __init__(
        self, *, call_id: str, stream_sid: str, roles: Sequence[str], parameters: Mapping[str, str] | None = None
    ) -> None:
        strangers = [role for role in roles if role not in TRACKS]
        if strangers or not roles or len(set(roles)) != len(roles):
            raise OptionError(
                f"got roles {','.join(roles) or '(none)'}; a Twilio stream has two tracks: "
                "give customer, agent, or both once each"
            )
        self._call_id = call_id
        self._stream_sid = stream_sid
        self._tracks = tuple(TRACKS[role] for role in roles)
        self._parameters = dict(parameters or {})
        self._sequence = 0
        self._sent_frames = 0
        self._sent_samples = 0

    def open(self) -> list[str]:
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
        return [_text(connected), self._numbered("start", start)]

    def audio(self, samples: Samples) -> list[str]:
        """Return one media message per track for up to 20 ms of the recording.

        Parameters
        ----------
        samples : ndarray of int16, shape (frames, channels)
            8 kHz, 1 to 160 frames; 160 everywhere but at the end of the recording.

        Raises
        ------
        ValueError
            Another number of channels than roles, or more than 20 ms.
        """
        frames, channels = samples.shape
        if channels != len(self._tracks) or not 1 <= frames <= FRAME:
            raise ValueError(
                f"got {frames} frames of {channels} channels; expected 1 to {FRAME} of {len(self._tracks)}: "
                "cut the recording into 20 ms first"
            )
        self._sent_frames += 1
        position_ms = 1000 * self._sent_samples // RATE_HZ
        self._sent_samples += frames
        return [
            self._numbered(
                "media",
                {
                    "track": track,
                    "chunk": str(self._sent_frames),
                    "timestamp": str(position_ms),
                    "payload": base64.b64encode(g711.encode_mulaw(samples[:, channel])).decode(),
                },
            )
            for channel, track in enumerate(self._tracks)
        ]

    def close(self) -> list[str]:
        """Return what comes last: ``stop``."""
        return [self._numbered("stop", {"accountSid": _ACCOUNT, "callSid": self._call_id})]

    def _numbered(self, event: str, body: Mapping[str, object]) -> str:
        self._sequence += 1
        return _text(
            {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self._stream_sid, event: body}
        )


def headers(auth_token: str, url: str) -> dict[str, str]:
    """Return the header that proves where the upgrade request comes from.

    The signature is the base64 of HMAC-SHA1 over the URL alone, since an upgrade has no form parameters, with the
    scheme ``wss`` as it stands in the TwiML: the real platform knows no other, so a plain ``ws`` URL of a test is
    signed as if it were one.
    """
    signed = urlunsplit(urlsplit(url)._replace(scheme="wss"))
    digest = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()
    return {SIGNATURE_HEADER: base64.b64encode(digest).decode()}


def _text(message: Mapping[str, object]) -> str:
    return msgspec.json.encode(message).decode()
