"""The platform's side of Exotel's Stream applet, for tests and replays: one channel, linear at 8 kHz, 100 ms a message.

References: https://developer.exotel.com/docs/agentstream/websocket-protocol (messages),
https://developer.exotel.com/docs/agentstream/stream-voicebot-applet (Basic). Sans-I/O; this file must never open a
socket, read a clock, or pretend to be Exotel towards anyone but your own server.
"""

from __future__ import annotations

from streamer_client.dialects.media_json import RATE_HZ, MediaSpeaker, linear, text
from streamer_client.dialects.raw import basic
from streamer_client.dialects.speaker import CallOptions, Message, Speaker
from streamer_client.errors import OptionError

PATH = "/exotel"
FRAME_MS = 100


class Exotel(MediaSpeaker):
    """One stream of one call: the customer's channel, or the only one; the key is ``ID:SECRET``.

    Raises
    ------
    OptionError
        Several channels and none of them the customer's, or a key without a colon.
    """

    def __init__(self, options: CallOptions) -> None:
        roles = options.roles
        if len(roles) != 1 and "customer" not in roles:
            raise OptionError(
                f"got roles {','.join(roles) or '(none)'}; an Exotel stream has one channel: name the customer's"
            )
        super().__init__(
            options,
            basic(options.key),
            tracks=("",),
            channels=(roles.index("customer") if "customer" in roles else 0,),
            encode=linear,
            frame_ms=FRAME_MS,
        )
        self._sequence = 0

    def open(self) -> list[Message]:
        """Return ``connected`` and ``start``; all numbers are texts."""
        start: dict[str, object] = {
            "stream_sid": self._stream_id,
            "call_sid": self._call_id,
            "account_sid": "exotel",
            "media_format": {"encoding": "audio/x-raw", "sample_rate": str(RATE_HZ), "bit_rate": "16"},
        }
        if self._parameters:
            start["custom_parameters"] = self._parameters
        return [text({"event": "connected"}), self._numbered("start", start)]

    def close(self) -> list[Message]:
        """Return ``stop``."""
        return [self._numbered("stop", {"call_sid": self._call_id, "account_sid": "exotel", "reason": "callended"})]

    def _media(self, track: str, chunk: int, position_ms: int, payload: str) -> Message:  # noqa: ARG002 - there is one
        return self._numbered("media", {"chunk": str(chunk), "timestamp": str(position_ms), "payload": payload})

    def _numbered(self, event: str, body: object) -> str:
        self._sequence += 1
        numbered = {"event": event, "sequence_number": str(self._sequence), "stream_sid": self._stream_id}
        return text({**numbered, event: body})


def speakers(options: CallOptions) -> list[Speaker]:
    """Return the one socket of a call."""
    return [Exotel(options)]
