"""The server that all peers share: sockets, the model in one thread, events to the broker. Only the shape is their own.

websockets on uvloop, no compression, no pings; one ONNX run for each utterance, as the product loads it, in one thread
beside the loop; one MQTT connection, QoS 1. What the product does beyond that a peer does not: no outbox on disk, no
limits, no keys, no watch over stalled calls, no figures of the call, no metrics. All of that is in the peers' favour.
This file must never do for one shape what it does not do for all.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import ClassVar, Final
from urllib.parse import urlsplit

import aiomqtt
import uvloop
from streamer_client.events import (
    CallRef,
    Emotion,
    Latency,
    ModelRef,
    Quality,
    Speaker,
    Utterance,
    UtteranceData,
    UtteranceEvent,
    encode,
)
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from benchmarks.peers.legs import SPEECH, Features, Leg, Spoken
from benchmarks.peers.wire import Goodbye, Hello, Native, Sound, Stream, Twilio, WireError
from streamer.bus.cloudevents import rfc3339
from streamer.bus.topics import Topics
from streamer.emotion.model import EmotionModel, Verdict, load, locate
from streamer.errors import StreamerError

LOOPBACK: Final = "127.0.0.1"
ANALYSED: Final = "customer"
"""As `emotion.analyse` comes: the other leg is heard for its turns, and nothing is computed of its emotion."""
PATHS: Final[dict[str, type[Stream]]] = {"/twilio": Twilio, "/v1/stream": Native}
_TOPICS: Final = Topics()
_IN_FLIGHT: Final = 1000
"""Events that may wait for the broker's acknowledgement at once."""


class Shape(ABC):
    """What makes a peer a peer.

    Parameters
    ----------
    model
        What judges utterances.
    """

    name: ClassVar[str]
    """In the events' source."""
    is_comparable: ClassVar[bool] = True
    """Whether the features are those that the model was trained on. Where not, the run costs the same, the verdict
    means nothing, and it is marked uncertain for everybody to see."""

    def __init__(self, model: EmotionModel) -> None:
        self.model = model

    @abstractmethod
    def leg(self, channel: int, *, is_linear: bool, is_analysed: bool) -> Leg:
        """Return a fresh leg."""

    @abstractmethod
    def warm_up(self) -> Features:
        """Return the features of a second of silence, so that what is built on first use is built before any call."""

    async def hear(self, legs: Sequence[Leg], sound: Sound) -> list[Spoken]:
        """Take what one message brought; return the utterances that it ends. Inline, where a shape says nothing."""
        return hear(legs, sound)


def hear(legs: Sequence[Leg], sound: Sound) -> list[Spoken]:
    """Give each leg its samples; return the utterances that they end."""
    return [spoken for channel, payload in sound for spoken in legs[channel].receive(payload)]


class _Call:
    """One call while it goes on."""

    def __init__(self, hello: Hello, dialect: str, shape: Shape) -> None:
        self.hello = hello
        self.ref = CallRef(id=hello.call_id, dialect=dialect)
        self.analysed = [role for role in hello.roles if role == ANALYSED]
        self.legs = [
            shape.leg(channel, is_linear=hello.is_linear, is_analysed=role == ANALYSED)
            for channel, role in enumerate(hello.roles)
        ]
        self.callers = [shape.model.new_normaliser() for _ in hello.roles]
        self.submitted = 0


