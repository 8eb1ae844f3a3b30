"""What is promised of every dialect, held against whatever it says; for the tests over all of them and the fuzz run."""

from __future__ import annotations

import math
import re

from streamer_client.dialects.speaker import Message
from streamer_client.events import (
    CallRef,
    Cut,
    Emotion,
    Latency,
    ModelRef,
    PartialEvent,
    Quality,
    Utterance,
    UtteranceData,
    UtteranceEvent,
    encode,
)
from streamer_client.events import Speaker as Who

from streamer.wire.events import Audio, Dialect, Fault, Reply, Start, Stop, WireEvent

CLOSE_CODES = {1008, 1009, 1011}
"""Those of the contract with which a stream ends for what its peer said; 3000 and above would be a vendor's own."""
MAX_FAULT = 600
"""Characters; a fault is logged, and a peer must not choose how much."""

DATA = UtteranceData(
    call=CallRef(id="CA1"),
    speaker=Who(role="customer", channel=0),
    utterance=Utterance(n=1, start_ms=0, end_ms=900, speech_ms=800, cut=Cut.SILENCE),
    emotion=Emotion(top="angry", confidence=0.8, uncertain=False, scores={"angry": 0.8, "sad": 0.2}),
    quality=Quality(snr_db=None, clipped=0.0, lost_ms=0),
    model=ModelRef(name="telephone", version="1", sha256="00"),
    latency=Latency(hangover_ms=400, queue_ms=1.0, compute_ms=1.0),
)
EVENTS = [
    encode(
        made(id="1", source="/nodes/n", subject="CA1/customer/1", time="2026-11-22T10:15:04Z", sequence="1", data=DATA)
    )
    for made in (UtteranceEvent, PartialEvent)
]


class Listener:
    """A dialect under test: does as the server does, and holds every answer against what is promised."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.start: Start | None = None
        self.ended = False
        self.failed = False

    def hear(self, message: Message) -> list[WireEvent]:
        return self._hold(self.dialect.receive(message))

    def closed(self) -> None:
        """Close the socket; asked where the server would not ask any more, it must only do no harm."""
        events = self.dialect.closed()
        if not (self.ended or self.failed):
            self._hold(events)
        self.ended = True

    def say(self, what: str) -> None:
        """Let the server say something, in whatever state the stream is."""
        said: list[Message]
        if what == "ready":
            said = self.dialect.ready("session-1", ("customer",))
        elif what == "fault":
            said = self.dialect.fault(Fault("idle", "no audio for 60 s"))
        elif what == "ended":
            said = self.dialect.ended(3)
        else:
            said = [one for event in EVENTS for one in self.dialect.event(event)]
        assert all(isinstance(message, str | bytes) for message in said)

    def _hold(self, events: list[WireEvent]) -> list[WireEvent]:
        for event in events:
            assert not self.failed or isinstance(event, Reply), "nothing but answers may follow a fault"
            match event:
                case Start():
                    assert self.start is None, "a stream starts once"
                    assert event.call_id
                    assert event.roles
                    self.start = event
                    self.say("ready")
                case Audio():
                    assert self.start is not None, "audio must not come before its call"
                    assert not self.ended, "audio must not come behind the end"
                    assert 0 <= event.channel < len(self.start.roles)
                    assert len(event.payload) % self.start.encoding.bytes_per_sample == 0
                    assert event.media_ms is None or math.isfinite(event.media_ms)
                case Stop():
                    assert not self.ended, "a stream ends once"
                    self.ended = True
                case Fault():
                    self.failed = True
                    assert re.fullmatch(r"[a-z][a-z0-9_]*", event.code)
                    assert event.close_code in CLOSE_CODES
                    assert 0 < len(event.message) <= MAX_FAULT
                    assert event.message.isprintable()
        return events
