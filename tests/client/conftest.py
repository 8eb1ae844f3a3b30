"""What the client's tests share: events of every kind, recordings, and the other side of the contract.

The server here is written from the protocol's description, not from the real server: small, and honest about what the
contract asks of one. It must never do more than that.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from streamer_client.events import (
    AcknowledgementData,
    AcknowledgementEvent,
    AlertData,
    AlertEvent,
    CallRef,
    Cut,
    Emotion,
    EndedData,
    EndedEvent,
    Latency,
    ModelRef,
    Quality,
    Severity,
    Speaker,
    SpeakerSummary,
    StateData,
    StateEvent,
    Status,
    StatusData,
    StatusEvent,
    Utterance,
    UtteranceData,
    UtteranceEvent,
    encode,
)
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

TIME = "2026-11-22T10:15:04.210Z"


class Make:
    """Events of every kind, with as much said as a test cares about."""

    def utterance(
        self,
        n: int = 1,
        *,
        top: str = "angry",
        confidence: float = 0.8,
        uncertain: bool = False,
        scores: dict[str, float] | None = None,
        call: str = "CA1",
        tenant: str = "default",
        role: str = "customer",
        start_ms: int = 1000,
        end_ms: int = 3000,
        name: str | None = None,
    ) -> UtteranceEvent:
        return UtteranceEvent(
            id=name or f"{tenant}-{call}-{role}-{n}",
            source="/nodes/node-1",
            subject=f"{call}/{role}/{n}",
            time=TIME,
            sequence=f"{n:010}",
            data=UtteranceData(
                call=CallRef(id=call, tenant=tenant),
                speaker=Speaker(role=role, channel=0),
                utterance=Utterance(
                    n=n, start_ms=start_ms, end_ms=end_ms, speech_ms=end_ms - start_ms, cut=Cut.SILENCE
                ),
                emotion=Emotion(
                    top=top, confidence=confidence, uncertain=uncertain, scores=scores or {top: confidence}
                ),
                quality=Quality(snr_db=18.2, clipped=0.0, lost_ms=0),
                model=ModelRef(name="telephone", version="1.0.0", sha256="00"),
                latency=Latency(hangover_ms=400, queue_ms=1.0, compute_ms=2.0),
            ),
        )

    def ended(self, call: str = "CA1", tenant: str = "default") -> EndedEvent:
        summary = SpeakerSummary(
            role="customer",
            channel=0,
            analysed=True,
            utterances=3,
            talk_ms=61_000,
            silence_ms=1000,
            loudness_dbfs=-20.0,
            syllables_per_s=4.0,
            lost_ms=0,
            emotions={"neutral": 1, "angry": 2},
        )
        return EndedEvent(
            id=f"{tenant}-{call}-ended",
            source="/nodes/node-1",
            subject=call,
            time=TIME,
            data=EndedData(
                call=CallRef(id=call, tenant=tenant),
                duration_ms=245_000,
                utterances=3,
                overlap_ms=0,
                reason="stop",
                speakers=(summary,),
            ),
        )

    def state(self, call: str = "CA1") -> StateEvent:
        return StateEvent(
            id=f"{call}-state",
            source="/nodes/node-1",
            subject=call,
            time=TIME,
            data=StateData(
                call=CallRef(id=call),
                status="live",
                roles=("customer", "agent"),
                analysed=("customer",),
                notice=False,
            ),
        )

    def alert(self, call: str = "CA1", severity: Severity = Severity.CRITICAL) -> AlertEvent:
        return AlertEvent(
            id=f"{call}-alert",
            source="/alerts",
            subject=call,
            time=TIME,
            data=AlertData(
                call=CallRef(id=call),
                rule="angry-customer",
                severity=severity,
                role="customer",
                message="Listen in.",
                utterances=("a", "b"),
            ),
        )

    def acknowledgement(
        self, call: str = "CA1", by: str = "desk-2", note: str = "Called back."
    ) -> AcknowledgementEvent:
        return AcknowledgementEvent(
            id=f"{call}-acknowledgement",
            source="/dashboard",
            subject=call,
            time=TIME,
            data=AcknowledgementData(call=CallRef(id=call), alert=f"{call}-alert", by=by, note=note),
        )

    def status(self) -> StatusEvent:
        return StatusEvent(
            id="node-1-online",
            source="/nodes/node-1",
            subject="node-1",
            time=TIME,
            data=StatusData(node="node-1", status=Status.ONLINE),
        )


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of small recordings: a ramp that is different in every channel, so that order shows."""

    def write(
        name: str = "call.wav", *, rate_hz: int = 8000, channels: int = 2, seconds: float = 0.1, subtype: str = "PCM_16"
    ) -> Path:
        frames = round(rate_hz * seconds)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        samples = ramp(frames, channels)
        soundfile.write(path, samples / 32768 if subtype == "FLOAT" else samples, rate_hz, subtype=subtype)
        return path

    return write


