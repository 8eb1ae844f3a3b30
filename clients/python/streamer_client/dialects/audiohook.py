"""Genesys' side of AudioHook Monitor: a session as Genesys Cloud would open it, for tests and replays.

Reference: https://github.com/purecloudlabs/audiohook-reference-implementation at 2871b01 (client session and signature
builder). Sans-I/O; this file must never open a socket, read a clock, or pretend to be Genesys towards anyone but your
own server.

Theory of operation. ``open`` offers the recording's channels together and each alone, and audio waits for ``opened``.
Samples alternate in the order of the channels that the server chose. There is no timer: a ``ping`` goes out with the
audio, the first after a second of it, then every five, and never two without a ``pong`` between. ``position`` counts
what was sent and what was left out. A ``disconnect`` is answered by ``close``; ``closed`` ends the session either way,
and it is this side that closes the socket.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from enum import Enum, auto
from urllib.parse import urlsplit

import msgspec
import numpy as np

from streamer_client import g711
from streamer_client.dialects.speaker import CallOptions, Message, Samples, Speaker
from streamer_client.errors import OptionError, StreamError

PATH = "/audiohook"
RATE_HZ = 8000
FRAME_MS = 200
CHANNELS: Mapping[str, str] = {"customer": "external", "agent": "internal"}
FIRST_PING_MS = 1000.0
PING_EVERY_MS = 5000.0
LIFETIME_S = 30
"""Of a signature."""
ORGANIZATION = str(uuid.uuid5(uuid.NAMESPACE_URL, "https://example.com/emotion-streamer"))
"""Made up: the same one for all replays."""

_DEFAULT_PORTS = {"wss": 443, "https": 443, "ws": 80, "http": 80}
_CALLER = {"ani": "", "aniName": "", "dnis": ""}


class _Media(msgspec.Struct, frozen=True):
    channels: tuple[str, ...]


class _Parameters(msgspec.Struct, frozen=True):
    """Those of `opened` and of `disconnect`; the others have none that matter here."""

    media: tuple[_Media, ...] = ()
    reason: str = "error"
    info: str = "the server disconnects"


class _Said(msgspec.Struct, frozen=True):
    """A server's message."""

    type: str
    seq: int
    clientseq: int
    parameters: _Parameters = _Parameters()


_decoder = msgspec.json.Decoder(_Said)


class _State(Enum):
    OPENING = auto()
    OPEN = auto()
    PAUSED = auto()
    CLOSING = auto()
    CLOSED = auto()


