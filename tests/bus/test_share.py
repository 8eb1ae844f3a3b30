"""A worker's bus: it delivers, and leaves status, will and secret to its supervisor."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from prometheus_client import CollectorRegistry
from streamer_client.events import Status

from streamer.bus.bus import Bus
from streamer.bus.share import Share
from streamer.config import Settings, load
from streamer.metrics import Metrics
from tests.conftest import Broker, collect


def settings(broker: Broker, path: Path) -> Settings:
    return load(None, {}, {"node": "n", "mqtt.url": broker.url, "outbox.path": str(path)})


async def test_a_worker_that_falls_or_goes_does_not_speak_for_the_node(mosquitto: Broker, tmp_path: Path) -> None:
    node = await Bus.open(settings(mosquitto, tmp_path / "outbox.sqlite"), Metrics(CollectorRegistry()))
    share = Share(worker=1, salt=node.secret)
    worker = await Bus.open(settings(mosquitto, tmp_path / "outbox-w1.sqlite"), Metrics(CollectorRegistry()), share)
    async with collect(mosquitto, "emotion/v1/nodes/n/status") as heard:
        running = [asyncio.create_task(bus.run()) for bus in (node, worker)]
        for bus in (node, worker):
            await bus._publisher.wait_connected()
        await worker.announce(Status.DRAINING)
        assert worker._publisher._link is not None
        worker._publisher._link.abort()  # as kill -9 does
        await worker._publisher.wait_connected()
        running[1].cancel()
        await asyncio.wait([running[1]])
        await node.announce(Status.DRAINING)
        running[0].cancel()
        await asyncio.wait([running[0]])
        await heard.count(3)
    said = [json.loads(payload)["data"]["status"] for payload in heard.payloads()]
    assert said == ["online", "draining", "offline"]
    await worker.close()
    await node.close()


async def test_all_processes_of_a_node_make_the_same_pseudonyms(mosquitto: Broker, tmp_path: Path) -> None:
    node = await Bus.open(settings(mosquitto, tmp_path / "outbox.sqlite"), Metrics(CollectorRegistry()))
    share = Share(worker=1, salt=node.secret)
    worker = await Bus.open(settings(mosquitto, tmp_path / "outbox-w1.sqlite"), Metrics(CollectorRegistry()), share)
    assert worker.salt("acme") == node.salt("acme") != node.salt("other")
    await worker.close()
    await node.close()


async def test_what_a_worker_left_is_adopted_once_it_is_gone(mosquitto: Broker, tmp_path: Path) -> None:
    node = await Bus.open(settings(mosquitto, tmp_path / "outbox.sqlite"), Metrics(CollectorRegistry()))
    share = Share(worker=1, salt=node.secret)
    worker = await Bus.open(settings(mosquitto, tmp_path / "outbox-w1.sqlite"), Metrics(CollectorRegistry()), share)
    await worker.close()
    assert await node.adopt(tmp_path / "outbox-w1.sqlite") == 0
    assert not (tmp_path / "outbox-w1.sqlite").exists()
    await node.close()
