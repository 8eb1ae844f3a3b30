"""What this user may publish, asked by publishing what says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from streamer.bus.cloudevents import Kind
from streamer.bus.rights import Asking, May, Right, probes
from streamer.bus.settings import LinkError, MqttSettings
from streamer.bus.topics import Topics

ALL = [Kind.STATUS, Kind.STATE, Kind.UTTERANCE, Kind.PARTIAL, Kind.ENDED]


async def rights(url: str, version: Any = "5", tenants: tuple[str, ...] = ("default",)) -> list[Right]:
    asking = Asking(MqttSettings(url, version=version), "node-1", 5)
    try:
        return await asking.rights(tenants)
    finally:
        await asking.close()


def test_every_message_is_empty_and_retained_only_where_no_call_is() -> None:
    sent = list(probes(Topics(), "node-1", ["a", "b"], "check-1"))
    assert [one.kind for one in sent] == [*ALL, *ALL[1:]]
    assert {one.payload for one in sent} == {b""}
    assert {one.qos for one in sent} == {1}
    assert all("check-1" in one.topic for one in sent if one.retain)
    assert sent[0].topic == "emotion/v1/nodes/node-1/status"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_where_everything_is_allowed_everything_is_taken_and_nothing_changed(
    mosquitto: Any, collecting: Callable[..., Any], version: str
) -> None:
    status = "emotion/v1/nodes/node-1/status"
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.publish(status, b"online", qos=1, retain=True)
    found = await rights(mosquitto.url, version, ("a", "b"))
    assert [(one.kind, one.may) for one in found] == [(kind, May.YES) for kind in [*ALL, *ALL[1:]]]
    async with collecting(mosquitto, "#") as kept:
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.publish("end", b"", qos=1)
        messages = await kept.count(2)
    assert [(str(one.topic), one.payload) for one in messages] == [(status, b"online"), ("end", b"")]


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("5", "Not authorized; check what this user may write to"),
        ("3.1.1", "acknowledged it and closed the connection; check what this user may write to"),
    ],
)
async def test_what_is_forbidden_is_told_from_what_is_allowed(
    mosquitto_with: Any, tmp_path: Path, version: str, words: str
) -> None:
    file = tmp_path / "rights"
    file.write_text("topic readwrite emotion/v1/nodes/#\ntopic readwrite emotion/v1/+/calls/+/ended\n")
    found = {one.kind: one for one in await rights(mosquitto_with(f"acl_file {file}").url, version)}
    assert [kind for kind, one in found.items() if one.may is May.YES] == [Kind.STATUS, Kind.ENDED]
    assert words in found[Kind.UTTERANCE].says


async def test_under_3_1_1_a_user_who_may_not_read_learns_nothing(mosquitto_with: Any, tmp_path: Path) -> None:
    file = tmp_path / "rights"
    file.write_text("topic write emotion/v1/#\n")
    assert {one.may for one in await rights(mosquitto_with(f"acl_file {file}").url, "3.1.1")} == {May.UNKNOWN}


async def test_a_broker_that_hangs_up_on_retained_messages_is_asked_for_the_others(mosquitto_with: Any) -> None:
    for version in ("5", "3.1.1"):
        found = await rights(mosquitto_with("retain_available false").url, version)
        (refused,) = [one for one in found if one.may is May.NO]
        assert refused.kind is Kind.STATE
        assert "retained" in refused.says


def answering(*pubacks: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    """A broker of MQTT 5 that takes a greeting and answers each publish as told: reason code, or nothing at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = iter(pubacks)
        try:
            while True:
                kind = (await reader.readexactly(1))[0]
                length = (await reader.readexactly(1))[0]
                body = await reader.readexactly(length)
                if kind == 0x10:
                    writer.write(b"\x20\x03\x00\x00\x00")
                elif kind & 0xF0 == 0x30:
                    at = 2 + int.from_bytes(body[:2], "big")
                    code = next(answers)
                    if code:
                        writer.write(b"\x40\x04" + body[at : at + 2] + code + b"\x00")
        except asyncio.IncompleteReadError:
            pass  # it said goodbye
        finally:
            writer.close()

    return serve


async def test_a_broker_that_is_full_or_never_answers_is_said() -> None:
    server = await asyncio.start_server(answering(b"\x00", b"\x97", b""), "127.0.0.1", 0)
    async with server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        asking = Asking(MqttSettings(url), "n", 0.5)
        topics = iter(probes(Topics(), "n", ["t"], "c"))
        found = [await asking._ask(next(topics)) for _ in range(3)]
        await asking.close()
    assert [one.may for one in found] == [May.YES, May.NO, May.NO]
    assert "Quota exceeded; the broker is full" in found[1].says
    assert "has not acknowledged it within 0.5 s" in found[2].says


async def test_a_broker_that_is_gone_is_an_error(mosquitto: Any) -> None:
    asking = Asking(MqttSettings(mosquitto.url), "n", 5)
    await asking.link()
    mosquitto.stop()
    with pytest.raises(LinkError, match="nothing listens there"):
        await asking.rights(("default",))
    await asking.close()
