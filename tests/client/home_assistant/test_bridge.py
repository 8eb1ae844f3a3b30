"""The bridge at a real Mosquitto; Home Assistant's part is a small reader of the configurations it was given."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import pytest
from streamer_client.broker import Broker
from streamer_client.errors import BrokerError
from streamer_client.events import encode
from streamer_client.home_assistant.bridge import remove, run_bridge
from streamer_client.home_assistant.discovery import Places

from tests.client.home_assistant.test_discovery import check

PLACES = Places(base="emotion", tenant="default", prefix="homeassistant")
TENANT = "homeassistant/device/emotion-tenant-default/config"
NODE = "homeassistant/device/emotion-node-node-1/config"


class Panel:
    """What Home Assistant would show: it knows nothing but configurations and the topics they name."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.changed = asyncio.Event()

    def hear(self, message: aiomqtt.Message) -> None:
        self.kept[message.topic.value] = bytes(message.payload)
        self.changed.set()

    def shown(self) -> dict[str, Any]:
        """Value of every sensor by its unique id; None where it would be unavailable or unknown."""
        values = {}
        for topic, payload in self.kept.items():
            if not topic.startswith("homeassistant/device/") or not payload:
                continue
            config = json.loads(payload)
            available = self.kept.get(config.get("availability_topic", ""), b"online") == b"online"
            for one in config["components"].values():
                state = self.kept.get(one.get("state_topic") or config["state_topic"], b"")
                values[one["unique_id"]] = render(one["value_template"], state) if available and state else None
        return values

    async def until(self, **wanted: Any) -> None:
        names = {f"emotion-tenant-default-{name}": value for name, value in wanted.items()}
        await self.until_shown(names)

    async def until_shown(self, wanted: dict[str, Any]) -> None:
        async with asyncio.timeout(20):
            while not wanted.items() <= self.shown().items():
                self.changed.clear()
                await self.changed.wait()


def render(template: str, payload: bytes) -> Any:
    """Return what a template of the kind that we use makes of a payload: the Jinja of `{{ value_json.a.b }}`."""
    found = re.fullmatch(r"\{\{ value_json\.([a-z_.]+)( \| tojson)? \}\}", template)
    assert found, template
    value = json.loads(payload)
    for name in found[1].split("."):
        value = value[name]
    return value


