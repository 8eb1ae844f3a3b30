"""A network that can be cut: nothing passes while it is cut, nobody is told, and all of it passes when it is mended."""

from __future__ import annotations

import asyncio

import pytest
from streamer_client.subscribe import subscribe

from benchmarks.network import network
from benchmarks.programs import Broker, free_port
from tests.conftest import program


@pytest.mark.parametrize("real", [True, False], ids=["the best that this machine allows", "the relay"])
async def test_what_is_published_into_a_cut_network_arrives_when_it_is_mended(tmp_path, real: bool) -> None:
    program("mosquitto")
    port = free_port()
    async with network(port, real=real) as lan:
        broker = Broker(
            tmp_path / "broker", host=lan.subscriber_host, port=port, address=lan.listens_on, before=lan.before
        )
        try:
            await broker.start()
            host, _, to_port = lan.to_broker.partition(":")
            await lan.cut()
            connecting = asyncio.create_task(asyncio.open_connection(host, int(to_port)))
            async with subscribe(f"mqtt://{lan.subscriber_host}:{port}"):
                pass  # past the cut everything is as it was
            hello = asyncio.create_task(greeted(connecting))
            await lan.mend()
            assert await hello == b"\x20"  # CONNACK
        finally:
            broker.close()
    assert (lan.dropped is None) == ("no packets were dropped" in lan.method)


async def greeted(connecting: asyncio.Task[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> bytes:
    """Say CONNECT (MQTT 3.1.1, no client id) once there is a connection; return how the answer begins."""
    reader, writer = await connecting
    writer.write(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")
    try:
        return await reader.readexactly(1)
    finally:
        writer.close()
