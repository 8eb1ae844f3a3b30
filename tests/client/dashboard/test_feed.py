"""From the bus to the hub."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiomqtt
import pytest
from streamer_client.broker import Broker
from streamer_client.dashboard.feed import Feed, call_of
from streamer_client.dashboard.hub import Hub
from streamer_client.dashboard.model import Model
from streamer_client.events import encode

BEGAN_S = 1_790_000_000.0


@pytest.mark.parametrize(
    ("topic", "levels", "call"),
    [
        ("emotion/v1/acme/calls/CA1/state", 1, ("acme", "CA1")),
        ("site/emotion/v1/acme/calls/CA1/state", 2, ("acme", "CA1")),
        ("emotion/v1/acme/calls/CA1/ended", 1, None),
        ("emotion/v1/nodes/n/status", 1, None),
        ("emotion/v2/acme/calls/CA1/state", 1, None),
    ],
)
def test_a_topic_says_whose_state_was_taken_away(topic: str, levels: int, call: Any) -> None:
    assert call_of(topic, levels) == call


@pytest.mark.parametrize("base", ["emotion", "site/emotion"])
async def test_every_kind_of_event_and_a_cleared_state_reach_the_hub(mosquitto: Any, make: Any, base: str) -> None:
    hub = Hub(Model(), None, now_s=lambda: BEGAN_S, midnight_s=lambda now_s: now_s)
    feed = Feed(hub, Broker(mosquitto.url), tenant="+", base=base, client_id="dashboard-of-a-test")
    sent = [
        (f"{base}/v1/default/calls/CA1/state", make.state()),
        (f"{base}/v1/default/calls/CA1/customer/utterance", make.utterance(1)),
        (f"{base}/v1/default/alerts/critical", make.alert()),
        (f"{base}/v1/default/acknowledgements", make.acknowledgement()),
        (f"{base}/v1/nodes/node-1/status", make.status()),
    ]
    async with feed, aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        assert hub.broker.connected
        running = asyncio.create_task(feed.run())
        for topic, event in sent:
            await client.publish(topic, encode(event), qos=1)
        async with asyncio.timeout(60):
            while not hub.snapshot().nodes:
                await hub.wait(hub.cursor, 60)
        seen = hub.snapshot()
        assert len(seen.calls[0].parties[0].trace) == 1
        assert seen.alerts[0].acknowledged is not None
        await client.publish(f"{base}/v1/default/calls/CA1/state", b"", qos=1)
        async with asyncio.timeout(60):
            while hub.snapshot().calls and hub.snapshot().calls[0].status == "live":
                await hub.wait(hub.cursor, 60)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