def ramp(frames: int, channels: int) -> np.ndarray:
    """Return int16 samples of shape (frames, channels) of which no two neighbours are equal."""
    samples = (np.arange(frames)[:, np.newaxis] * 7 + np.arange(channels) * 1000) % 20000 - 10000
    return samples.astype(np.int16)


@dataclass
class Heard:
    """What the server heard of one call."""

    path: str
    headers: dict[str, str]
    messages: list[str | bytes] = field(default_factory=list)

    @property
    def texts(self) -> list[dict[str, Any]]:
        return [json.loads(message) for message in self.messages if isinstance(message, str)]

    @property
    def audio(self) -> bytes:
        return b"".join(message for message in self.messages if isinstance(message, bytes))


Handler = Callable[[ServerConnection, Heard], Awaitable[None]]


class FakeServer:
    """The server's side of the native protocol and of Twilio's."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[Heard] = []
        self.events: list[Any] = []
        """Said to each native call when it stops."""
        self.refuse_with: HTTPStatus | None = None
        self.handlers: dict[str, Handler] = {"/v1/stream": self.native, "/twilio": self.twilio}

    async def native(self, socket: ServerConnection, heard: Heard) -> None:
        await self.accept(socket, heard)
        async for message in socket:
            heard.messages.append(message)
            if isinstance(message, str) and json.loads(message)["type"] == "stop":
                break
        if heard.texts[0]["events"]:
            for event in self.events:
                await self.say_event(socket, event)
        await socket.send(json.dumps({"type": "ended", "utterances": len(self.events)}))

    async def twilio(self, socket: ServerConnection, heard: Heard) -> None:
        async for message in socket:
            heard.messages.append(message)
            if json.loads(message)["event"] == "stop":
                break

    async def accept(self, socket: ServerConnection, heard: Heard) -> None:
        heard.messages.append(await socket.recv())
        start = heard.texts[0]
        analysed = [channel["role"] for channel in start["channels"] if channel["role"] == "customer"]
        await socket.send(json.dumps({"type": "ready", "session_id": "session-1", "analysed": analysed}))

    async def say_event(self, socket: ServerConnection, event: Any) -> None:
        await socket.send(json.dumps({"type": "event", "event": json.loads(encode(event))}))

    async def answer(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        heard = Heard(socket.request.path, dict(socket.request.headers.raw_items()))
        self.calls.append(heard)
        await self.handlers[urlsplit(socket.request.path).path](socket, heard)

    def check(self, socket: ServerConnection, request: Request) -> Response | None:
        if self.refuse_with is not None:
            return socket.respond(self.refuse_with, "not now\n")
        return (
            None
            if urlsplit(request.path).path in self.handlers
            else socket.respond(HTTPStatus.NOT_FOUND, "nothing here\n")
        )


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    listener: Server
    async with serve(fake.answer, "127.0.0.1", 0, process_request=fake.check, compression=None) as listener:
        port = next(iter(listener.sockets)).getsockname()[1]
        fake.url = f"ws://127.0.0.1:{port}"
        yield fake
