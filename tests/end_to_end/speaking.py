"""The other side of the wire, with plain `websockets`: what our own clients and Twilio would send and hear.

Written from the protocol's description. Nothing here may use the project's client or server.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.end_to_end.sounds import RATE_HZ, Samples, linear, mulaw

Json = dict[str, Any]
Sent = str | bytes | Json
"""A dictionary goes out as JSON text."""

BOTH = [{"role": "customer"}, {"role": "agent"}]
STOP = {"type": "stop"}


@dataclass(frozen=True)
class Outcome:
    """What the server said on one socket, and how it closed it."""

    said: list[Json]
    code: int | None
    reason: str | None

    def of(self, kind: str) -> list[Json]:
        """Return the messages of a type."""
        return [message for message in self.said if message["type"] == kind]

    @property
    def events(self) -> list[Json]:
        """The CloudEvents."""
        return [message["event"] for message in self.of("event")]

    @property
    def utterances(self) -> list[Json]:
        """What the utterances were, without what differs from run to run."""
        return list(map(essence, self.events))

    def within(self, excerpt: Samples) -> list[Json]:
        """Return what the utterances were up to the end of an excerpt from the beginning of the call."""
        return [said for said in self.utterances if said["end_ms"] < len(excerpt) * 1000 / RATE_HZ]

    @property
    def error(self) -> Json:
        """The only error."""
        (error,) = self.of("error")
        return error


def essence(event: Json) -> Json:
    """Return role, place and verdict of an utterance event: what must not depend on how audio came."""
    data = event["data"]
    return {"role": data["speaker"]["role"], **data["utterance"], **data["emotion"]}


def start(**fields: Any) -> Json:
    """Return a `start` for two parties in 16 bit at 8 kHz that asks for its events, with some fields changed."""
    return {
        "type": "start",
        "version": 1,
        "call_id": "call",
        "channels": BOTH,
        "encoding": "pcm_s16le",
        "sample_rate": RATE_HZ,
        "labels": {},
        "events": True,
    } | fields


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """Return data in messages of a size."""
    return (data[begin : begin + size] for begin in range(0, len(data), size))


async def at_speed_of_life(messages: Iterable[Sent], every_s: float) -> AsyncIterable[Sent]:
    """Give messages one by one, each at its time."""
    began = asyncio.get_running_loop().time()
    for count, message in enumerate(messages):
        await asyncio.sleep(began + count * every_s - asyncio.get_running_loop().time())
        yield message


async def say(socket: ClientConnection, *messages: Sent) -> None:
    """Send messages; quietly nothing once the server has closed."""
    with suppress(ConnectionClosed):
        for message in messages:
            await socket.send(json.dumps(message) if isinstance(message, dict) else message)


async def hear(socket: ClientConnection) -> Outcome:
    """Return everything that the server says until it closes."""
    said = [json.loads(message) async for message in _heard(socket)]
    return Outcome(said, socket.close_code, socket.close_reason)


async def _heard(socket: ClientConnection) -> AsyncIterable[str | bytes]:
    with suppress(ConnectionClosed):
        while True:
            yield await socket.recv()


async def until(socket: ClientConnection, kind: str) -> Json:
    """Return the next message of a type; what comes before it is dropped."""
    while True:
        message: Json = json.loads(await socket.recv())
        if message["type"] == kind:
            return message


async def converse(
    url: str, messages: Iterable[Sent] | AsyncIterable[Sent], *, headers: Mapping[str, str] | None = None
) -> Outcome:
    """Send messages and listen at the same time, until the server closes."""
    socket = await connect(url, compression=None, max_size=None, additional_headers=headers)
    speaking = asyncio.create_task(_speak(socket, messages))
    try:
        return await hear(socket)
    finally:
        speaking.cancel()
        await asyncio.wait([speaking])


async def _speak(socket: ClientConnection, messages: Iterable[Sent] | AsyncIterable[Sent]) -> None:
    if isinstance(messages, AsyncIterable):
        async for message in messages:
            await say(socket, message)
    else:
        await say(socket, *messages)


async def native_call(url: str, samples: Samples, *, size: int = 3200, **fields: Any) -> Outcome:
    """Stream a recording in the native protocol, as fast as it goes, and stop."""
    first = start(channels=BOTH[: samples.shape[1]], **fields) if "channels" not in fields else start(**fields)
    encode = {"pcm_s16le": linear, "pcmu": mulaw}[first["encoding"]]
    return await converse(url, [first, *cut(encode(samples), size), STOP])


def twilio_media(
    samples: Samples, tracks: Sequence[str] = ("inbound", "outbound"), *, stream: str = "MZ1", ms: int = 20
) -> list[Json]:
    """Return the `media` of all tracks as Twilio interleaves them, numbered from 2 as the ones behind `start`."""
    step = RATE_HZ * ms // 1000
    messages: list[Json] = []
    for chunk, begin in enumerate(range(0, len(samples), step), 1):
        for channel, track in enumerate(tracks):
            media = {
                "track": track,
                "chunk": str(chunk),
                "timestamp": str(begin * 1000 // RATE_HZ),
                "payload": base64.b64encode(mulaw(samples[begin : begin + step, channel])).decode(),
            }
            number = str(len(messages) + 2)
            messages.append({"event": "media", "sequenceNumber": number, "streamSid": stream, "media": media})
    return messages


def twilio_start(
    call: str,
    tracks: Sequence[str] = ("inbound", "outbound"),
    *,
    stream: str = "MZ1",
    parameters: Mapping[str, str] | None = None,
) -> list[Json]:
    """Return what comes first: `connected`, which carries no ids, and `start`."""
    body = {
        "accountSid": "AC1",
        "callSid": call,
        "streamSid": stream,
        "tracks": list(tracks),
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1},
        "customParameters": dict(parameters or {}),
    }
    return [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {"event": "start", "sequenceNumber": "1", "streamSid": stream, "start": body},
    ]


def twilio_stop(call: str, number: int, *, stream: str = "MZ1") -> Json:
    """Return the last message."""
    stop = {"accountSid": "AC1", "callSid": call}
    return {"event": "stop", "sequenceNumber": str(number), "streamSid": stream, "stop": stop}


def twilio_call(call: str, samples: Samples, *, ms: int = 20, **start_fields: Any) -> list[Json]:
    """Return a whole stream of both tracks."""
    media = twilio_media(samples, ms=ms)
    return [*twilio_start(call, **start_fields), *media, twilio_stop(call, len(media) + 2)]
