"""Who objects is forgotten by the alert service too; who only hangs up is not. Real server, broker and service."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from streamer_client.alerts.rules import Rule
from streamer_client.alerts.runner import run_alerts
from streamer_client.broker import Broker
from streamer_client.events import EMOTIONS, Severity
from websockets.asyncio.client import connect

from tests.end_to_end.conftest import StartNode
from tests.end_to_end.sounds import Samples, linear
from tests.end_to_end.speaking import STOP, hear, native_call, say, start, until
from tests.processes import PATIENCE_S

ANY = Rule(name="any", severity=Severity.INFO, message="m", emotions=EMOTIONS, count=1, within_s=10, cooldown_s=0)


async def rows(path: Path, table: str) -> int:
    """Return how many rows of the service's state are there."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own names
    finally:
        db.close()
    return int(count)


async def until_there_are(path: Path, table: str, *, any_: bool) -> None:
    """Return once a table has rows, or has none."""
    async with asyncio.timeout(PATIENCE_S):
        while bool(await rows(path, table)) is not any_:  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.02)


async def test_an_objection_deletes_what_the_alert_service_has_of_the_call(
    mosquitto: Any, start_node: StartNode, recording: Samples, call_id: str, tmp_path: Path
) -> None:
    path = tmp_path / "alerts.sqlite"
    node = await start_node(mosquitto.url)
    await node.connected()
    listens = asyncio.Event()
    service = asyncio.create_task(
        run_alerts([ANY], broker=Broker(mosquitto.url), state=path, on_status=lambda *_: listens.set())
    )
    try:
        await listens.wait()
        async with connect(node.url) as socket:
            await say(socket, start(call_id=call_id), linear(recording))
            await until(socket, "event")
            await until_there_are(path, "alerts", any_=True)
            await say(socket, {"type": "withdraw"})
            for table in ("alerts", "seen", "calls", "deliveries"):
                await until_there_are(path, table, any_=False)
            await say(socket, STOP)
            await hear(socket)
        # Of a call that ends in the ordinary way the alerts stay, though its state is cleared as well.
        await native_call(node.url, recording, call_id=f"{call_id}-ended")
        await native_call(node.url, recording, call_id=f"{call_id}-behind")
        await until_there_are(path, "alerts", any_=True)
    finally:
        service.cancel()
        await asyncio.wait([service])
    assert await rows(path, "calls") <= 2
    assert await rows(path, "alerts") > 0
