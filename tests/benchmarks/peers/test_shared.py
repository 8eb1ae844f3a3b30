"""The server that peers share: what it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.benchmarks.peers.playing import PATIENCE_S, ROOT, running
from tests.conftest import Broker


async def test_other_paths_are_not_found_and_nonsense_ends_the_call_in_words(mosquitto: Broker) -> None:
    async with running("executor_hop", mosquitto.url) as url:
        with pytest.raises(InvalidStatus, match="404"):
            await connect(f"{url}/plivo")
        async with connect(f"{url}/v1/stream") as socket:
            await socket.send('{"type":"resume"}')
            with pytest.raises(ConnectionClosedError, match=r"1008.*got 'resume'"):
                await socket.recv()


async def test_a_native_call_is_answered_ready_and_ended_and_then_closed(mosquitto: Broker) -> None:
    channels = [{"role": "agent"}, {"role": "customer"}]
    start = {
        "type": "start",
        "version": 1,
        "call_id": "c",
        "channels": channels,
        "encoding": "pcmu",
        "sample_rate": 8000,
    }
    async with running("executor_hop", mosquitto.url) as url, connect(f"{url}/v1/stream") as socket:
        await socket.send(json.dumps(start))
        ready = json.loads(await socket.recv())
        assert (ready["type"], ready["analysed"], bool(ready["session_id"])) == ("ready", ["customer"], True)
        await socket.send(bytes(3200))
        await socket.send('{"type":"stop"}')
        assert json.loads(await socket.recv()) == {"type": "ended", "utterances": 0}
        await socket.wait_closed()
        assert socket.close_code == 1000


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--mqtt", "mqtt://127.0.0.1:1"), "peer executor_hop: "),
        (("--mqtt", "mqtt://127.0.0.1:1", "--model", "nobody"), "no model 'nobody'"),
    ],
)
async def test_what_keeps_it_from_starting_is_one_line(flags: tuple[str, ...], words: str) -> None:
    command = (sys.executable, "-m", "benchmarks.peers.executor_hop", "--port", "1", *flags)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        out, said = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    (line,) = said.decode().splitlines()
    assert words in line
