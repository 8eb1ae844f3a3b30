"""The platform's side of AudioCodes' Bot API in streaming mode: a call of one or two participants.

Reference: https://techdocs.audiocodes.com/voice-ai-connect/Content/Bot-API/ac-bot-api-streaming.htm. Sans-I/O; this
file must never open a socket, read a clock, or pretend to be AudioCodes towards anyone but your own server.

Theory of operation. The session is offered and must be accepted, then a stream for each participant, which must be
acknowledged; only then does audio flow, 20 ms a message at 8 kHz, in the format that the server chose. A pause stops
the streams and starts them again. After ``session.end`` the server closes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from streamer_client import g711
from streamer_client.dialects.raw import FRAME_MS, RATE_HZ, bearer
from streamer_client.dialects.speaker import CallOptions, Message, Samples, Speaker
from streamer_client.errors import CallRefused, OptionError, StreamError

PATH = "/audiocodes"
PARTICIPANTS: Mapping[str, str] = {"customer": "caller", "agent": "callee"}
"""Role to participant; only ``caller`` stands in the server's default configuration."""
ENCODERS: Mapping[str, Callable[[Samples], bytes]] = {
    "raw/lpcm16_8": lambda samples: samples.astype("<i2", copy=False).tobytes(),
    "raw/mulaw": g711.encode_mulaw,
}
"""The formats that are offered, in this order."""

_replies = msgspec.json.Decoder(dict[str, Any])


class AudioCodes:
    """One session.

    Parameters
    ----------
    options : CallOptions
        `key` is the bot's token.

    Raises
    ------
    OptionError
        A role that has no participant, or the same role twice.
    """

    subprotocols: tuple[str, ...] = ()
    rate_hz = RATE_HZ
    frame_ms = FRAME_MS
    waits_for_server = True

    def __init__(self, options: CallOptions) -> None:
        roles = options.roles
        if not roles or len(set(roles)) != len(roles) or not set(roles) <= PARTICIPANTS.keys():
            raise OptionError(
                f"got roles {','.join(roles) or '(none)'}; a session has a caller and a callee: "
                "give customer, agent, or both once each"
            )
        self.url = options.url
        self.headers = bearer(options.key)
        self.channels = tuple(range(len(roles)))
        self._conversation = options.call_id
        self._participants = tuple(PARTICIPANTS[role] for role in roles)
        self._notice = options.notice
        self._accepted = False
        self._encode = ENCODERS["raw/mulaw"]
        self._started: set[str] = set()

    @property
    def may_send(self) -> bool:
        """Whether the server has acknowledged every participant's stream."""
        return len(self._started) == len(self._participants)

    @property
    def is_over(self) -> bool:
        """Never: the server closes."""
        return False

    def open(self) -> list[Message]:
        """Return ``session.initiate``."""
        offer = {"expectAudioMessages": True, "botName": "listener", "supportedMediaFormats": list(ENCODERS)}
        return [self._text("session.initiate", **offer)]

    def receive(self, message: Message) -> list[Message]:
        """Take what the server says; return the streams' starts once it accepts.

        Raises
        ------
        CallRefused
            It declines the session, or answers in a way that is not the Bot API's.
        StreamError
            It ends the session.
        """
        said = _read(message)
        kind = said.get("type")
        if kind == "session.accepted" and not self._accepted:
            chosen = str(said.get("mediaFormat"))
            if chosen not in ENCODERS:
                raise CallRefused("bad_reply", f"the server chose the format {chosen!r}, which was not offered")
            self._accepted, self._encode = True, ENCODERS[chosen]
            start = {"type": "event", "name": "start", "parameters": {"notice": "true"} if self._notice else {}}
            return [self._text("activities", activities=[start]), *self._streams("start")]
        if kind == "userStream.started":
            self._started.add(str(said.get("participant", self._participants[0])))
        elif kind == "session.error":
            raise (StreamError if self._accepted else CallRefused)(
                "session.error", str(said.get("reason", "the server gave no reason"))
            )
        return []

    def audio(self, samples: Samples, position_ms: float) -> list[Message]:  # noqa: ARG002 - one interface for all
        """Return a chunk for each participant; there is no clock on the wire."""
        return [
            self._text(
                "userStream.chunk",
                participant=participant,
                audioChunk=base64.b64encode(self._encode(np.ascontiguousarray(samples[:, channel]))).decode(),
            )
            for channel, participant in enumerate(self._participants)
        ]

    def pause(self, position_ms: float) -> list[Message]:  # noqa: ARG002 - as audio
        """Return the stops of the streams."""
        return self._streams("stop")

    def resume(self, position_ms: float, left_out_ms: float) -> list[Message]:  # noqa: ARG002 - as audio
        """Return the starts of the streams; nothing is left out until the server has acknowledged them again."""
        return self._streams("start")

    def close(self) -> list[Message]:
        """Return the stops of the streams and ``session.end``."""
        end = self._text("session.end", reasonCode="client-disconnected", reason="Client Side")
        return [*self._streams("stop"), end]

    def _streams(self, what: str) -> list[Message]:
        return [self._text(f"userStream.{what}", participant=participant) for participant in self._participants]

    def _text(self, kind: str, **fields: object) -> str:
        return msgspec.json.encode({"conversationId": self._conversation, "type": kind, **fields}).decode()


def speakers(options: CallOptions) -> list[Speaker]:
    """Return the one socket of a call.

    Raises
    ------
    OptionError
        A role that has no participant, or the same role twice.
    """
    return [AudioCodes(options)]


def _read(message: Message) -> dict[str, Any]:
    try:
        return _replies.decode(message)
    except msgspec.DecodeError as problem:
        raise CallRefused("bad_reply", f"the server said something that is not the Bot API: {problem}") from problem
