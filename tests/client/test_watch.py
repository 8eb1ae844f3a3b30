from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import aiomqtt
from rich.console import Console
from streamer_client.board import Board
from streamer_client.events import encode
from streamer_client.subscribe import subscribe
from streamer_client.watch import on_status, watch_json, watch_lines, watch_table

WHERE = "emotion/v1/default/calls/CA1/customer/utterance"


class Page(io.StringIO):
    """A text that tells when it was flushed with what is waited for in it."""

    def __init__(self, words: str, times: int = 1) -> None:
        super().__init__()
        self.words = words
        self.times = times
        self.full = asyncio.Event()

    def flush(self) -> None:
        if self.getvalue().count(self.words) >= self.times:
            self.full.set()


async def shown(broker: Any, watching: Any, page: Page, *payloads: bytes) -> str:
    """Return what a watcher wrote of these payloads."""
    async with subscribe(broker.url) as events:
        task = asyncio.create_task(watching(events))
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            for payload in payloads:
                await client.publish(WHERE, payload, qos=1)
        await page.full.wait()
        task.cancel()
        await asyncio.wait([task])
    return page.getvalue()


async def test_json_is_one_event_a_line_as_it_came(mosquitto: Any, make: Any) -> None:
    spread = b'{\n  "type": "emotion-streamer.utterance.v9",\n  "id": "2", "new": [1.50]\n}'
    page = Page("\n", 2)
    text = await shown(mosquitto, lambda e: watch_json(e, page), page, encode(make.utterance()), spread, b"rubbish")
    first, second = text.splitlines()
    assert first.encode() == encode(make.utterance())
    assert json.loads(second) == {"type": "emotion-streamer.utterance.v9", "id": "2", "new": [1.5]}
    assert "1.50" in second


async def test_a_pipe_gets_a_line_an_event(mosquitto: Any, make: Any) -> None:
    page = Page("\n", 2)
    console = Console(file=page, width=40)
    text = await shown(
        mosquitto, lambda e: watch_lines(e, console), page, encode(make.utterance(1)), encode(make.utterance(2))
    )
    assert [line.endswith("angry    80%") for line in text.splitlines()] == [True, True]


async def test_a_terminal_gets_the_table(mosquitto: Any, make: Any) -> None:
    page = Page("angry")
    board = Board()
    console = Console(file=page, width=140, force_terminal=True)
    text = await shown(mosquitto, lambda e: watch_table(e, board, console), page, encode(make.utterance()))
    assert "1 utterances" in text
    assert "80%" in text


def test_losing_the_broker_and_finding_it_again_are_said_once_each() -> None:
    said: list[str] = []
    tell = on_status(said.append)
    tell("connected", "mqtt://host:1883")
    tell("lost", "the broker ended the connection")
    tell("connected", "mqtt://host:1883")
    assert said == ["the broker ended the connection (trying again)", "connected to mqtt://host:1883 again"]
