"""Waiting for the broker can be cancelled, also in the very moment in which it answers."""

from __future__ import annotations

import asyncio

import aiomqtt
import pytest
from streamer_client.mqtt_client import MqttClient


async def test_a_cancellation_in_the_moment_of_the_answer_is_not_lost() -> None:
    client = MqttClient("127.0.0.1")
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(client._wait_for(answer, timeout=60))
    await asyncio.sleep(0)
    answer.set_result("it is there")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_comes_in_time_is_returned_and_what_does_not_is_an_error() -> None:
    client = MqttClient("127.0.0.1")
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with pytest.raises(aiomqtt.MqttError, match="timed out"):
        await client._wait_for(answer, timeout=0)
    answer = asyncio.get_running_loop().create_future()
    answer.set_result("it is there")
    assert await client._wait_for(answer, timeout=float("inf")) == "it is there"


async def test_an_answer_that_nobody_waits_for_any_more_is_no_defect(caplog: pytest.LogCaptureFixture) -> None:
    client = MqttClient("127.0.0.1")
    answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    client._pending_subscribes[1] = answer
    client._on_subscribe(None, None, 1, ["granted"])
    assert answer.result() == ["granted"]
    client._on_subscribe(None, None, 1, ["granted"])
    assert caplog.records == []
