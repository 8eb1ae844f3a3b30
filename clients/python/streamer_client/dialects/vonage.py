"""The platform's side of Vonage Voice API WebSockets: the mix of all channels, and the headers of the NCCO.

Reference: https://developer.vonage.com/en/voice/voice-api/guides/websockets (first message, 20 ms of 16 bit). Sans-I/O;
this file must never open a socket or read a clock.
"""

from __future__ import annotations

import msgspec
import numpy as np

from streamer_client.dialects.raw import RATE_HZ, RawSpeaker, bearer
from streamer_client.dialects.speaker import CallOptions, Message, Samples, Speaker

PATH = "/vonage"
CALL_HEADER = "call-id"


class Vonage(RawSpeaker):
    """One socket of one call; a mix of what is on all channels goes out."""

    def audio(self, samples: Samples, position_ms: float) -> list[Message]:  # noqa: ARG002  # one interface for all
        """Return one binary message."""
        mixed = np.clip(samples.sum(axis=1, keepdims=True, dtype=np.int32), -32768, 32767).astype("<i2")
        return [mixed.tobytes()] if len(mixed) else []


def speakers(options: CallOptions) -> list[Speaker]:
    """Return the socket of one call. Who is heard cannot be said in this dialect: the server's configuration does."""
    call: dict[str, object] = {
        "event": "websocket:connected",
        "content-type": f"audio/l16;rate={RATE_HZ}",
        CALL_HEADER: options.call_id,
    }
    if options.notice:
        call["notice"] = "true"
    first = msgspec.json.encode(call).decode()
    return [Vonage(options.url, [first], range(len(options.roles)), bearer(options.key))]