class AudioHook:
    """One session of one call.

    Parameters
    ----------
    options : CallOptions
        ``key`` is ``API-KEY:CLIENT-SECRET`` with the secret in base64 as the integration shows it, or the API key alone
        for an unsigned session.
    media_format : str
        ``PCMU`` or ``L16`` (little-endian).

    Raises
    ------
    OptionError
        A role that has no channel, the same role twice, or a client secret that is no base64.
    """

    rate_hz = RATE_HZ
    frame_ms = FRAME_MS
    subprotocols: tuple[str, ...] = ()
    waits_for_server = True

    def __init__(self, options: CallOptions, media_format: str = "PCMU") -> None:
        strangers = [role for role in options.roles if role not in CHANNELS]
        if strangers or not options.roles or len(set(options.roles)) != len(options.roles):
            raise OptionError(
                f"got roles {','.join(options.roles) or '(none)'}; an AudioHook session has two sides: "
                "give customer, agent, or both once each"
            )
        self.url = options.url
        self.channels = tuple(range(len(options.roles)))
        self.session_id = _uuid("session", options)
        self.headers = headers(options, self.session_id)
        self._names = tuple(CHANNELS[role] for role in options.roles)
        self._offer = [self._names] if len(self._names) == 1 else [self._names, *((name,) for name in self._names)]
        self._format = media_format
        self._options = options
        self._state = _State.OPENING
        self._taken: tuple[int, ...] = ()
        """Channels of the recording, in the order in which the server wants them."""
        self._seq = 0
        self._serverseq = 0
        self._position = 0
        """Samples that were sent or left out."""
        self._next_ping_ms = FIRST_PING_MS
        self._unanswered_ping: int | None = None
        self._farewell: StreamError | None = None

    @property
    def may_send(self) -> bool:
        """Whether the server has opened the session with media and not paused it."""
        return self._state is _State.OPEN and bool(self._taken)

    @property
    def is_over(self) -> bool:
        """Whether the server has said `closed`."""
        return self._state is _State.CLOSED

    def open(self) -> list[Message]:
        """Return `open`, with what the recording has to offer."""
        parameters = {
            "organizationId": ORGANIZATION,
            "conversationId": self._options.call_id,
            "participant": {"id": _uuid("participant", self._options), **_CALLER},
            "media": [
                {"type": "audio", "format": self._format, "channels": names, "rate": RATE_HZ} for names in self._offer
            ],
            "language": "en-US",
        }
        if self._options.notice:
            parameters["customConfig"] = {"notice": True}
        return [self._say("open", parameters)]

    def receive(self, message: Message) -> list[Message]:
        """Take what the server says; return the answers.

        Raises
        ------
        StreamError
            The server breaks the protocol, or has ended the session by `disconnect`, once that is through.
        """
        said = self._read(message)
        answers: list[Message] = []
        match said.type:
            case "opened":
                self._begin(said)
            case "pong":
                self._take_pong(said)
            case "pause" if self._state in (_State.OPEN, _State.PAUSED):
                self._state = _State.PAUSED
                answers = [self._say("paused", {})]
            case "resume" if self._state in (_State.OPEN, _State.PAUSED):
                self._state = _State.OPEN
                answers = [self._left_out("resumed", 0)]
            case "disconnect":
                answers = self._disconnect(said)
            case "closed":
                self._end()
        return answers

    def audio(self, samples: Samples, position_ms: float) -> list[Message]:
        """Return a binary message of alternating samples, and what else is due at this position."""
        at = round(position_ms * RATE_HZ / 1000)
        messages: list[Message] = []
        if at > self._position:
            messages.append(self._left_out("discarded", at - self._position))
        wanted = np.ascontiguousarray(samples[:, list(self._taken)])
        messages.append(g711.encode_mulaw(wanted) if self._format == "PCMU" else wanted.astype("<i2").tobytes())
        self._position += len(samples)
        sent_ms = self._position * 1000 / RATE_HZ
        if sent_ms >= self._next_ping_ms and self._unanswered_ping is None:
            self._next_ping_ms = sent_ms + PING_EVERY_MS
            messages.append(self._say("ping", {}))
            self._unanswered_ping = self._seq
        return messages

    def pause(self, position_ms: float) -> list[Message]:  # noqa: ARG002 - the message says what was sent, not where
        """Return `paused`."""
        return [self._say("paused", {})]

    def resume(self, position_ms: float, left_out_ms: float) -> list[Message]:  # noqa: ARG002 - as pause
        """Return `resumed`, with what was left out."""
        return [self._left_out("resumed", round(left_out_ms * RATE_HZ / 1000))]

    def close(self) -> list[Message]:
        """Return `close`; nothing where it has been said already."""
        if self._state in (_State.CLOSING, _State.CLOSED):
            return []
        self._state = _State.CLOSING
        return [self._say("close", {"reason": "end"})]

    def _say(self, kind: str, parameters: Mapping[str, object]) -> str:
        self._seq += 1
        message = {
            "version": "2",
            "id": self.session_id,
            "type": kind,
            "seq": self._seq,
            "serverseq": self._serverseq,
            "position": _duration(self._position),
            "parameters": parameters,
        }
        return msgspec.json.encode(message).decode()

    def _left_out(self, kind: str, samples: int) -> str:
        start = _duration(self._position)
        self._position += samples
        return self._say(kind, {"start": start, "discarded": _duration(samples)})

    def _read(self, message: Message) -> _Said:
        try:
            said = _decoder.decode(message)
        except msgspec.DecodeError as problem:
            raise StreamError("protocol", f"the server said what is no AudioHook message: {problem}") from problem
        if said.seq != self._serverseq + 1 or said.clientseq > self._seq:
            raise StreamError(
                "protocol",
                f"the server's '{said.type}' has seq {said.seq} and clientseq {said.clientseq}; expected "
                f"{self._serverseq + 1} and {self._seq} at most",
            )
        self._serverseq = said.seq
        return said

    def _begin(self, said: _Said) -> None:
        chosen = [media.channels for media in said.parameters.media]
        if self._state is not _State.OPENING or len(chosen) != 1 or chosen[0] not in self._offer:
            raise StreamError("protocol", f"the server opened with the channels {chosen}; offered were {self._offer}")
        self._taken = tuple(map(self._names.index, chosen[0]))
        self._state = _State.OPEN

    def _take_pong(self, said: _Said) -> None:
        if said.clientseq != self._unanswered_ping:
            raise StreamError("protocol", f"a pong for message {said.clientseq}; the ping was {self._unanswered_ping}")
        self._unanswered_ping = None

    def _disconnect(self, said: _Said) -> list[Message]:
        if self._state in (_State.CLOSING, _State.CLOSED):
            return []
        self._farewell = StreamError(said.parameters.reason, said.parameters.info)
        self._state = _State.CLOSING
        return [self._say("close", {"reason": "disconnect"})]

    def _end(self) -> None:
        if self._state is not _State.CLOSING:
            raise StreamError("protocol", "the server said 'closed' to a session that was not closing")
        self._state = _State.CLOSED
        if self._farewell is not None:
            raise self._farewell


