"""A broker that only hangs up is asked what it is; nothing secret is said to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from streamer.bus.connection import connect
from streamer.bus.diagnose import diagnose
from streamer.bus.reasons import Trouble
from streamer.bus.settings import LinkError, MqttSettings
from tests.certificates import authority, signed

SILENCE = LinkError("silence", Trouble.NO_ANSWER)
ACCEPTED = b"\x20\x02\x00\x00"
NOT_AUTHORISED = b"\x20\x02\x00\x05"


@asynccontextmanager
async def listening(answer: Callable[[bytes], bytes]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer each first packet, and hang up where the answer is empty; yields host and port, and what came."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.read(1000))
            said = answer(heard[-1])
            writer.write(said)
            if said:
                await reader.read(1000)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", heard


def only_3_1_1(answer: bytes) -> Callable[[bytes], bytes]:
    """A broker that understands level 4 in a greeting, and nothing else."""
    return lambda greeting: answer if b"MQTT\x04" in greeting else b""


@pytest.mark.parametrize("answer", [ACCEPTED, NOT_AUTHORISED])
async def test_a_broker_of_3_1_1_only_is_found_out_without_telling_it_the_password(
    answer: bytes, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2", encoding="utf-8")
    async with listening(only_3_1_1(answer)) as (place, heard):
        settings = MqttSettings(f"mqtt://{place}", username="me", password_file=str(secret))
        found = await diagnose(settings, SILENCE, 5)
    assert found.trouble is Trouble.VERSION
    assert str(found) == f"broker mqtt://{place}: speaks no MQTT 5, but 3.1.1; set mqtt.version = '3.1.1'"
    assert not any(b"hunter2" in greeting for greeting in heard)


async def test_a_broker_that_wants_tls_is_found_out(mosquitto_with: Any, tmp_path: Path) -> None:
    pair = signed(authority(tmp_path, "root"), tmp_path, "broker")
    broker = mosquitto_with(f"certfile {pair.cert}", f"keyfile {pair.key}")
    with pytest.raises(LinkError) as silent:
        await connect(MqttSettings(broker.url))
    found = await diagnose(MqttSettings(broker.url), silent.value, 5)
    assert found.trouble is Trouble.TLS
    assert "wants TLS; write mqtts:// in mqtt.url" in str(found)


async def test_a_broker_that_asks_for_certificates_speaks_tls_as_well(mosquitto_with: Any, tmp_path: Path) -> None:
    root = authority(tmp_path, "root")
    pair = signed(root, tmp_path, "broker")
    broker = mosquitto_with(
        f"certfile {pair.cert}",
        f"keyfile {pair.key}",
        f"cafile {root.cert}",
        "require_certificate true",
        "tls_version tlsv1.2",
    )
    assert (await diagnose(MqttSettings(broker.url), SILENCE, 5)).trouble is Trouble.TLS


async def test_a_broker_without_tls_is_found_out(mosquitto: Any) -> None:
    found = await diagnose(MqttSettings(f"mqtts://127.0.0.1:{mosquitto.port}"), SILENCE, 5)
    assert found.trouble is Trouble.TLS
    assert "no TLS there; check the port, or use mqtt:// in mqtt.url" in str(found)


async def test_what_stays_silent_is_said_as_it_is() -> None:
    async with listening(lambda _: b"") as (place, _):
        for settings in (
            MqttSettings(f"mqtt://{place}"),
            MqttSettings(f"mqtts://{place}"),
            MqttSettings(f"mqtt://{place}", version="3.1.1"),
        ):
            assert await diagnose(settings, SILENCE, 5) is SILENCE


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
async def test_a_broker_that_was_only_away_is_not_called_an_old_one(scheme: str) -> None:
    def answers_anybody(greeting: bytes) -> bytes:
        return b"\x20\x03\x00\x00\x00" if b"MQTT\x05" in greeting else ACCEPTED

    async with listening(answers_anybody) as (place, _):
        settings = MqttSettings(f"{scheme}://{place}")
        expected = {"mqtt": Trouble.NO_ANSWER, "mqtts": Trouble.TLS}[scheme]
        assert (await diagnose(settings, SILENCE, 5)).trouble is expected


async def test_what_has_a_cause_already_is_not_asked_after() -> None:
    clear = LinkError("nothing listens there", Trouble.UNREACHABLE)
    assert await diagnose(MqttSettings("mqtt://127.0.0.1:1"), clear, 5) is clear


async def test_a_place_that_is_gone_by_then_is_no_error() -> None:
    assert await diagnose(MqttSettings("mqtt://127.0.0.1:1"), SILENCE, 5) is SILENCE
    assert await diagnose(MqttSettings("mqtts://[::1]:1"), SILENCE, 5) is SILENCE
