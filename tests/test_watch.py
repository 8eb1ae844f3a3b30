"""What nobody sends a message about: silence is noticed and ended, a pause is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect

from streamer.session import Session
from tests.nodes import closing, ready, readyz, serve, url


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., Any]:
    """Run a node: `async with serving(server__max_calls=1) as server`."""
    return partial(serve, tmp_path)


async def test_a_silent_call_is_ended_but_a_paused_one_is_not(serving) -> None:
    async with (
        serving(audio__idle_s=0.6, audio__stall_ms=100) as server,
        connect(url(server)) as silent,
        connect(url(server)) as paused,
    ):
        await ready(silent)
        await ready(paused)
        await paused.send('{"type":"pause"}')
        assert json.loads(await silent.recv())["code"] == "idle"
        assert await closing(silent) == 1008
        await paused.send('{"type":"resume"}')
        await paused.send('{"type":"stop"}')
        assert json.loads(await paused.recv())["type"] == "ended"


async def test_a_stream_that_cannot_be_ended_does_not_bring_the_node_down(
    serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "expire", lambda *_: 1 / 0)
    async with serving(audio__idle_s=0.1) as server, connect(url(server)) as socket:
        with capture_logs() as logs:
            await ready(socket)
            while "a stream could not be ended" not in [log["event"] for log in logs]:
                await readyz(server)
            await socket.send('{"type":"stop"}')
            assert json.loads(await socket.recv())["type"] == "ended"
        assert await readyz(server) == "200 ready"
