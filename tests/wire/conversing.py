"""A platform's side and ours in one process, without a socket: what real conversations in every dialect look like.

For tests that go over all dialects, and for the corpus of the fuzz run. Nothing here may know a dialect by name, but
for AudioSocket, which has a port instead of a path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec
import numpy as np
from streamer_client.dialects import DIALECTS, load
from streamer_client.dialects.speaker import CallOptions, Speaker

from streamer.auth import Upgrade
from streamer.config import Settings
from streamer.platforms import PLATFORMS, audiosocket
from streamer.wire.events import Dialect, Fault, Message, Reply, Start, Stop, WireEvent

SETTINGS = msgspec.convert(
    {"dialects": {"audiocodes": {"participants": {"caller": "customer", "callee": "agent"}}}}, Settings
)
"""The defaults, and what a call of two parties needs beyond them."""
ROLES = ("customer", "agent")
_PLATFORMS = {platform.name: platform for platform in PLATFORMS}
NAMES = (*_PLATFORMS, audiosocket.NAME)
"""Every dialect that the server reads."""
SPOKEN = tuple(name for name in NAMES if name in DIALECTS)
"""Those of them that a replay can speak."""


def reader(name: str, settings: Settings = SETTINGS) -> Callable[[str, dict[str, str]], Dialect]:
    """Return what makes a dialect for a request's target and headers."""
    if name == audiosocket.NAME:
        make = audiosocket.reader(settings)
        return lambda _target, _headers: make()
    read = _PLATFORMS[name].reader(settings)
    return lambda target, headers: read(Upgrade(name, target, headers))


def path_of(name: str) -> str:
    """Return where a dialect's calls come in."""
    return _PLATFORMS[name].path if name in _PLATFORMS else ""


def speakers(name: str, roles: tuple[str, ...] = ROLES, call_id: str = "CA1") -> list[Speaker]:
    """Return the platform's side of one call."""
    url = f"ws://127.0.0.1:8765{path_of(name)}"
    options = CallOptions(url=url, call_id=call_id, roles=roles, stream_id="0123456789abcdef" * 2)
    return load(name).speakers(options)


def dialect_for(name: str, speaker: Speaker, settings: Settings = SETTINGS) -> Dialect:
    """Return our side of a speaker's socket."""
    parts = urlsplit(speaker.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return reader(name, settings)(target, {header.lower(): value for header, value in speaker.headers.items()})


@dataclass
class Heard:
    """What one socket carried."""

    sent: list[Message] = field(default_factory=list)
    """By the platform, in order."""
    events: list[WireEvent] = field(default_factory=list)
    """What that meant."""

    def of(self, *kinds: type[WireEvent]) -> list[WireEvent]:
        """Return the events of some kinds."""
        return [event for event in self.events if isinstance(event, kinds)]


class Conversation:
    """One socket, both sides of it."""

    def __init__(self, dialect: Dialect, speaker: Speaker) -> None:
        self._dialect = dialect
        self._speaker = speaker
        self.heard = Heard()

    def say(self, messages: Iterable[Message]) -> None:
        """Let the platform say something, the server answer, the platform answer that, and so on."""
        waiting = list(messages)
        while waiting:
            message = waiting.pop(0)
            self.heard.sent.append(message)
            waiting += self._answered(self._dialect.receive(message))

    def close(self) -> None:
        """Let the platform close the socket."""
        self._answered(self._dialect.closed())

    def _answered(self, events: list[WireEvent]) -> list[Message]:
        self.heard.events += events
        said: list[Message] = []
        for event in events:
            if isinstance(event, Reply):
                said.append(event.message)
            elif isinstance(event, Start):
                said += self._dialect.ready("session-1", ("customer",))
            elif isinstance(event, Stop):
                said += self._dialect.ended(1)
            elif isinstance(event, Fault):
                said += self._dialect.fault(event)
        return [answer for message in said for answer in self._speaker.receive(message)]


def tone(seconds: float, rate_hz: int, channels: int) -> np.ndarray:
    """Return a signal that is different in every channel, int16[samples, channels]."""
    at = np.arange(round(seconds * rate_hz))[:, np.newaxis] / rate_hz
    return (8000 * np.sin(2 * np.pi * (300 + 200 * np.arange(channels)) * at)).astype(np.int16)


def converse(name: str, speaker: Speaker, *, seconds: float = 0.2, settings: Settings = SETTINGS) -> Heard:
    """Play a whole call on one socket, with a hold in the middle."""
    dialect = dialect_for(name, speaker, settings)
    talk = Conversation(dialect, speaker)
    talk.say(speaker.open())
    assert speaker.may_send, f"the server has not let {name} send"
    samples = tone(seconds, speaker.rate_hz, len(speaker.channels))
    frame = speaker.rate_hz * 20 // 1000
    left_out_ms = 0.0
    for begin in range(0, len(samples), frame):
        position_ms = 1000 * begin / speaker.rate_hz + left_out_ms
        if begin >= len(samples) / 2 and not left_out_ms:
            left_out_ms = 1000.0
            talk.say(speaker.pause(position_ms))
            position_ms += left_out_ms
            talk.say(speaker.resume(position_ms, left_out_ms))
        talk.say(speaker.audio(samples[begin : begin + frame], position_ms))
    talk.say(speaker.close())
    if not speaker.waits_for_server:
        talk.close()
    return talk.heard
