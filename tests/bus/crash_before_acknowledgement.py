"""A server cut down to its bus: puts verdicts, publishes them, says so, and waits to be killed.

Started by test_mqtt with the outbox's path and the broker's URL. It must never end by itself before it is killed.
"""

from __future__ import annotations

import asyncio
import sys

from prometheus_client import CollectorRegistry

from streamer.bus.cloudevents import Kind, Outgoing
from streamer.bus.mqtt import MqttSettings, Publisher
from streamer.bus.outbox import Outbox
from streamer.metrics import Metrics


async def main(path: str, url: str) -> None:
    """Run until killed."""
    metrics = Metrics(CollectorRegistry())
    outbox = await Outbox.open(path, metrics=metrics)
    publisher = Publisher(MqttSettings(url, version="3.1.1"), outbox, node="node-1", metrics=metrics)
    running = asyncio.create_task(publisher.run())
    await outbox.put(
        [
            Outgoing(id=f"event-{n}", kind=Kind.UTTERANCE, topic="calls/a", payload=b"event-%d" % n, call_key="a")
            for n in range(3)
        ]
    )
    sys.stdout.write("put\n")
    sys.stdout.flush()
    await running


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
