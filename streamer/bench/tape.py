"""A call as the frames of one dialect, ready to be sent: all but the first ones, which name the call.

Sequence numbers, chunks and timestamps are what the platform would send: the frames come from
`streamer_client.dialects`. One tape serves any number of calls, each of which plays it from its own beginning, so
hundreds of calls cost the memory of a few. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamer_client import dialects
from streamer_client.connection import with_path
from streamer_client.dialects import native
from streamer_client.dialects.speaker import CallOptions, Message, Speaker

from streamer.bench.frames import frame
from streamer.bench.speech import RATE_HZ, ROLES, Samples, Talk

DIALECTS: Final = ("twilio", "native")
FRAMES_MS: Final = (20, 40, 60, 80, 100)
"""Lengths of frames; 400 ms of hangover are a whole number of most of them."""
LEGS: Final = 2
"""Of each call: both parties are streamed."""


@dataclass(frozen=True)
class Tape:
    """What one call sends."""

    talk: Talk
    stream_id: str
    """32 hexadecimal digits; calls of one tape have it in common, as nothing but their own socket asks for it."""
    senders: tuple[tuple[bytes, ...], ...]
    """For each leg that has messages of its own, its frames, one for each period; Twilio two, native one."""
    frame_ms: int

    def frame_that_holds(self, sample: int) -> int:
        """Return the number of the frame in which a sample of a leg is sent."""
        return sample // (self.frame_ms * RATE_HZ // 1000)


def tape(dialect: str, talk: Talk, frame_ms: int, stream_id: str) -> Tape:
    """Return a call on tape.

    Parameters
    ----------
    dialect
        One of `DIALECTS`; mu-law in both.
    talk
        What is said.
    frame_ms
        Length of a frame in ms, 20 or more.
    stream_id
        32 hexadecimal digits.
    """
    speaker = _speaker(dialect, "the-call-of-this-tape", stream_id)
    speaker.open()  # counts its messages
    step = frame_ms * RATE_HZ // 1000
    rounds = [
        tuple(map(frame, _audio(speaker, talk.samples[begin : begin + step], begin * 1000 / RATE_HZ)))
        for begin in range(0, len(talk.samples) // step * step, step)
    ]
    return Tape(talk, stream_id, tuple(zip(*rounds, strict=True)), frame_ms)


def path(dialect: str) -> str:
    """Return the path at which a server takes a dialect."""
    return dialects.load(dialect).path


def opening(dialect: str, call_id: str, stream_id: str) -> bytes:
    """Return the frames that begin a call."""
    return b"".join(map(frame, _speaker(dialect, call_id, stream_id).open()))


def closing(dialect: str, call_id: str, stream_id: str) -> bytes:
    """Return the frames that end a call."""
    return b"".join(map(frame, _speaker(dialect, call_id, stream_id).close()))


def _audio(speaker: Speaker, samples: Samples, position_ms: float) -> list[Message]:
    return speaker.audio(samples[:, list(speaker.channels)], position_ms)


def _speaker(dialect: str, call_id: str, stream_id: str) -> Speaker:
    kind = dialects.load(dialect)
    options = CallOptions(url=with_path("ws://127.0.0.1", kind.path), call_id=call_id, roles=ROLES, stream_id=stream_id)
    if dialect == "native":
        return native.Native(options, encoding=native.Encoding.PCMU)
    (speaker,) = kind.speakers(options)
    return speaker
