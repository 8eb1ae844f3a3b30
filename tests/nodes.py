"""A node in the test's own process, and the words that tests exchange with it. No broker: nothing here needs one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection

from streamer.config import load
from streamer.load.shedding import Level
from streamer.server import Server, node

START = json.dumps(
    {
        "type": "start",
        "version": 1,
        "call_id": "CA1",
        "channels": [{"role": "customer"}],
        "encoding": "pcm_s16le",
        "sample_rate": 8000,
    }
)
CRM = {"id": "crm", "secret": "of-the-crm", "tenant": "acme", "max_calls": 1}
AS_CRM = {"Authorization": "Bearer of-the-crm"}


@asynccontextmanager
async def serve(folder: Path, **flags: Any) -> AsyncIterator[Server]:
    """Run a node on free ports, its outbox in a folder; `server__max_calls=1` is `server.max_calls`."""
    given = {name.replace("__", "."): value for name, value in flags.items()}
    base = {
        "node": "n",
        "server.port": 0,
        "server.admin_port": 0,
        "mqtt.url": "mqtt://127.0.0.1:1",
        "outbox.path": str(folder / "outbox.sqlite"),
    }
    async with node(load(None, {}, base | given)) as server:
        task = asyncio.create_task(server.run())
        listening = asyncio.create_task(server.listening.wait())
        await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            listening.cancel()
            task.result()
        try:
            yield server
        finally:
            server.drain()
            server.drain()
            await task


def url(server: Server, path: str = "/v1/stream") -> str:
    return f"ws://127.0.0.1:{server.port}{path}"


async def ready(socket: ClientConnection) -> dict[str, Any]:
    await socket.send(START)
    return json.loads(await socket.recv())


async def closing(socket: ClientConnection) -> int:
    await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code


async def readyz(server: Server) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.admin_port)
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    return answer.split()[1] + " " + answer.rpartition("\r\n")[2].strip()


async def send_stop(socket: ClientConnection) -> None:
    await socket.send('{"type":"stop"}')


def overload(server: Server, level: Level) -> None:
    """Have it shed so much, as if it had too much to do; the watch leaves it so for some seconds."""
    server._services.shedding.level = level
    server._admission.overloaded = level is Level.NO_CALLS
