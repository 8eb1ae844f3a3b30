"""What the tests of the pages share: a browser that stands in a page of ours, a server, recordings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from numpy.typing import NDArray
from playwright.async_api import Browser, Page
from websockets.asyncio.client import connect

from streamer.server import Server
from tests.browser import chromium
from tests.nodes import serve, url
from tests.web.sites import ROOT, site

CLIPS_S = ((1.9, 5.2), (17.3, 21.1), (25.0, 31.0))
"""Where in the demo's call the customer says three sentences."""


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A WAV file of three sentences of a customer, 8 kHz."""
    samples, rate_hz = soundfile.read(ROOT / "streamer/demo/call.flac", dtype="int16")
    parts = [samples[round(begin * rate_hz) : round(end * rate_hz), 0] for begin, end in CLIPS_S]
    path = tmp_path / "speech.wav"
    soundfile.write(path, np.concatenate(parts), rate_hz)
    return path


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A node that asks for no key: on loopback, where pages of this machine may come in."""
    async with serve(tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser that lets audio run in a page that nobody has touched, as after a click."""
    async with chromium("--autoplay-policy=no-user-gesture-required") as running:
        yield running


@pytest_asyncio.fixture
async def page(browser: Browser, tmp_path: Path) -> AsyncIterator[Page]:
    """An empty page of our site, with `lab` (see lab.js) in it."""
    with site(tmp_path, Path(__file__).parent) as at:
        page = await browser.new_page()
        await page.goto(f"{at}/blank.html")
        await page.evaluate("import('/lab.js').then((lab) => { globalThis.lab = lab; })")
        yield page
        await page.close()


async def replayed(server: Server, samples: NDArray[np.int16], rate_hz: int) -> list[dict[str, Any]]:
    """Send one channel of samples as a recording; return the utterance events."""
    start = {
        "type": "start",
        "version": 1,
        "call_id": "replayed",
        "channels": [{"role": "customer"}],
        "encoding": "pcm_s16le",
        "sample_rate": rate_hz,
        "events": True,
        "speed": None,
    }
    async with connect(url(server)) as socket:
        await socket.send(json.dumps(start))

        async def send() -> None:
            for begin in range(0, len(samples), 1600):
                await socket.send(samples[begin : begin + 1600].tobytes())
            await socket.send('{"type":"stop"}')

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            messages = [json.loads(message) async for message in socket]
    return [message["event"] for message in messages if message["type"] == "event"]
