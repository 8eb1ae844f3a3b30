"""From the bus to the hub."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from streamer_client.broker import Broker
from streamer_client.dashboard.feed import Feed, call_of, filters_of, narrow
from streamer_client.dashboard.hub import Hub
from streamer_client.dashboard.model import Model
from streamer_client.dashboard.store import Store
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


async def test_what_an_earlier_run_followed_and_this_one_must_not_is_unsubscribed(
    mosquitto: Any, make: Any, tmp_path: Path
) -> None:
    store = await Store.open(tmp_path / "dashboard.sqlite")
    broker = Broker(mosquitto.url)

    async def run(tenant: str, call: str) -> set[str]:
        await narrow(broker, store, filters_of(tenant, "emotion"))
        hub = Hub(Model(), None, now_s=lambda: BEGAN_S, midnight_s=lambda now_s: now_s)  # takes all that comes
        feed = Feed(hub, broker, tenant=tenant, base="emotion", client_id=store.client_id)
        async with feed, aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            running = asyncio.create_task(feed.run())
            for whose in ("other", "acme"):
                event = make.utterance(1, call=call, tenant=whose)
                await client.publish(f"emotion/v1/{whose}/calls/{call}/customer/utterance", encode(event), qos=1)
            async with asyncio.timeout(60):
                while ("acme", call) not in hub.model.floor.calls:
                    await hub.wait(hub.cursor, 60)
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        # What was not acknowledged in the run before comes again, and is another call.
        return {tenant for tenant, name in hub.model.floor.calls if name == call}

    try:
        assert await run("+", "CA1") == {"other", "acme"}
        assert await run("acme", "CA2") == {"acme"}
        assert sorted(await store.filters()) == sorted(filters_of("acme", "emotion"))
    finally:
        await store.close()


async def test_what_lies_on_a_topic_that_is_not_its_own_reaches_no_page(mosquitto: Any, make: Any) -> None:
    hub = Hub(Model(), None, now_s=lambda: BEGAN_S, midnight_s=lambda now_s: now_s)
    feed = Feed(hub, Broker(mosquitto.url), tenant="+", base="emotion", client_id="")
    async with feed, aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        running = asyncio.create_task(feed.run())
        await client.publish("emotion/v1/acme/acknowledgements", encode(make.ended("FORGED")), qos=1)
        await client.publish("emotion/v1/default/calls/CA1/ended", encode(make.ended()), qos=1)
        async with asyncio.timeout(60):
            while not hub.snapshot().calls:
                await hub.wait(hub.cursor, 60)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    assert [call.id for call in hub.snapshot().calls] == ["CA1"]


async def test_a_broker_that_goes_and_comes_back_stands_in_the_log(
    mosquitto: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="streamer_client.dashboard")
    hub = Hub(Model(), None, now_s=lambda: BEGAN_S, midnight_s=lambda now_s: now_s)
    feed = Feed(hub, Broker(mosquitto.url), tenant="+", base="emotion", client_id="")
    async with feed:
        assert caplog.records == []
        running = asyncio.create_task(feed.run())
        for act, connected in ((mosquitto.stop, False), (mosquitto.start, True)):
            await asyncio.to_thread(act)
            async with asyncio.timeout(60):
                while hub.broker.connected is not connected:
                    await hub.wait(hub.cursor, 60)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    first, last = caplog.records[0], caplog.records[-1]
    assert first.levelname == "WARNING"
    assert first.getMessage().startswith("the connection to the broker is lost: ")
    assert last.levelname == "INFO"
    assert last.getMessage().endswith(" again")