class Peer:
    """A peer at work.

    Parameters
    ----------
    shape
        What it is.
    client
        The connection to the broker.
    """

    def __init__(self, shape: Shape, client: aiomqtt.Client) -> None:
        self._shape = shape
        self._client = client
        card = shape.model.card
        self._model_ref = ModelRef(name=card.name, version=card.version, sha256=card.sha256)
        self._thread = ThreadPoolExecutor(1, "emotion-model")
        """One thread, so that a caller's utterances are judged in their order."""

    async def serve(self, socket: ServerConnection) -> None:
        """Serve one call from its first message to its close."""
        assert socket.request is not None, "a handler runs behind the handshake"
        stream = PATHS[socket.request.path]()
        call: _Call | None = None
        refused: WireError | None = None
        async with asyncio.TaskGroup() as pending:
            try:
                call = await self._listen(socket, stream, pending)
            except WireError as problem:
                refused = problem
        with suppress(ConnectionClosed):
            if refused is not None:
                await socket.close(1008, str(refused)[:120])
            elif call is not None:
                for message in stream.ended(call.submitted):
                    await socket.send(message)

    async def _listen(self, socket: ServerConnection, stream: Stream, pending: asyncio.TaskGroup) -> _Call | None:
        """Hear the call to its end; each utterance is judged and published by a task of its own."""
        call: _Call | None = None
        with suppress(ConnectionClosed):
            async for message in socket:
                said = stream.read(message)
                if isinstance(said, list):
                    if call is not None:
                        spoken = await self._shape.hear(call.legs, said)
                        if spoken:
                            self._submit(call, spoken, socket, stream, pending)
                elif isinstance(said, Goodbye):
                    break
                else:
                    call = _Call(said, stream.dialect, self._shape)
                    for answer in stream.ready(uuid.uuid4().hex, call.analysed):
                        await socket.send(answer)
        if call is not None:
            self._submit(call, [last for leg in call.legs for last in leg.finish()], socket, stream, pending)
        return call

    def _submit(
        self, call: _Call, found: list[Spoken], socket: ServerConnection, stream: Stream, pending: asyncio.TaskGroup
    ) -> None:
        for spoken in found:
            call.submitted += 1
            pending.create_task(self._conclude(call, call.submitted, spoken, socket, stream))

    async def _conclude(self, call: _Call, n: int, spoken: Spoken, socket: ServerConnection, stream: Stream) -> None:
        """Have an utterance judged, and publish what comes of it."""
        submitted_s = time.perf_counter()
        loop = asyncio.get_running_loop()
        verdict, began_s, done_s = await loop.run_in_executor(self._thread, self._judge, call, spoken)
        latency = Latency(
            hangover_ms=SPEECH.hangover_ms,
            queue_ms=round((began_s - submitted_s) * 1000, 1),
            compute_ms=round((done_s - began_s) * 1000, 1),
        )
        event = encode(self._event(call, n, spoken, verdict, latency))
        await self._client.publish(_TOPICS.utterance(call.ref.tenant, call.ref.id, ANALYSED), event, qos=1)
        if call.hello.wants_events:
            with suppress(ConnectionClosed):
                for message in stream.event(event):
                    await socket.send(message)

    def _judge(self, call: _Call, spoken: Spoken) -> tuple[Verdict, float, float]:
        """Run the model; in its thread. Returns the verdict, and when the work began and was done."""
        began_s = time.perf_counter()
        caller = call.callers[spoken.channel]
        judgement = self._shape.model.judge(spoken.features(), caller)
        caller.remember(judgement.moments)
        return judgement.verdict, began_s, time.perf_counter()

    def _event(self, call: _Call, n: int, spoken: Spoken, verdict: Verdict, latency: Latency) -> UtteranceEvent:
        return UtteranceEvent(
            id=uuid.uuid4().hex,
            source=f"/nodes/peer-{self._shape.name}",
            subject=f"{call.ref.id}/{ANALYSED}/{n}",
            time=rfc3339(time.time()),
            sequence=f"{n:010d}",
            data=UtteranceData(
                call=call.ref,
                speaker=Speaker(role=ANALYSED, channel=spoken.channel),
                utterance=Utterance(
                    n=n,
                    start_ms=spoken.start_ms,
                    end_ms=spoken.end_ms,
                    speech_ms=spoken.speech_ms,
                    cut=spoken.cut,
                ),
                emotion=Emotion(
                    top=verdict.top,
                    confidence=verdict.confidence,
                    uncertain=verdict.uncertain or not self._shape.is_comparable,
                    scores=verdict.scores,
                ),
                # Peers measure no quality, which spares them the work; the fields are there for the size of the event.
                quality=Quality(snr_db=0.0, clipped=0.0, lost_ms=0),
                model=self._model_ref,
                latency=latency,
            ),
        )


def _refuse_other_paths(socket: ServerConnection, request: Request) -> Response | None:
    if request.path in PATHS:
        return None
    return socket.respond(HTTPStatus.NOT_FOUND, f"expected one of {', '.join(PATHS)}\n")


async def _run(kind: type[Shape], port: int, mqtt: str, folder: str) -> None:
    """Serve until SIGTERM."""
    model = load(locate(folder))
    shape = kind(model)
    model.judge(shape.warm_up(), model.new_normaliser())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker = urlsplit(mqtt)
    client = aiomqtt.Client(
        broker.hostname or LOOPBACK,
        broker.port or 1883,
        protocol=aiomqtt.ProtocolVersion.V5,
        max_inflight_messages=_IN_FLIGHT,
        socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),  # as the server's
    )
    client.pending_calls_threshold = _IN_FLIGHT  # that many at once are no reason for a warning
    async with client:
        peer = Peer(shape, client)
        listening = serve(
            peer.serve, LOOPBACK, port, compression=None, ping_interval=None, process_request=_refuse_other_paths
        )
        async with listening:
            print("listening", flush=True)
            await stop.wait()


def main(kind: type[Shape]) -> None:
    """Run a peer as a command; exits 0 after SIGTERM."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.peers.{kind.name}", description=f"The peer {kind.name}."
    )
    parser.add_argument("--port", type=int, required=True, help="port of 127.0.0.1 to listen on")
    parser.add_argument("--mqtt", required=True, help="broker, such as mqtt://127.0.0.1:1883")
    parser.add_argument("--model", default="telephone", help="folder of a model, or its name in the store")
    given = parser.parse_args()
    try:
        uvloop.run(_run(kind, given.port, given.mqtt, given.model))
    except (OSError, aiomqtt.MqttError, StreamerError) as problem:
        sys.exit(f"peer {kind.name}: {problem}")
