"""A message leaves the broker's session when it was acknowledged by hand, and not before."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from streamer_client.alerts.link import Link
from streamer_client.broker import Broker
from streamer_client.errors import BrokerError


async def say(broker: Any, *payloads: bytes, topic: str = "a/b") -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for payload in payloads:
            await client.publish(topic, payload, qos=1)


async def first(link: Link, count: int) -> list[aiomqtt.Message]:
    """Return so many messages."""
    heard: list[aiomqtt.Message] = []
    async with asyncio.timeout(20):  # only how long a broken test hangs
        async for messages in link.batches(count - len(heard)):
            heard += messages
            if len(heard) >= count:
                break
    return heard


async def settled(link: Link) -> None:
    """Close once the broker has read the acknowledgements: it may look at a new connection before an old one."""
    await link.mark("somewhere/else", b"")
    await link.close()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_what_was_not_acknowledged_comes_again_in_order(mosquitto: Any, version: str) -> None:
    broker = Broker(mosquitto.url, version)
    link = await Link.open(broker, "alerts", ["a/#"])
    assert not link.resumed
    await say(mosquitto, b"1", b"2", b"3")
    messages = await first(link, 3)
    link.acknowledge(messages[:1])
    await settled(link)
    await say(mosquitto, b"4")
    link = await Link.open(broker, "alerts", ["a/#"])
    assert link.resumed
    again = await first(link, 3)
    assert [message.payload for message in again] == [b"2", b"3", b"4"]
    link.acknowledge(again)
    await settled(link)
    link = await Link.open(broker, "alerts", ["a/#"])
    await say(mosquitto, b"5")
    assert [message.payload for message in await first(link, 1)] == [b"5"]
    await link.close()


async def test_without_a_name_the_broker_keeps_nothing(mosquitto: Any) -> None:
    link = await Link.open(Broker(mosquitto.url), None, ["a/#"])
    assert not link.resumed
    await say(mosquitto, b"1")
    assert [message.payload for message in await first(link, 1)] == [b"1"]
    await link.close()


async def test_what_an_earlier_run_subscribed_to_is_dropped(mosquitto: Any) -> None:
    link = await Link.open(Broker(mosquitto.url), "alerts", ["a/#", "old/#"])
    await link.close()
    link = await Link.open(Broker(mosquitto.url), "alerts", ["a/#"], ["old/#"])
    await say(mosquitto, b"old", topic="old/b")
    await say(mosquitto, b"new")
    assert [message.payload for message in await first(link, 1)] == [b"new"]
    await link.close()


async def test_a_mark_that_the_broker_refuses_is_told_and_forgotten(mosquitto_with: Any, tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("topic read a/#\ntopic readwrite b/#\n")
    (tmp_path / "acl").chmod(0o644)
    strict = mosquitto_with(f"acl_file {tmp_path / 'acl'}")
    link = await Link.open(Broker(strict.url), "alerts", ["a/#"])
    assert not await link.mark("a/b", b"1")
    await link.close()
    link = await Link.open(Broker(strict.url), "alerts", ["a/#"])
    assert await link.mark("b/c", b"1")
    await link.close()


async def test_a_lost_connection_ends_the_iteration_and_acknowledging_on_it_is_harmless(mosquitto: Any) -> None:
    link = await Link.open(Broker(mosquitto.url), "alerts", ["a/#"])
    await say(mosquitto, b"1")
    messages = await first(link, 1)
    await asyncio.to_thread(mosquitto.stop)
    with pytest.raises(aiomqtt.MqttError):
        await first(link, 1)
    link.acknowledge(messages)
    await link.close()


async def test_a_broker_that_is_not_there_is_said_in_words() -> None:
    with pytest.raises(BrokerError, match="is it running there"):
        await Link.open(Broker("mqtt://127.0.0.1:1"), "alerts", ["a/#"])
