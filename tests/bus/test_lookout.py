"""The look at what is retained: said once, counted, and never with a topic in the log."""

from __future__ import annotations

import asyncio
from typing import Any

import aiomqtt
import pytest
import structlog
from prometheus_client import CollectorRegistry
from streamer_client.events import CallRef, StateData, StateEvent, encode

from streamer.bus import lookout
from streamer.bus.lookout import Lookout
from streamer.bus.retained import Census, Junk
from streamer.bus.settings import LinkError, MqttSettings
from streamer.metrics import Metrics

TOPIC = "emotion/v1/default/calls/4930123456/ended"


class Watch:
    """A lookout whose looks a test steps through: it waits after each one until it is told to look again."""

    def __init__(self, url: str, **more: Any) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.one = Lookout(MqttSettings(url), "node-1", self.metrics, quiet_s=0.2, **more)

    async def look(self) -> list[Any]:
        """Look once; return what was logged."""
        with structlog.testing.capture_logs() as logs:
            await self.one._look()
        return [line for line in logs if line["log_level"] != "debug"]

    def figure(self, kind: Junk) -> float | None:
        return self.metrics.registry.get_sample_value("streamer_retained_junk", {"kind": kind})


async def keep(broker: Any, topic: str, payload: bytes) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish(topic, payload, qos=1, retain=True)


async def test_junk_is_said_once_and_counted_until_it_is_gone(mosquitto: Any) -> None:
    watch = Watch(mosquitto.url)
    assert await watch.look() == []
    assert watch.figure(Junk.NEVER_RETAINED) == 0
    await keep(mosquitto, TOPIC, b"x")
    (line,) = await watch.look()
    assert line["event"].startswith("retained messages under our topics mislead whoever subscribes")
    assert line["never_retained"] == 1
    assert "4930123456" not in str(line)
    assert await watch.look() == []
    assert watch.figure(Junk.NEVER_RETAINED) == 1
    await keep(mosquitto, TOPIC, b"")
    assert await watch.look() == []
    assert watch.figure(Junk.NEVER_RETAINED) == 0
    await keep(mosquitto, TOPIC, b"y")
    assert len(await watch.look()) == 1


@pytest.mark.parametrize(("alone", "stale"), [(True, 1), (False, 0)])
async def test_states_of_a_predecessor_are_junk_where_this_process_is_the_whole_node(
    mosquitto: Any, alone: bool, stale: int
) -> None:
    data = StateData(CallRef("CA1"), "live", ("customer",), ("customer",), notice=True)
    event = StateEvent(id="1", source="/nodes/node-1", subject="CA1", time="2026-01-01T00:00:00.000Z", data=data)
    await keep(mosquitto, "emotion/v1/default/calls/CA1/state", encode(event))
    watch = Watch(mosquitto.url, alone=alone)
    await watch.look()
    assert watch.figure(Junk.STALE_STATE) == stale


async def test_it_looks_again_and_again_whatever_the_broker_does(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    enough = asyncio.Event()

    async def failing(_: Lookout) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            enough.set()
        raise LinkError("broker mqtt://x: nothing listens there")

    monkeypatch.setattr(Lookout, "_look", failing)
    task = asyncio.create_task(Watch("mqtt://127.0.0.1:1", every_s=0).one.run())
    await enough.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_connection_is_left_in_order_when_the_look_fails(
    mosquitto: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    links: list[Any] = []

    async def failing(link: Any, *_: Any, **__: Any) -> Census:
        links.append(link)
        raise LinkError("forbidden")

    monkeypatch.setattr(lookout, "look", failing)
    with pytest.raises(LinkError):
        await Watch(mosquitto.url).look()
    assert links[0].lost
