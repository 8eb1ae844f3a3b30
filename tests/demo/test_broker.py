"""The demo's broker: whichever of the two it is, it speaks MQTT 5 on loopback and goes when told."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import pytest

from streamer.demo import broker as module
from streamer.demo.broker import BrokerError, free_port, running_broker


async def speaks(url: str) -> list[tuple[str, bytes, bool]]:
    port = int(url.rpartition(":")[2])
    version = aiomqtt.ProtocolVersion.V5
    async with aiomqtt.Client("127.0.0.1", port, protocol=version) as one:
        await one.publish("a/b", b"kept", qos=1, retain=True)
        await one.subscribe("a/#", qos=1)
        async for message in one.messages:
            return [(str(message.topic), bytes(message.payload), message.retain)]
    return []


async def test_mosquitto_is_taken_where_it_is_installed(find_program: Callable[[str], str]) -> None:
    find_program("mosquitto")
    with running_broker() as running:
        assert running.software == "Mosquitto"
        assert await speaks(running.url) == [("a/b", b"kept", True)]
    assert not listens(running.url)


async def test_the_embedded_broker_serves_where_mosquitto_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda *_, **__: None)
    with running_broker() as running:
        assert "rumqttd" in running.software
        assert await speaks(running.url) == [("a/b", b"kept", True)]
    assert not listens(running.url)


def test_a_port_that_is_taken_is_left_alone() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port


def test_a_broker_that_does_not_come_up_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = tmp_path / "mosquitto"
    wrong.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    wrong.chmod(0o755)
    monkeypatch.setattr(module.shutil, "which", lambda *_, **__: str(wrong))
    with pytest.raises(BrokerError, match="code 3"), running_broker():
        pass


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0
