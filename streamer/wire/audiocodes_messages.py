"""The messages of AudioCodes' Bot API that a listener reads, as far as it reads them.

Reference: https://techdocs.audiocodes.com/voice-ai-connect/Content/Bot-API/ac-bot-api-streaming.htm. This file must
never name a field that may hold a pressed digit or a telephone number, and never know what a message is for.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from streamer.wire.events import Fault
from streamer.wire.reading import read_json

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Initiate(msgspec.Struct, frozen=True, rename="camel", tag="session.initiate"):
    """The platform offers a session."""

    conversation_id: _Id
    supported_media_formats: list[str]


class ResumeSession(msgspec.Struct, frozen=True, rename="camel", tag="session.resume"):
    """The platform carries a session on, over another socket."""

    conversation_id: _Id


class EndSession(msgspec.Struct, frozen=True, rename="camel", tag="session.end"):
    """The session is over."""

    conversation_id: str | None = None


class StreamStart(msgspec.Struct, frozen=True, rename="camel", tag="userStream.start"):
    """A participant's audio is about to come."""

    conversation_id: str | None = None
    participant: str | None = None


class StreamChunk(msgspec.Struct, frozen=True, rename="camel", tag="userStream.chunk"):
    """Some of a participant's audio."""

    audio_chunk: bytes
    """Base64 on the wire."""
    conversation_id: str | None = None
    participant: str | None = None


class StreamStop(msgspec.Struct, frozen=True, rename="camel", tag="userStream.stop"):
    """No more of a participant's audio comes for now."""

    conversation_id: str | None = None
    participant: str | None = None


class Activity(msgspec.Struct, frozen=True, rename="camel"):
    """An activity as far as it is read: never its value, which may be a pressed digit."""

    parameters: Any = None
    activity_params: Any = None


class Activities(msgspec.Struct, frozen=True, rename="camel", tag="activities"):
    """What happened, or is told, beside the audio."""

    activities: list[Activity] = []
    conversation_id: str | None = None


class Validate(msgspec.Struct, frozen=True, tag="connection.validate"):
    """A probe of the connection."""


class _Probe(msgspec.Struct, frozen=True):
    type: str


Stream = StreamStart | StreamChunk | StreamStop
"""About one participant's audio."""
Known = Initiate | ResumeSession | EndSession | Stream | Activities | Validate
"""All that is read."""

_KNOWN: Final = frozenset(
    {
        "session.initiate",
        "session.resume",
        "session.end",
        "userStream.start",
        "userStream.chunk",
        "userStream.stop",
        "activities",
        "connection.validate",
    }
)
_decoder: Final[msgspec.json.Decoder[Known]] = msgspec.json.Decoder(Known)
_probe_decoder: Final = msgspec.json.Decoder(_Probe)


def read_message(text: str) -> Known | Fault | None:
    """Read one message: what it is, or what is wrong with it; None for a type that is not known here."""
    try:
        return read_json(_decoder, text)
    except msgspec.ValidationError as problem:
        what = str(problem)
    except msgspec.DecodeError as problem:
        return no_json(problem)
    try:
        kind = read_json(_probe_decoder, text).type
    except msgspec.DecodeError as problem:
        return no_json(problem)
    if kind == "activities":
        return Activities()  # what they hold is the platform's business, and no reason to lose a call
    return Fault("bad_message", f"'{kind}' is not as documented: {what}") if kind in _KNOWN else None


def no_json(problem: msgspec.DecodeError) -> Fault:
    """Return what is wrong with a text that is no message at all."""
    return Fault("bad_json", f"a message is no JSON object with a text field 'type': {problem}")
