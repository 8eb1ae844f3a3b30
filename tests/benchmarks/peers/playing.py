"""A peer as `make bench` starts it, calls played to it as fast as it takes them, and what the product makes of them.

Must never wait for an amount of time: it waits for lines and messages.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import numpy as np
from streamer_client.events import Utterance, UtteranceEvent, decode

from benchmarks.calls import RATE_HZ, Played, Samples, demo_call, play, tape
from benchmarks.programs import free_port
from streamer.audio.g711 import encode_mulaw
from streamer.config import SpeechSettings
from streamer.emotion.model import EmotionModel, Judgement
from streamer.heard import Heard
from streamer.leg import Leg
from streamer.wire.events import Audio, Encoding, Role
from tests.conftest import Broker, collect

ROOT = Path(__file__).parents[3]
DONE = "emotion/done"
DIALECTS = ("native", "twilio")
PATIENCE_S = 60
"""Only how long a broken test hangs."""
SECONDS = 28
"""Three whole utterances of the customer, and one that the end of the call cuts; the agent speaks in between."""


def call() -> Samples:
    """Return the beginning of the call that ships with the package, int16[samples, 2]."""
    return demo_call()[: SECONDS * RATE_HZ]


@asynccontextmanager
async def running(name: str, broker: str) -> AsyncIterator[str]:
    """Run a peer; yields its URL, and sees that SIGTERM ends it well."""
    port = free_port()
    command = (sys.executable, "-m", f"benchmarks.peers.{name}", "--port", str(port), "--mqtt", broker)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = await process.stdout.readline()
        if line != b"listening\n":
            raise AssertionError(f"{name} said {line!r} and: {(await process.communicate())[1].decode()}")
        yield f"ws://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            _, said = await process.communicate()
        assert (process.returncode, said) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def hear(name: str, broker: Broker, samples: Samples) -> dict[str, list[UtteranceEvent]]:
    """Play a call to a peer in each dialect, both at once; return what it publishes of each, in order.

    What it tells the caller on the socket, where it was asked to, is what it publishes.
    """
    told: list[Any] = []
    async with collect(broker, "emotion/#") as heard:
        async with running(name, broker.url) as url:
            for played in await asyncio.gather(*(_play(url, dialect, samples, told) for dialect in DIALECTS)):
                assert played.ended == "ended", played
        await _say_done(broker)  # behind all that the peer has published, for it is gone
        *messages, _ = await heard.until(lambda messages: bool(messages) and str(messages[-1].topic) == DONE)
    events: dict[str, list[UtteranceEvent]] = {dialect: [] for dialect in DIALECTS}
    for message in messages:
        event = decode(bytes(message.payload))
        assert isinstance(event, UtteranceEvent)
        assert str(message.topic) == f"emotion/v1/default/calls/{event.data.call.id}/customer/utterance"
        assert message.qos == 1
        events[event.data.call.dialect].append(event)
    published = [json.loads(bytes(one.payload)) for one in messages]
    assert told == [one for one in published if one["data"]["call"]["dialect"] == "native"]
    return events


def judged(model: EmotionModel, samples: Samples) -> list[tuple[Heard, Judgement]]:
    """Return the customer's utterances and their verdicts as the product has them."""
    leg = Leg(Role.CUSTOMER, 0, encoding=Encoding.PCMU, rate_hz=RATE_HZ, speech=SpeechSettings(), model=model)
    found = []
    for heard in leg.receive(Audio(0, encode_mulaw(np.ascontiguousarray(samples[:, 0])))) + leg.finish():
        judgement = model.judge(heard.features, heard.caller)
        heard.caller.remember(judgement.moments)
        found.append((heard, judgement))
    return found


def place(one: Heard | Utterance) -> tuple[int, int, int, int, str]:
    """Return which utterance it is, and where it lies."""
    return one.n, one.start_ms, one.end_ms, one.speech_ms, str(one.cut)


def same_lines(found: list[UtteranceEvent], model: EmotionModel, samples: Samples, within_ms: int) -> bool:
    """Whether utterances lie where the product's do, as far as another detector can be expected to agree."""
    ours = [heard for heard, _ in judged(model, samples)]
    return len(found) == len(ours) and all(
        abs(one.data.utterance.start_ms - other.start_ms) <= within_ms
        and abs(one.data.utterance.end_ms - other.end_ms) <= within_ms
        for one, other in zip(found, ours, strict=True)
    )


async def _play(url: str, dialect: str, samples: Samples, told: list[Any]) -> Played:
    at_once = replace(tape(dialect, samples, 32 * "a"), block_s=1e-6)
    on_event = told.append if dialect == "native" else None
    return await play(url, at_once, f"call-{dialect}", on_event=on_event)


async def _say_done(broker: Broker) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish(DONE, qos=1)