def speakers(options: CallOptions) -> list[Speaker]:
    """Return the one session of a call."""
    return [AudioHook(options)]


def headers(options: CallOptions, session_id: str) -> dict[str, str]:
    """Return the upgrade's headers, signed where the key has a client secret.

    Raises
    ------
    OptionError
        The client secret is no base64.
    """
    named = {
        "Audiohook-Organization-Id": ORGANIZATION,
        "Audiohook-Session-Id": session_id,
        "Audiohook-Correlation-Id": _uuid("correlation", options),
    }
    if not options.key:
        return named
    api_key, colon, secret = options.key.partition(":")
    named["X-API-KEY"] = api_key
    if not colon:
        return named
    try:
        client_secret = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise OptionError("the key's client secret is no base64; give the key as API-KEY:CLIENT-SECRET") from problem
    nonce = base64.b64encode(hashlib.sha256(f"nonce {options.stream_id}".encode()).digest()[:16]).decode()
    created_s = int(options.now_s)
    return named | signature(
        named, options.url, client_secret, nonce=nonce, created_s=created_s, expires_s=created_s + LIFETIME_S
    )


def signature(
    named: Mapping[str, str], url: str, client_secret: bytes, *, nonce: str, created_s: int, expires_s: int
) -> dict[str, str]:
    """Return the two headers of a signature (HTTP message signatures, draft 11) over request line, host and headers.

    Parameters
    ----------
    named : mapping of str to str
        The headers to cover, ``X-API-KEY`` among them.
    created_s, expires_s : int
        Seconds since the epoch.
    """
    parts = urlsplit(url)
    covered = {
        "@request-target": (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        "@authority": parts.netloc.lower().removesuffix(f":{_DEFAULT_PORTS.get(parts.scheme, 443)}"),
        **{name.lower(): value for name, value in named.items()},
    }
    listed = " ".join(f'"{name}"' for name in covered)
    parameters = (
        f'({listed});keyid="{named["X-API-KEY"]}";nonce="{nonce}";alg="hmac-sha256"'
        f";created={created_s};expires={expires_s}"
    )
    lines = [f'"{name}": {value}' for name, value in covered.items()]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    digest = base64.b64encode(hmac.digest(client_secret, base.encode(), "sha256")).decode()
    return {"Signature-Input": f"sig1={parameters}", "Signature": f"sig1=:{digest}:"}


def _uuid(what: str, options: CallOptions) -> str:
    """Return an id of this call, always the same for the same stream id."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{what} {options.stream_id} {options.call_id}"))


def _duration(samples: int) -> str:
    """Return a number of samples as an ISO 8601 duration, exactly: a sample is 0.125 ms."""
    seconds, rest = divmod(samples, RATE_HZ)
    return f"PT{seconds}.{rest * 1_000_000 // RATE_HZ:06d}".rstrip("0").rstrip(".") + "S"