@asynccontextmanager
async def panel_at(broker: Any) -> AsyncIterator[Panel]:
    panel = Panel()

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            panel.hear(message)

    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for topic in ("homeassistant/#", "emotion/home-assistant/#", "emotion/v1/nodes/+/status"):
            await client.subscribe(topic, qos=1)
        task = asyncio.create_task(listen(client))
        yield panel
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def bridging(broker: Any, version: str = "5") -> AsyncIterator[None]:
    ready = asyncio.Event()
    task = asyncio.create_task(
        run_bridge(Broker(broker.url, version), PLACES, on_status=lambda _status, _reason: None, on_ready=ready.set)
    )
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
    yield
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def say(broker: Any, *messages: tuple[str, Any], retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for topic, event in messages:
            payload = encode(event) if event else b""
            await client.publish(f"emotion/v1/{topic}", payload, qos=1, retain=retain)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_the_sensors_are_announced_retained_and_follow_what_happens(
    mosquitto: Any, make: Any, version: Any
) -> None:
    await say(mosquitto, ("nodes/node-1/status", make.status()), ("default/calls/CA1/state", make.state()), retain=True)
    async with bridging(mosquitto, version), panel_at(mosquitto) as panel:  # comes later, and finds all there is
        await panel.until(live_calls=1, open_alerts=0, last_alert=None)
        await panel.until_shown({"emotion-node-node-1-status": "online"})
        for topic in (TENANT, NODE):
            check(json.loads(panel.kept[topic]))
        await say(mosquitto, ("default/calls/CA2/state", make.state("CA2")), retain=True)
        await say(mosquitto, ("default/alerts/critical", make.alert()))
        await panel.until(live_calls=2, open_alerts=1, last_alert="2026-11-22T10:15:04.210Z")
        component = json.loads(panel.kept[TENANT])["components"]["last_alert"]
        attributes = render(component["json_attributes_template"], panel.kept[component["json_attributes_topic"]])
        assert attributes["message"] == "Listen in."
        await say(mosquitto, ("default/calls/CA1/state", None), retain=True)
        await say(mosquitto, ("default/calls/CA2/ended", make.ended("CA2")))
        await say(mosquitto, ("default/acknowledgements", make.acknowledgement()))
        await panel.until(live_calls=0, open_alerts=0)
    async with panel_at(mosquitto) as panel:  # a bridge that was ended shows as unavailable; the servers do not
        await panel.until(live_calls=None, open_alerts=None)
        await panel.until_shown({"emotion-node-node-1-status": "online"})


async def test_alerts_stay_open_through_a_restart_and_count_when_they_come_meanwhile(mosquitto: Any, make: Any) -> None:
    async with panel_at(mosquitto) as panel:
        async with bridging(mosquitto):
            await say(mosquitto, ("default/alerts/critical", make.alert("CA1")))
            await panel.until(open_alerts=1)
        await say(mosquitto, ("default/alerts/critical", make.alert("CA2")))
        async with bridging(mosquitto):
            await panel.until(open_alerts=2)
            await say(mosquitto, ("default/acknowledgements", make.acknowledgement("CA1")))
            await panel.until(open_alerts=1)


async def test_a_broker_that_comes_back_finds_the_sensors_right_again(mosquitto: Any, make: Any) -> None:
    async with bridging(mosquitto):
        await asyncio.to_thread(mosquitto.stop)
        await asyncio.to_thread(mosquitto.start)
        async with panel_at(mosquitto) as panel:
            await say(mosquitto, ("default/alerts/critical", make.alert()))
            await panel.until(open_alerts=1)


async def test_what_stands_there_and_is_not_ours_is_replaced(mosquitto: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.publish(PLACES.state, b"hello", qos=1, retain=True)
    async with bridging(mosquitto), panel_at(mosquitto) as panel:
        await panel.until(open_alerts=0)
    assert "is not ours, and is replaced" in caplog.text


async def test_removing_takes_away_everything_of_ours_and_nothing_else(mosquitto: Any, make: Any) -> None:
    lamp = "homeassistant/device/lamp/config"
    await say(mosquitto, ("nodes/node-1/status", make.status()), retain=True)
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.publish(lamp, b'{"components":{}}', qos=1, retain=True)
    async with bridging(mosquitto), panel_at(mosquitto) as panel:
        await panel.until_shown({"emotion-node-node-1-status": "online"})
    assert await remove(Broker(mosquitto.url), PLACES) == [NODE, TENANT]
    async with panel_at(mosquitto) as panel:
        async with asyncio.timeout(20):
            while lamp not in panel.kept:
                panel.changed.clear()
                await panel.changed.wait()
        await say(mosquitto, ("nodes/node-2/status", make.status()))  # behind whatever else is kept
        async with asyncio.timeout(20):
            while "emotion/v1/nodes/node-2/status" not in panel.kept:
                panel.changed.clear()
                await panel.changed.wait()
        assert [topic for topic in panel.kept if "v1" not in topic] == [lamp]
    assert await remove(Broker(mosquitto.url), PLACES) == []


async def test_a_broker_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(BrokerError, match="connection refused; is it running there"):
        await remove(Broker("mqtt://127.0.0.1:1"), PLACES)
    with pytest.raises(BrokerError, match="connection refused; is it running there"):
        await run_bridge(
            Broker("mqtt://127.0.0.1:1"), PLACES, on_status=lambda *_: None, on_ready=lambda: pytest.fail("ready")
        )


async def test_a_topic_that_we_may_not_write_is_named(mosquitto_with: Any, tmp_path: Any) -> None:
    (tmp_path / "rights").write_text("topic read #\ntopic write emotion/home-assistant/#\n")
    broker = mosquitto_with(f"acl_file {tmp_path / 'rights'}")
    with pytest.raises(BrokerError, match=f"forbids us to publish on {TENANT}"):
        await run_bridge(Broker(broker.url), PLACES, on_status=lambda *_: None, on_ready=lambda: pytest.fail("ready"))
